"""One shared service with two API processes and a worker, and isolated services for tests that break things."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from litestar import Litestar
from sqlalchemy import make_url

from entrypoints.container import Container, close
from entrypoints.devserver import engines
from entrypoints.http.app import assemble
from entrypoints.settings import load
from tests.support.browser import Browser
from tests.support.pgbouncer import DatabasesBehindPgBouncer
from tests.support.service import ROOT, DatabaseFactory, Service


def migrate(url: str) -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    environ = {**os.environ, "LATCHKEY_DATABASE_URL": url}
    subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseFactory]:
    """Creates migrated, empty databases, each with its own Redis database; behind PgBouncer with `--pgbouncer`."""
    folder = tmp_path_factory.mktemp("engines")
    numbers = itertools.count(1)
    with engines.postgres(folder / "pg", durable=False) as postgres, engines.valkey(folder / "valkey") as valkey:
        base = make_url(postgres.url)

        def at(name: str) -> str:
            return base.set(database=name).render_as_string(hide_password=False)

        def create(name: str, template: str) -> str:
            async def run() -> None:
                connection = await asyncpg.connect(postgres.url)
                await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
                await connection.close()

            with ThreadPoolExecutor(1) as elsewhere:  # the caller may have a loop of its own
                elsewhere.submit(asyncio.run, run()).result()
            return at(name)

        migrate(create("migrated", "template1"))

        def place() -> tuple[str, str]:
            number = next(numbers)
            redis_url = make_url(valkey.url).set(database=str(number % 16)).render_as_string(hide_password=False)
            return create(f"place{number}", "migrated"), redis_url

        if not request.config.getoption("--pgbouncer"):
            yield place
            return
        behind = DatabasesBehindPgBouncer(place)
        yield behind
        assert behind.bouncer.was_used()
        behind.bouncer.end()


@contextmanager
def started(service: Service) -> Iterator[Service]:
    """Start an API and a worker, and stop them at the end of the block."""
    try:
        service.start_worker()
        service.start_api()
        yield service
    finally:
        service.stop()


@pytest.fixture(scope="session")
def shared_service(databases: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with started(Service(tmp_path_factory.mktemp("service"), *databases())) as service:
        yield service


@pytest.fixture
def service(shared_service: Service) -> Iterator[Service]:
    yield shared_service
    shared_service.close_clients()


@pytest.fixture
def application(service: Service) -> Iterator[Litestar]:
    """The application in this process, with the settings of the shared service."""
    container = Container(settings=load(service.environ))
    yield assemble(container)
    asyncio.run(close(container))


@pytest.fixture
def isolated_service(tmp_path: Path, databases: DatabaseFactory) -> Iterator[Service]:
    """A service that a test configures, starts and kills by itself; nothing of it runs yet."""
    made = Service(tmp_path, *databases(), processes=1)
    yield made
    made.close_clients()
    made.stop()


@pytest.fixture(scope="module")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """It takes pictures if LATCHKEY_SCREENSHOTS names a folder for them."""
    folder = os.environ.get("LATCHKEY_SCREENSHOTS")
    pictures = Path(folder) if folder else None
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
    made = Browser(tmp_path_factory.mktemp("profile"), pictures)
    yield made
    made.driver.quit()


@pytest.fixture
def browser(browsers: Browser) -> Iterator[Browser]:
    browsers.complaints()
    yield browsers
    assert browsers.complaints() == []
