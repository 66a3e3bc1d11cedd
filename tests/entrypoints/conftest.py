"""One service for the run, with two API processes and a worker, on a database and a Redis of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrypoints import engines
from tests.entrypoints.service import ROOT, Service


def migrate(url: str) -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "LATCHKEY_DATABASE_URL": url}, check=True)


@pytest.fixture(scope="session")
def own_engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[engines.Postgres, engines.Valkey]]:
    """Engines that no contract test empties under a running service."""
    folder = tmp_path_factory.mktemp("engines")
    with engines.postgres(folder / "pg", durable=False) as postgres, engines.valkey(folder / "valkey") as valkey:
        migrate(postgres.url)
        yield postgres, valkey


@pytest.fixture
def service(running: Service) -> Iterator[Service]:
    yield running
    running.close_clients()


@pytest.fixture(scope="session")
def running(
    own_engines: tuple[engines.Postgres, engines.Valkey], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    postgres, valkey = own_engines
    made = Service(tmp_path_factory.mktemp("service"), database_url=postgres.url, redis_url=valkey.url)
    try:
        made.start_worker()
        made.start_api()
        yield made
    finally:
        made.stop()


@pytest.fixture
def apart(tmp_path: Path, own_engines: tuple[engines.Postgres, engines.Valkey]) -> Iterator[Service]:
    """A service that a test starts, kills and sets as it likes; nothing of it runs yet."""
    postgres, valkey = own_engines
    made = Service(tmp_path, database_url=postgres.url, redis_url=valkey.url, processes=1)
    yield made
    made.close_clients()
    made.stop()
