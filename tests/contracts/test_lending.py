"""What is lent is given back, whatever becomes of its borrower, and costs nobody a turn of the event loop."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import QueuePool

from adapters.postgres.connecting import make_engine
from adapters.postgres.lending import Lender
from adapters.postgres.prepared import Prepared
from tests.contracts.stage import Undo, until

pytestmark = pytest.mark.anyio

T = TypeVar("T")

FEW = 3
BACKEND = Prepared(select(func.pg_backend_pid().label("backend")))


@pytest.fixture
async def engine(migrated: str) -> AsyncIterator[AsyncEngine]:
    made = make_engine(migrated, pool_size=FEW, deadline=5.0)
    yield made
    await made.dispose()
    await asyncio.sleep(0)  # what was hung up is closed a turn later


@pytest.fixture
def lender(engine: AsyncEngine) -> Lender:
    return Lender(engine)


def lent_out(engine: AsyncEngine) -> int:
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


async def backend(connection: AsyncConnection) -> object:
    row = await BACKEND.row(connection)
    return row and row["backend"]


def at_once(doing: Coroutine[Any, Any, T]) -> T:
    """What it returns, if it waits for nothing at all."""
    try:
        doing.send(None)
    except StopIteration as done:
        returned: T = done.value
        return returned
    doing.close()
    raise AssertionError("it waited")


async def test_one_that_lies_ready_is_taken_and_given_back_without_waiting(
    lender: Lender, engine: AsyncEngine
) -> None:
    async with lender.connection() as connection:
        first = await backend(connection)

    async def taken() -> AsyncConnection:
        async with lender.connection() as connection:
            assert lent_out(engine) == 1
        return connection

    assert at_once(taken()).closed
    assert lent_out(engine) == 0
    async with lender.connection() as connection:
        assert await backend(connection) == first


async def test_those_for_whom_there_is_none_wait_for_one(lender: Lender, engine: AsyncEngine) -> None:
    async def asked() -> object:
        async with lender.connection() as connection:
            assert lent_out(engine) <= FEW
            await asyncio.sleep(0.01)
            return await backend(connection)

    found = await asyncio.gather(*(asked() for _ in range(10 * FEW)))
    assert len(found) == 10 * FEW
    assert len(set(found)) == FEW
    assert lent_out(engine) == 0


async def test_whoever_gives_one_back_and_asks_again_waits_behind_those_who_wait(lender: Lender) -> None:
    rounds, waiting = 0, True

    async def greedy() -> None:
        nonlocal rounds
        while waiting:
            async with lender.connection() as connection:
                await backend(connection)
                rounds += 1
            assert rounds < 1000

    greedy_ones = [asyncio.create_task(greedy()) for _ in range(FEW)]
    await until(lambda: rounds >= 2 * FEW)
    before = rounds
    async with lender.connection():
        waited = rounds - before
    waiting = False
    await asyncio.gather(*greedy_ones)
    assert waited <= FEW


@pytest.mark.parametrize("prepared", [True, False])
async def test_whoever_is_broken_off_leaves_no_connection_behind(
    lender: Lender, engine: AsyncEngine, prepared: bool
) -> None:
    async def asked() -> None:
        async with lender.connection() as connection:
            if prepared:
                await Prepared(select(func.pg_sleep(5.0))).rows(connection)
            else:
                await connection.execute(select(func.pg_sleep(5.0)))

    for _ in range(2 * FEW):
        asking = asyncio.create_task(asked())
        await asyncio.sleep(0.05)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
    assert lent_out(engine) == 0
    async with asyncio.timeout(2), lender.connection() as connection:
        assert await backend(connection)


async def test_what_sqlalchemy_itself_asks_is_done_for_good_and_nothing_of_it_stays_open(
    lender: Lender, engine: AsyncEngine
) -> None:
    async with lender.connection() as connection:
        await connection.execute(text("CREATE TABLE lent (number integer)"))
        await connection.execute(text("INSERT INTO lent VALUES (1)"))
    with suppress(Undo):
        async with lender.connection() as connection:
            await connection.execute(text("INSERT INTO lent VALUES (2)"))
            raise Undo
    try:
        async with lender.connection() as used, lender.connection() as other:
            state = text(f"SELECT state FROM pg_stat_activity WHERE pid = {await backend(used)}")
            assert (await other.execute(state)).scalar() == "idle"
            assert (await other.execute(text("SELECT sum(number) FROM lent"))).scalar() == 3
    finally:
        async with lender.connection() as connection:
            await connection.execute(text("DROP TABLE lent"))
    assert lent_out(engine) == 0


async def test_one_that_the_server_has_closed_is_replaced(lender: Lender, engine: AsyncEngine) -> None:
    async with lender.connection() as connection:
        first = await backend(connection)
    async with lender.connection() as one, lender.connection() as another:
        await another.execute(text(f"SELECT pg_terminate_backend({await backend(one)})"))
        await asyncio.sleep(0.1)
    async with lender.connection() as connection:
        assert await backend(connection) not in {None, first}
    assert lent_out(engine) == 0
