"""What is given to the driver as it is: nobody is lent a connection that somebody else has left in the middle."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Uuid, bindparam, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.connecting import make_engine
from adapters.postgres.lending import Lender
from adapters.postgres.postgres_store import PostgresStore
from adapters.postgres.prepared import Prepared, transaction
from adapters.postgres.tables import seats, users
from domain.event import Action, Event
from tests.contracts.stage import NOW, SpyingBlocklist, Undo, new_id
from tests.overhearing import Overheard

pytestmark = pytest.mark.anyio

SLEEP = Prepared(select(func.pg_sleep(bindparam("seconds"))))
BACKEND = Prepared(select(func.pg_backend_pid().label("backend")))
FAIL = Prepared(select(func.setseed(2.0)))
NAMED = Prepared(select(users.c.id).where(users.c.id == bindparam("user", type_=Uuid)))


@pytest.fixture
async def narrow(migrated: str) -> AsyncIterator[AsyncEngine]:
    """With one connection, which the next to come is lent."""
    engine = make_engine(migrated, pool_size=1)
    yield engine
    await engine.dispose()
    await asyncio.sleep(0)  # what was hung up is closed a turn later


async def backend(connection: AsyncConnection) -> int:
    row = await BACKEND.row(connection)
    assert row is not None
    found: int = row["backend"]
    return found


async def next_backend(engine: AsyncEngine) -> int:
    async with asyncio.timeout(1), Lender(engine).connection() as connection, transaction(connection):
        return await backend(connection)


async def asleep(connection: AsyncConnection) -> None:
    await SLEEP.rows(connection, seconds=5)


async def asleep_within(connection: AsyncConnection) -> None:
    async with transaction(connection):
        await asleep(connection)


async def idle_within(connection: AsyncConnection) -> None:
    async with transaction(connection):
        await asyncio.sleep(5)


async def stuck_while_it_is_undone(connection: AsyncConnection) -> None:
    pid = await backend(connection)
    async with transaction(connection):
        os.kill(pid, signal.SIGSTOP)
        raise Undo


@pytest.mark.parametrize("work", [asleep, asleep_within, idle_within, stuck_while_it_is_undone])
async def test_who_gives_up_in_the_middle_leaves_nobody_the_connection(
    narrow: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[None]]
) -> None:
    async with Lender(narrow).connection() as connection:
        theirs = await backend(connection)
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(work(connection), 0.2)
        finally:
            with suppress(ProcessLookupError):
                os.kill(theirs, signal.SIGCONT)  # one that was stopped would outlive its server
    assert await next_backend(narrow) != theirs


@pytest.mark.parametrize("error", [Undo, asyncio.CancelledError])
async def test_what_was_given_up_is_undone(narrow: AsyncEngine, error: type[BaseException]) -> None:
    async def give_up() -> None:
        async with Lender(narrow).connection() as connection, transaction(connection):
            await connection.execute(text("INSERT INTO seats (server) VALUES ('nobody')"))
            raise error

    with pytest.raises(error):
        await give_up()
    async with Lender(narrow).connection() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM seats"))).scalar_one() == 0


async def test_a_parameter_that_the_driver_refuses_leaves_nobody_the_connection(narrow: AsyncEngine) -> None:
    async with Lender(narrow).connection() as connection:
        theirs = await backend(connection)
        with pytest.raises(asyncpg.DataError, match="invalid UUID"):
            await NAMED.rows(connection, user="nobody")
    assert await next_backend(narrow) != theirs


async def fail_within(connection: AsyncConnection) -> None:
    async with transaction(connection):
        await FAIL.rows(connection)


async def test_what_the_server_answers_costs_no_connection(narrow: AsyncEngine) -> None:
    async with Lender(narrow).connection() as connection:
        theirs = await backend(connection)
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await fail_within(connection)
    assert await next_backend(narrow) == theirs


async def pass_over(connection: AsyncConnection) -> None:
    async with transaction(connection):
        with suppress(asyncpg.PostgresError):
            await FAIL.rows(connection)


async def test_a_failure_that_is_passed_over_is_no_success(narrow: AsyncEngine) -> None:
    async with Lender(narrow).connection() as connection:
        with pytest.raises(RuntimeError, match="undone"):
            await pass_over(connection)


async def test_a_connection_in_the_middle_of_something_is_given_up(narrow: AsyncEngine) -> None:
    async with Lender(narrow).connection() as connection:
        theirs = await backend(connection)
        await connection.exec_driver_sql("BEGIN")
        with pytest.raises(asyncpg.PostgresError):
            await FAIL.rows(connection)
        with pytest.raises(asyncpg.InFailedSQLTransactionError):
            await idle_within(connection)
    assert await next_backend(narrow) != theirs


async def test_one_that_the_server_has_closed_is_not_lent(narrow: AsyncEngine, engine: AsyncEngine) -> None:
    async with Lender(narrow).connection() as connection:
        theirs = await backend(connection)
    async with Lender(engine).connection() as other:
        await other.execute(select(func.pg_terminate_backend(theirs)))
    await asyncio.sleep(0.2)
    assert await next_backend(narrow) != theirs


async def test_where_one_meets_a_server_that_takes_no_writes_none_is_used_again(migrated: str) -> None:
    engine = make_engine(migrated, pool_size=2)

    async def both() -> set[int]:
        async with Lender(engine).connection() as one, engine.connect() as other:
            return {await backend(one), await backend(other)}

    before = await both()
    quiet = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with quiet.connect() as connection:
        await connection.exec_driver_sql("BEGIN READ ONLY")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await Prepared(insert(seats).values(server="nobody")).count(connection)
    assert before.isdisjoint(await both())
    await engine.dispose()


async def test_many_events_are_one_statement(engine: AsyncEngine) -> None:
    overheard = Overheard(engine)
    store = PostgresStore(engine, blocklist=SpyingBlocklist(), nudge=lambda _: None)
    user = UUID(int=7)
    async with store.begin() as work:
        await work.events.add(*(Event.of(Action.IMPORTED, user, id=new_id(), now=NOW) for _ in range(500)))
    assert len(await overheard.taken()) == 1
    async with store.begin() as work:
        assert len(await work.events.page(user, limit=1000, after=None)) == 500
