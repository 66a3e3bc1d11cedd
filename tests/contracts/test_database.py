"""The connection pool: callers are served in order, and an interrupted connection is not reused."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Uuid, bindparam, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection import Connection
from adapters.postgres.database import Database
from adapters.postgres.errors import FAILURES
from adapters.postgres.statements import CompiledStatement, Statement
from adapters.postgres.tables import blocklist_primary, users
from adapters.postgres.unit_of_work import PostgresStore
from domain.audit import AuditEvent, EventType
from tests.support.databases import all_returned
from tests.support.statement_recorder import StatementRecorder
from tests.support.store_harness import NOW, Rollback, SpyingBlocklist, new_id, wait_until

pytestmark = pytest.mark.anyio

FEW = 3
SLEEP = CompiledStatement(select(func.pg_sleep(bindparam("seconds"))))
BACKEND = CompiledStatement(select(func.pg_backend_pid()))
FAIL = CompiledStatement(select(func.setseed(2.0)))
NAMED = CompiledStatement(select(users.c.id).where(users.c.id == bindparam("user", type_=Uuid)))


@pytest.fixture
async def few(migrated: str) -> AsyncIterator[Database]:
    database = Database(migrated, pool_size=FEW, deadline=5.0)
    yield database
    await database.close()


@pytest.fixture
async def narrow(migrated: str) -> AsyncIterator[Database]:
    """A pool with one connection."""
    database = Database(migrated, pool_size=1)
    yield database
    await database.close()


async def backend(connection: Connection) -> int:
    pid: int = await connection.fetch_value(BACKEND)
    return pid


async def next_backend(database: Database) -> int:
    async with asyncio.timeout(1), database.transaction() as connection:
        return await backend(connection)


# -- statements -------------------------------------------------------------------------------------------


async def test_values_and_parameters_are_bound_in_order(database: Database) -> None:
    statement = select(bindparam("b", type_=Uuid), text("'it'"), func.left("value", 3), bindparam("a", value=7))
    async with database.connection() as connection:
        row = await connection.fetch_row(statement, b=UUID(int=2))
        assert tuple(row or ()) == (UUID(int=2), "it", "val", 7)
        assert await connection.fetch_value(statement, b=None, a=8) is None
        with pytest.raises(KeyError, match="b"):
            await connection.fetch(statement)
        with pytest.raises(KeyError, match="c"):
            await connection.fetch(statement, b=None, c=1)


async def test_statement_returns_rows_and_counts(database: Database) -> None:
    async with database.connection() as connection:
        assert await connection.execute(text("CREATE TEMPORARY TABLE numbers (number int)")) == 0
        some = text("INSERT INTO numbers SELECT generate_series(1, :most)")
        assert await connection.execute(some, most=3) == 3
        assert await connection.fetch_column(text("SELECT number FROM numbers ORDER BY number")) == [1, 2, 3]
        assert await connection.fetch_row(text("SELECT number FROM numbers WHERE number > 3")) is None
        assert await connection.fetch_value(text("SELECT number FROM numbers WHERE number > 3")) is None
        assert await connection.execute(text("DELETE FROM numbers WHERE number < 3")) == 2


# -- acquiring --------------------------------------------------------------------------------------------


async def test_a_released_connection_is_reused(few: Database) -> None:
    async with few.connection() as connection:
        first = await backend(connection)
    async with few.connection() as connection:
        assert await backend(connection) == first


async def test_callers_wait_while_all_connections_are_in_use(few: Database) -> None:
    in_use = 0

    async def use() -> object:
        nonlocal in_use
        async with few.connection() as connection:
            in_use += 1
            assert in_use <= FEW
            await asyncio.sleep(0.01)
            pid = await backend(connection)
            in_use -= 1
            return pid

    backends = await asyncio.gather(*(use() for _ in range(10 * FEW)))
    assert len(set(backends)) == FEW
    await all_returned(few, pool_size=FEW)


async def test_caller_that_returns_a_connection_does_not_overtake(few: Database) -> None:
    rounds, waiting = 0, True

    async def greedy() -> None:
        nonlocal rounds
        while waiting:
            async with few.connection() as connection:
                await backend(connection)
                rounds += 1
            assert rounds < 1000

    tasks = [asyncio.create_task(greedy()) for _ in range(FEW)]
    await wait_until(lambda: rounds >= 2 * FEW)
    before = rounds
    async with few.connection():
        waited = rounds - before
    waiting = False
    await asyncio.gather(*tasks)
    assert waited <= FEW


async def test_callers_are_served_in_order(few: Database) -> None:
    """Also while new callers arrive."""
    served, order = list[int](), list[int]()

    async def use(number: int) -> None:
        order.append(number)
        async with few.connection() as connection:
            served.append(number)
            await backend(connection)

    async with few.connection(), few.connection(), few.connection():
        pass  # all are open: to open one takes its time
    tasks = []
    for number in range(40 * FEW):
        tasks.append(asyncio.create_task(use(number)))
        if number % 7 == 0:
            await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)
    assert served == order


@pytest.mark.parametrize("statement", [CompiledStatement(select(func.pg_sleep(5.0))), select(func.pg_sleep(5.0))])
async def test_cancelled_caller_leaks_no_connection(few: Database, statement: Statement) -> None:
    async def use() -> None:
        async with few.connection() as connection:
            await connection.fetch(statement)

    for _ in range(2 * FEW):
        task = asyncio.create_task(use())
        await asyncio.sleep(0.05)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await all_returned(few, pool_size=FEW)
    async with asyncio.timeout(2), few.connection() as connection:
        assert await backend(connection)


async def test_closed_pool_can_be_used_in_another_event_loop(migrated: str) -> None:
    database = Database(migrated, pool_size=1)

    async def use() -> None:
        async def once() -> None:
            async with database.connection() as connection:
                await connection.fetch(SLEEP, seconds=0.01)

        await asyncio.gather(once(), once(), once())
        await database.close()

    for _ in range(2):
        await asyncio.to_thread(asyncio.run, use())


# -- interrupted ------------------------------------------------------------------------------------------


async def run_sleep(connection: Connection) -> None:
    await connection.fetch(SLEEP, seconds=5)


async def sleep_in_transaction(connection: Connection) -> None:
    async with connection.transaction():
        await run_sleep(connection)


async def idle_in_transaction(connection: Connection) -> None:
    async with connection.transaction():
        await asyncio.sleep(5)


async def freeze_during_rollback(connection: Connection) -> None:
    pid = await backend(connection)
    async with connection.transaction():
        os.kill(pid, signal.SIGSTOP)
        raise Rollback


async def sleep_in_savepoint(connection: Connection) -> None:
    async with connection.transaction(), connection.savepoint():
        await run_sleep(connection)


@pytest.mark.parametrize(
    "work", [run_sleep, sleep_in_transaction, idle_in_transaction, freeze_during_rollback, sleep_in_savepoint]
)
async def test_abandoned_connection_is_not_lent_again(
    narrow: Database, work: Callable[[Connection], Awaitable[None]]
) -> None:
    async with narrow.connection() as connection:
        pid = await backend(connection)
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(work(connection), 0.2)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)  # a stopped process would outlive the server
    assert await next_backend(narrow) != pid


@pytest.mark.parametrize("error", [Rollback, asyncio.CancelledError])
async def test_abandoned_transaction_is_rolled_back(narrow: Database, error: type[BaseException]) -> None:
    async def give_up() -> None:
        async with narrow.transaction() as connection:
            await connection.execute(text("INSERT INTO seats (server) VALUES ('unknown')"))
            raise error

    with pytest.raises(error):
        await give_up()
    async with narrow.connection() as connection:
        assert await connection.fetch_value(text("SELECT count(*) FROM seats")) == 0


async def test_a_parameter_that_the_driver_refuses_closes_the_connection(narrow: Database) -> None:
    async with narrow.connection() as connection:
        theirs = await backend(connection)
        with pytest.raises(asyncpg.DataError, match="invalid UUID"):
            await connection.fetch(NAMED, user="nobody")
    assert await next_backend(narrow) != theirs


async def fail_in_transaction(connection: Connection) -> None:
    async with connection.transaction():
        await connection.fetch(FAIL)


async def test_an_error_of_the_server_keeps_the_connection(narrow: Database) -> None:
    async with narrow.connection() as connection:
        theirs = await backend(connection)
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await fail_in_transaction(connection)
    assert await next_backend(narrow) == theirs


async def ignore_error_in_transaction(connection: Connection) -> None:
    async with connection.transaction():
        with suppress(asyncpg.PostgresError):
            await connection.fetch(FAIL)


async def test_a_transaction_with_an_ignored_error_does_not_commit(narrow: Database) -> None:
    async with narrow.connection() as connection:
        with pytest.raises(RuntimeError, match="rolled back"):
            await ignore_error_in_transaction(connection)
        async with connection.transaction():
            assert await backend(connection)


async def test_savepoint_undoes_its_block_only(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(text("CREATE TEMPORARY TABLE numbers (number int)"))
        async with connection.transaction():
            await connection.execute(text("INSERT INTO numbers VALUES (1)"))
            with suppress(asyncpg.PostgresError):
                async with connection.savepoint():
                    await connection.execute(text("INSERT INTO numbers VALUES (2)"))
                    await connection.fetch(FAIL)
            async with connection.savepoint():
                await connection.execute(text("INSERT INTO numbers VALUES (3)"))
        assert await connection.fetch_column(text("SELECT number FROM numbers ORDER BY number")) == [1, 3]


async def test_connection_inside_a_transaction_is_discarded(narrow: Database) -> None:
    async with narrow.connection() as connection:
        pid = await backend(connection)
        await connection.execute(text("BEGIN"))
        with pytest.raises(asyncpg.PostgresError):
            await connection.fetch(FAIL)
        with pytest.raises(asyncpg.InterfaceError):
            await idle_in_transaction(connection)
    assert await next_backend(narrow) != pid


async def test_connection_closed_by_the_server_is_not_lent(narrow: Database, database: Database) -> None:
    async with narrow.connection() as connection:
        pid = await backend(connection)
    async with database.connection() as other:
        await other.fetch(select(func.pg_terminate_backend(pid)))
    await asyncio.sleep(0.2)
    assert await next_backend(narrow) != pid


async def test_an_answer_of_a_standby_expires_all_open_connections(migrated: str) -> None:
    database = Database(migrated, pool_size=2)

    async def both() -> set[int]:
        async with database.connection() as one, database.connection() as other:
            return {await backend(one), await backend(other)}

    before = await both()
    async with database.connection() as connection:
        await connection.execute(text("BEGIN READ ONLY"))
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute(CompiledStatement(insert(blocklist_primary).values(run_id="unknown")))
        await connection.execute(text("ROLLBACK"))
    assert before.isdisjoint(await both())
    await database.close()


async def test_an_expired_connection_to_a_stuck_server_is_closed_at_the_deadline(migrated: str) -> None:
    database = Database(migrated, pool_size=2, deadline=0.5)

    def is_open(port: int) -> bool:
        sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(local.endswith(f":{port:04X}") and state == "01" for _, local, _, state, *_ in sockets)

    async with database.connection() as connection:
        async with database.connection() as idle:
            stuck, port = await backend(idle), await idle.fetch_value(select(func.inet_client_port()))
        os.kill(stuck, signal.SIGSTOP)
        try:
            await connection.execute(text("BEGIN READ ONLY"))
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute(CompiledStatement(insert(blocklist_primary).values(run_id="unknown")))
            async with database.connection() as other:  # which replaces the idle one
                assert await backend(other) != stuck
            assert is_open(port)
            await wait_until(lambda: not is_open(port), within=10)
        finally:
            os.kill(stuck, signal.SIGCONT)
    await database.close()


async def test_lost_server_between_statements_expires_all_connections(migrated: str, engine: AsyncEngine) -> None:
    database = Database(migrated, pool_size=2)

    async def lose_the_server() -> None:
        async with database.transaction() as connection:
            pid = await backend(connection)
            async with engine.connect() as observer:
                await observer.execute(select(func.pg_terminate_backend(pid)))
            await asyncio.sleep(0.2)  # the driver notices
            await backend(connection)

    async with database.connection(), database.connection() as other:
        before = await backend(other)
    with pytest.raises(FAILURES):
        await lose_the_server()
    async with database.connection() as one, database.connection() as other:
        assert before not in {await backend(one), await backend(other)}
    await database.close()


async def test_many_events_are_inserted_by_one_statement(database: Database) -> None:
    recorder = StatementRecorder(database)
    store = PostgresStore(database, blocklist=SpyingBlocklist(), nudge=lambda _: None)
    user = UUID(int=7)
    async with store.begin() as work:
        await work.events.add(*(AuditEvent.of(EventType.IMPORTED, user, id=new_id(), now=NOW) for _ in range(500)))
    assert len(recorder.take()) == 1
    async with store.begin() as work:
        assert len(await work.events.page(user, limit=1000, after=None)) == 500
