"""Connections set the session settings that statements rely on, whatever the database's defaults are."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text

from adapters.postgres.database import Database
from entrypoints.devserver import engines

pytestmark = pytest.mark.anyio

DEFAULTS = {
    "default_transaction_isolation": "repeatable read",
    "default_transaction_deferrable": "on",
    "statement_timeout": "7s",
    "lock_timeout": "7s",
    "idle_in_transaction_session_timeout": "7s",
    "timezone": "America/St_Johns",
}


@pytest.fixture
async def odd(postgres: engines.Postgres) -> AsyncIterator[str]:
    """The URL of a database with unusual defaults."""
    admin = await asyncpg.connect(postgres.url)
    await admin.execute("DROP DATABASE IF EXISTS odd WITH (FORCE)")
    await admin.execute("CREATE DATABASE odd")
    for name, value in DEFAULTS.items():
        await admin.execute(f"ALTER DATABASE odd SET {name} = '{value}'")
    yield postgres.url_of("odd")
    await admin.execute("DROP DATABASE odd WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def odd_database(odd: str) -> AsyncIterator[Database]:
    database = Database(odd)
    yield database
    await database.close()


async def test_connections_override_defaults_of_the_database(odd_database: Database) -> None:
    async with odd_database.connection() as connection:
        settings = {
            name: await connection.fetch_value(text(f"SHOW {name}")) for name in (*DEFAULTS, "transaction_isolation")
        }
    assert settings == {
        "default_transaction_isolation": "read committed",
        "transaction_isolation": "read committed",
        "default_transaction_deferrable": "off",
        "statement_timeout": "2s",
        "lock_timeout": "0",
        "idle_in_transaction_session_timeout": "10s",
        "timezone": "UTC",
    }


async def test_a_transaction_sets_its_isolation_level_behind_pgbouncer(odd: str) -> None:
    database = Database(f"{odd}?pgbouncer=true")
    try:
        async with database.transaction() as connection:
            assert await connection.fetch_value(text("SHOW transaction_isolation")) == "read committed"
    finally:
        await database.close()


async def test_concurrent_updates_of_one_row_all_succeed(odd_database: Database) -> None:
    async with odd_database.connection() as connection:
        await connection.execute(text("CREATE TABLE counted (number int)"))
        await connection.execute(text("INSERT INTO counted VALUES (0)"))

    async def increment_in_transaction() -> None:
        async with odd_database.transaction() as connection:
            await connection.execute(text("SELECT * FROM counted"))
            await connection.execute(text("UPDATE counted SET number = number + 1"))

    async def increment() -> None:
        async with odd_database.connection() as connection:
            await connection.execute(text("UPDATE counted SET number = number + 1"))

    await asyncio.gather(*(make() for _ in range(10) for make in (increment_in_transaction, increment)))
    async with odd_database.connection() as connection:
        assert await connection.fetch_value(text("SELECT number FROM counted")) == 20
