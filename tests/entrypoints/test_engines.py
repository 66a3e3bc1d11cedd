"""Real PostgreSQL and Valkey of `make run`: data survives a crash, and no process is left running."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from entrypoints.devserver.engines import AlreadyLocked, Postgres, Valkey, postgres, valkey

ROOT = Path(__file__).parents[2]


def ask(url: str, question: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return asyncio.run(run())


def running_in(folder: Path) -> list[str]:
    """Running processes whose working directory is in that folder, without zombies."""
    processes = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                processes.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return processes


def all_ended(folder: Path, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while running_in(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not running_in(folder)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Postgres]:
    with postgres(tmp_path / "with space" / "postgres", durable=False) as engine:
        yield engine


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path / "with space" / "valkey") as engine:
        yield engine


def test_postgres_has_the_version_of_production(database: Postgres) -> None:
    assert int(str(ask(database.url, "SHOW server_version_num"))) // 10_000 == 18
    assert ask(database.url, "SHOW timezone") == "UTC"
    assert ask(database.url, "SHOW server_encoding") == "UTF8"
    assert ask(database.url, "SELECT lower('ÄÖÜ')") == "äöü"


def test_postgres_requires_the_password(database: Postgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(database.url.replace(database.password, "guess"), "SELECT 1")
    assert (database.folder / "password").stat().st_mode & 0o777 == 0o600


def test_postgres_keeps_commits_after_a_crash(database: Postgres) -> None:
    url = database.url
    ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    database.kill()
    assert not database.alive()
    assert all_ended(database.folder)
    database.start()
    assert database.url == url
    assert ask(url, "SELECT answer FROM kept") == 42


def test_postgres_starts_if_its_old_pid_is_reused(database: Postgres) -> None:
    database.kill()
    stale = database.folder / "cluster" / "postmaster.pid"
    lines = stale.read_text().splitlines()
    stale.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    database.start()
    assert ask(database.url, "SELECT 1") == 1


def test_postgres_shuts_down_cleanly_with_an_open_connection(database: Postgres) -> None:
    async def stop_with_an_open_connection() -> None:
        connection = await asyncpg.connect(database.url)
        await asyncio.to_thread(database.stop)
        connection.terminate()

    asyncio.run(stop_with_an_open_connection())
    assert "database system is shut down" in database.log.read_text()
    assert all_ended(database.folder, 0.5)


def test_valkey_keeps_data_through_stop_and_crash(redis: Valkey) -> None:
    url = redis.url
    with Redis.from_url(url) as client:
        client.set("kept", "1")
    redis.stop()
    assert all_ended(redis.folder, 0.5)
    redis.start()
    assert redis.url == url
    with Redis.from_url(url) as client:
        client.incr("kept")
        time.sleep(1.5)  # its append-only file is written within a second
        redis.kill()
    redis.start()
    with Redis.from_url(url) as client:
        assert client.get("kept") == b"2"


def test_valkey_requires_the_password_and_does_not_show_it(redis: Valkey) -> None:
    stranger = Redis(host="127.0.0.1", port=redis.port, retry=Retry(NoBackoff(), 0))
    with stranger as client, pytest.raises(AuthenticationError):
        client.ping()
    assert (redis.folder / "valkey.conf").stat().st_mode & 0o777 == 0o600
    assert redis.password not in " ".join(psutil.Process(redis.pid).cmdline())


def test_folder_is_locked_by_one_process(redis: Valkey) -> None:
    with pytest.raises(AlreadyLocked):
        Valkey(redis.folder).start()
    assert redis.alive()


def test_restarted_valkey_keeps_its_url(redis: Valkey) -> None:
    url = redis.url
    redis.stop()
    with valkey(redis.folder) as again:
        assert again.url == url


@pytest.mark.parametrize("started_again", [False, True])
def test_engines_end_with_a_killed_parent(tmp_path: Path, started_again: bool) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"running\n"
        assert running_in(tmp_path)
        parent.send_signal(signal.SIGKILL)
    if started_again:  # at once, while the old ones may still be stopping
        with postgres(tmp_path / "postgres", durable=False) as database, valkey(tmp_path / "valkey"):
            assert ask(database.url, "SELECT 1") == 1
    assert all_ended(tmp_path)


KEEPER = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from entrypoints.devserver.engines import Postgres, Valkey
folder = Path(sys.argv[1])
with ThreadPoolExecutor() as pool:
    list(pool.map(lambda e: e.start(), (Postgres(folder / "postgres", durable=False), Valkey(folder / "valkey"))))
print("running", flush=True)
time.sleep(60)
"""
