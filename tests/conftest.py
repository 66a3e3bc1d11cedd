"""Starts engines once for the whole run, and provides an empty database for each test that needs one."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.database import Database
from adapters.postgres.tables import metadata
from entrypoints.devserver import engines
from tests.support.sql import sql_engine
from tests.support.statement_recorder import RecordingDatabase
from tests.support.world import World

# Examples may be slow on a busy machine; time is not asserted.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pgbouncer", action="store_true", help="run the service behind PgBouncer")


@pytest.fixture
def anyio_backend() -> str:
    """The real adapters need asyncio; tests of domain and use cases run on trio as well."""
    return "asyncio"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engines.Postgres]:
    # Autovacuum would analyze tables while they are empty, and the planner would then read them sequentially.
    options = {"autovacuum": "off"}
    with engines.postgres(tmp_path_factory.mktemp("postgres"), options=options, durable=False) as started:
        yield started


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engines.Valkey]:
    with engines.valkey(tmp_path_factory.mktemp("valkey")) as started:
        yield started


@pytest.fixture(scope="session")
def migrated(postgres: engines.Postgres) -> str:
    """The URL of a database with the newest schema."""
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        env={"LATCHKEY_DATABASE_URL": postgres.url},
        check=True,
    )
    return postgres.url


@pytest.fixture
async def engine(migrated: str) -> AsyncIterator[AsyncEngine]:
    """SQL of tests on an empty database."""
    made = sql_engine(migrated)
    async with made.begin() as connection:
        await connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
        # As in a new installation.
        await connection.execute(text("INSERT INTO factor_enrolment DEFAULT VALUES"))
    yield made
    await made.dispose()


@pytest.fixture
async def database(migrated: str, engine: AsyncEngine) -> AsyncIterator[Database]:
    """An empty database, as adapters use it."""
    made = RecordingDatabase(migrated)
    yield made
    await made.close()


@pytest.fixture
async def redis(valkey: engines.Valkey) -> AsyncIterator["Redis"]:
    """An empty Redis."""
    client = Redis.from_url(valkey.url)
    await client.flushall()
    yield client
    await client.aclose()
