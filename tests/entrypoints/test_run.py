"""`make run`: it starts, works, stops and starts again, and leaves no process behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from entrypoints.devserver.engine import free_port
from entrypoints.devserver.postgres_engine import Postgres
from entrypoints.devserver.run import print_banner
from tests.support.service import eventually

ROOT = Path(__file__).parents[2]
ADA = {"email": "ada@example.org", "password": "a long walk to the lighthouse"}


class Run:
    """One `make run`, without the installation."""

    def __init__(self, data: Path, port: int) -> None:
        self.data = data
        self.port = port
        own = {"LATCHKEY_DATA_DIR": str(data), "LATCHKEY_PORT": str(port), "LATCHKEY_HOST": "127.0.0.1"}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "entrypoints.devserver"],
            cwd=ROOT,
            env=inherited | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(self.process.stdout)

    def wait_until_started(self) -> "Run":
        deadline = time.monotonic() + 90
        while not any("Ctrl-C" in line for line in self.said):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)
        return self

    def wait_for_exit(self) -> int:
        code = self.process.wait(40)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def process_of(self, module: str) -> psutil.Process:
        return next(child for child in self.descendants() if module in child.cmdline())

    def post(self, path: str, body: dict[str, str]) -> int:
        url = f"http://127.0.0.1:{self.port}{path}"
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)

    def wait_for_redis(self) -> None:
        """Wait until the restarted Redis is trusted."""
        url, deadline = f"http://127.0.0.1:{self.port}/health/ready", time.monotonic() + 20
        while b"degraded" in urllib.request.urlopen(url, timeout=10).read():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def mail(self) -> bytes:
        deadline = time.monotonic() + 20
        while not (mails := list((self.data / "mailbox").glob("*.eml"))):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return mails[0].read_bytes()


def gone(processes: list[psutil.Process], seconds: float) -> bool:
    """Whether all have ended within these seconds; a zombie counts as ended."""
    deadline = time.monotonic() + seconds
    while True:
        left = [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        if not left or time.monotonic() > deadline:
            return not left
        time.sleep(0.02)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[list[Run]]:
    """Runs in this list are stopped after the test."""
    started: list[Run] = []
    yield started
    for run in started:
        run.process.terminate()
        run.wait_for_exit()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "its data"


def test_run_starts_stops_and_keeps_its_data(data: Path, running: list[Run]) -> None:
    first = Run(data, free_port())
    running.append(first)
    first.wait_until_started()
    starting = [line.split(" (")[0].strip() for line in first.said if line.startswith("Starting")]
    assert starting == [
        "Starting PostgreSQL",
        "Starting the mail catcher",
        "Starting the API, which makes the schema",
        "Starting the worker",
    ]
    assert "and Valkey" in first.said[0]
    assert not any("\r" in line or "\x1b" in line for line in first.said)
    assert first.post("/v1/register", ADA) == 202
    assert b"ada@example.org" in first.mail()
    note = data / "running.json"
    assert note.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(note.read_text())) == {
        "LATCHKEY_DATABASE_URL",
        "LATCHKEY_REDIS_URL",
        "LATCHKEY_SMTP_URL",
    }
    assert refusal_of(Run(data.with_name("other"), first.port)).startswith("LATCHKEY_PORT")
    assert refusal_of(Run(data, first.port)).startswith("LATCHKEY_DATA_DIR")

    # As after an upgrade from a release that knows no factors.
    asyncio.run(run_sql(json.loads(note.read_text()), "DELETE FROM factor_enrolment RETURNING 1"))

    descendants = first.descendants()
    first.process.send_signal(signal.SIGTERM)
    assert first.wait_for_exit() == 0
    assert gone(descendants, 0)
    assert not note.exists()

    again = Run(data, first.port)
    running.append(again)
    again.wait_until_started()
    assert again.post("/v1/login", {"login": ADA["email"], "password": ADA["password"]}) == 200
    again.wait_for_redis()
    assert asyncio.run(run_sql(json.loads(note.read_text()), "SELECT count(*) FROM factor_enrolment")) == 1
    again.process.send_signal(signal.SIGINT)
    assert again.wait_for_exit() == 0
    said = "".join(path.read_text() for path in (data / "logs").glob("api.*"))
    # On a busy machine the blocklist lease may expire for a moment.
    assert [line for line in said.splitlines() if "[warning" in line and "blocklist_untrusted" not in line] == []
    assert "[error" not in said


async def run_sql(engines: dict[str, str], statement: str) -> int:
    connection = await asyncpg.connect(engines["LATCHKEY_DATABASE_URL"])
    try:
        value: int = await connection.fetchval(statement)
        return value
    finally:
        await connection.close()


def refusal_of(run: Run) -> str:
    assert run.wait_for_exit() == 1
    [line] = run.said
    return line


def test_killed_process_leaves_nothing_behind(data: Path, running: list[Run]) -> None:
    run = Run(data, free_port())
    running.append(run)
    descendants = run.wait_until_started().descendants()
    run.process.kill()
    run.wait_for_exit()
    assert gone(descendants, 20)

    again = Run(data, run.port)
    running.append(again)
    descendants = again.wait_until_started().descendants()
    again.process_of("entrypoints.worker").kill()
    assert again.wait_for_exit() == 1
    assert gone(descendants, 0)
    assert any(line.startswith("The worker has ended") for line in again.said)


def test_stop_signal_during_the_start_is_handled(data: Path) -> None:
    run = Run(data, free_port())
    descendants = eventually(run.descendants)
    run.process.send_signal(signal.SIGINT)
    assert run.wait_for_exit() == 0
    assert gone(descendants, 0)


def test_interrupted_first_start_is_completed_by_the_next(data: Path, running: list[Run]) -> None:
    """The database exists, and its schema does not."""
    Postgres(data / "postgres").start().stop()
    run = Run(data, free_port())
    running.append(run)
    assert run.wait_until_started().post("/v1/register", ADA) == 202


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("127.0.0.1", False),
        ("localhost", False),
        ("::1", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.0.2.1", True),
    ],
)
def test_banner_warns_about_a_network_host(host: str, warned: bool, capsys: pytest.CaptureFixture[str]) -> None:
    print_banner({"LATCHKEY_HOST": host, "LATCHKEY_PORT": "8000", "LATCHKEY_DATA_DIR": ".data"}, mailbox=True)
    printed = capsys.readouterr().out
    assert (f"LATCHKEY_HOST={host}: anyone in your network" in printed) == warned
    assert printed.splitlines()[-1].endswith(":8000/sign-in")
