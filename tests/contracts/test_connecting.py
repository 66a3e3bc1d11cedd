"""Connections state what the statements rely on, whatever a server, a database or a role has set."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connecting import make_engine
from adapters.postgres.lending import Lender
from adapters.postgres.prepared import transaction
from entrypoints import engines

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
    """The address of a database with defaults that nobody expects."""
    admin = await asyncpg.connect(postgres.url)
    await admin.execute("DROP DATABASE IF EXISTS odd WITH (FORCE)")
    await admin.execute("CREATE DATABASE odd")
    for name, value in DEFAULTS.items():
        await admin.execute(f"ALTER DATABASE odd SET {name} = '{value}'")
    yield postgres.url_of("odd")
    await admin.execute("DROP DATABASE odd WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def odd_engine(odd: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(odd)
    yield engine
    await engine.dispose()


async def test_what_statements_rely_on_is_stated(odd_engine: AsyncEngine) -> None:
    async with Lender(odd_engine).connection() as connection:
        told = {
            name: (await connection.exec_driver_sql(f"SHOW {name}")).scalar_one()
            for name in (*DEFAULTS, "transaction_isolation")
        }
    assert told == {
        "default_transaction_isolation": "read committed",
        "transaction_isolation": "read committed",
        "default_transaction_deferrable": "off",
        "statement_timeout": "2s",
        "lock_timeout": "0",
        "idle_in_transaction_session_timeout": "10s",
        "timezone": "UTC",
    }


async def test_a_transaction_states_its_level_also_where_a_session_cannot(odd: str) -> None:
    engine = make_engine(f"{odd}?pgbouncer=true")
    try:
        async with Lender(engine).connection() as connection, transaction(connection):
            level = (await connection.exec_driver_sql("SHOW transaction_isolation")).scalar_one()
        async with engine.connect() as connection:
            plain = (await connection.exec_driver_sql("SHOW transaction_isolation")).scalar_one()
    finally:
        await engine.dispose()
    assert (level, plain) == ("read committed", "read committed")


async def test_many_who_change_one_row_at_once_all_succeed(odd_engine: AsyncEngine) -> None:
    lender = Lender(odd_engine)
    async with lender.connection() as connection:
        await connection.exec_driver_sql("CREATE TABLE counted (number int)")
        await connection.exec_driver_sql("INSERT INTO counted VALUES (0)")

    async def count() -> None:
        async with lender.connection() as connection, transaction(connection):
            await connection.exec_driver_sql("SELECT * FROM counted")
            await connection.exec_driver_sql("UPDATE counted SET number = number + 1")

    async def step() -> None:
        async with lender.connection() as connection:
            await connection.exec_driver_sql("UPDATE counted SET number = number + 1")

    await asyncio.gather(*(make() for _ in range(10) for make in (count, step)))
    async with lender.connection() as connection:
        assert (await connection.exec_driver_sql("SELECT number FROM counted")).scalar_one() == 20
