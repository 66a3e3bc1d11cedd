"""An outage of the database is a refusal in time that asks to retry; programming errors are not."""

import asyncio
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import cast
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from adapters.postgres import outages
from adapters.postgres.database import POOL_SIZE, Database
from adapters.postgres.deadline import start_deadline
from adapters.postgres.errors import FAILURES, is_failover
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore, PostgresUnitOfWork
from adapters.postgres.users import PostgresUsers
from application.repositories import UnitOfWork
from domain.refusals import ErrorCode, Refusal
from entrypoints.devserver import engines
from tests.support.databases import all_returned, database_at
from tests.support.store_harness import (
    Rollback,
    SpyingBlocklist,
    StoreHarness,
    claim,
    new_id,
    queued_mail,
    wait_until,
)

pytestmark = pytest.mark.anyio


def harness_on(database: Database) -> StoreHarness:
    blocklist, nudged = SpyingBlocklist(), list[UUID]()
    store = PostgresStore(database, blocklist=blocklist, nudge=nudged.extend)
    return StoreHarness(store, PostgresRenewals(database), PostgresRevocationStore(database), blocklist, nudged)


async def run_in(work: UnitOfWork, statement: str) -> object:
    """Run a statement on the connection of this unit of work."""
    assert isinstance(work.users, PostgresUsers)
    return await work.users._connection.fetch_value(text(statement))


async def run(harness: StoreHarness, *statements: str) -> None:
    async with harness.begin() as work:
        for statement in statements:
            await run_in(work, statement)


async def refused(call: Awaitable[object]) -> None:
    """Assert that the call is refused as unavailable, and in time."""
    async with asyncio.timeout(15):
        with pytest.raises(Refusal) as refusal:
            await call
    assert refusal.value.code is ErrorCode.UNAVAILABLE
    assert refusal.value.retry_after
    assert "127.0.0.1" not in refusal.value.detail


# -- a killed database ------------------------------------------------------------------------------------


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[engines.Postgres]:
    with engines.postgres(tmp_path / "postgres", durable=False) as started:
        yield started


async def test_killed_database_refuses_at_once_and_recovers(
    own_postgres: engines.Postgres,
) -> None:
    async with database_at(own_postgres.url) as database:
        harness = harness_on(database)

        async def select_twice() -> None:
            await run(harness, "SELECT 1", "SELECT 2")

        async def count(tally: list[BaseException | None], stop: asyncio.Event) -> None:
            while not stop.is_set():
                try:
                    await select_twice()
                    tally.append(None)
                except Exception as error:
                    tally.append(error)
                    await asyncio.sleep(0.005)

        async def served_calls(times: int) -> None:
            before = len(tally)
            await wait_until(lambda: tally[before:].count(None) >= times)

        async def finished_calls(times: int) -> None:
            before = len(tally)
            await wait_until(lambda: len(tally) >= before + times)

        tally: list[BaseException | None] = []
        stop = asyncio.Event()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for _ in range(12):
                group.create_task(count(tally, stop))
            for _ in range(3):
                await served_calls(30)
                await asyncio.to_thread(own_postgres.kill)
                await finished_calls(30)
                await asyncio.to_thread(own_postgres.start)
            await served_calls(30)
            stop.set()

        troubles = [error for error in tally if error is not None]
        assert troubles
        assert {str(error) for error in troubles if not _is_outage(error)} == set()
        await select_twice()
        await all_returned(database)


def _is_outage(error: BaseException) -> bool:
    return isinstance(error, Refusal) and error.code is ErrorCode.UNAVAILABLE


async def test_restart_costs_at_most_one_caller_a_dead_connection(
    own_postgres: engines.Postgres,
) -> None:
    async with database_at(own_postgres.url) as database:
        harness = harness_on(database)
        await asyncio.gather(*(run(harness, "SELECT pg_sleep(0.05)") for _ in range(5)))
        await asyncio.to_thread(own_postgres.kill)
        await asyncio.to_thread(own_postgres.start)
        troubles = []
        for _ in range(10):
            try:
                await run(harness, "SELECT 1")
            except Refusal as refusal:
                troubles.append(refusal)
        assert len(troubles) <= 1


@pytest.mark.parametrize("moment", ["before it asks", "while it waits", "before it is done"])
async def test_database_killed_during_a_unit_of_work_publishes_nothing(
    own_postgres: engines.Postgres, moment: str
) -> None:
    async with database_at(own_postgres.url) as database:
        harness = harness_on(database)

        async def work_on() -> None:
            async with harness.begin() as work:
                await run_in(work, "SELECT 1")
                assert isinstance(work, PostgresUnitOfWork)
                work.sessions.raised[new_id()] = 3
                work.outbox.enqueued_ids.append(new_id())
                if moment == "while it waits":
                    asyncio.get_running_loop().call_later(0.1, own_postgres.kill)
                    await run_in(work, "SELECT pg_sleep(1)")
                await asyncio.to_thread(own_postgres.kill)
                if moment == "before it asks":
                    await run_in(work, "SELECT 2")

        await refused(work_on())
        assert harness.blocklist.published == []
        assert harness.nudged == []
        await asyncio.to_thread(own_postgres.start)
        await all_returned(database)


async def test_revocation_store_refuses_without_a_database_and_recovers(
    own_postgres: engines.Postgres,
) -> None:
    async with database_at(own_postgres.url) as database:
        async with database.transaction() as connection:
            await connection.execute(
                text(
                    "CREATE TABLE sessions (id uuid, floor int, ended_at timestamptz, raised_at timestamptz,"
                    " unpublished bool)"
                )
            )
        revocation_store = PostgresRevocationStore(database)
        assert await revocation_store.min_generations([new_id()]) == {}
        await asyncio.to_thread(own_postgres.kill)
        for call in (
            revocation_store.pending(),
            revocation_store.mark_published({new_id(): 1}),
            revocation_store.min_generations([new_id()]),
        ):
            await refused(call)
        many = await asyncio.gather(
            *(revocation_store.min_generations([new_id()]) for _ in range(100)), return_exceptions=True
        )
        assert all(isinstance(answer, Refusal) for answer in many)
        await asyncio.to_thread(own_postgres.start)
        assert await revocation_store.min_generations([new_id()]) == {}


# -- logging -------------------------------------------------------------------------------------------


async def test_outage_is_logged_at_its_begin_and_end(
    own_postgres: engines.Postgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outages, "outage_log", outages._OutageLog(recovery_seconds=0))

    def outage_logs() -> list[tuple[str, str, object, object]]:
        return [
            (it.levelname, it.getMessage(), vars(it).get("problem"), vars(it).get("sqlstate"))
            for it in caplog.records
            if it.name == outages.__name__
        ]

    async with database_at(own_postgres.url) as database:
        harness = harness_on(database)
        await run(harness, "SELECT 1")
        assert outage_logs() == []
        for _ in range(2):
            caplog.clear()
            await asyncio.to_thread(own_postgres.kill)
            await database.close()
            for _ in range(20):
                await refused(run(harness, "SELECT 1"))
            await asyncio.to_thread(own_postgres.start)
            for _ in range(3):
                await run(harness, "SELECT 1")
            assert outage_logs() == [
                ("ERROR", "database_unavailable", "ConnectionRefusedError", None),
                ("WARNING", "database_recovered", None, None),
            ]
    caplog.clear()
    async with database_at(own_postgres.url.replace("@", "x@", 1)) as database:
        await refused(run(harness_on(database), "SELECT 1"))
        await refused(run(harness_on(database), "SELECT 1"))
    assert outage_logs() == [("ERROR", "database_unavailable", "InvalidPasswordError", "28P01")]
    assert own_postgres.password not in caplog.text


async def test_partial_outage_is_logged_once_and_conflicts_are_none(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outages, "outage_log", outages._OutageLog(recovery_seconds=60))
    harness = harness_on(database)
    await refused(run(harness, "DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$"))
    await refused(run(harness, "DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$"))
    assert caplog.records == []
    for _ in range(5):
        await refused(run(harness, "DO $$ BEGIN RAISE SQLSTATE '53300'; END $$"))
        await run(harness, "SELECT 1")
    assert [(it.getMessage(), vars(it)["sqlstate"]) for it in caplog.records] == [("database_unavailable", "53300")]


# -- a database that is up but unusable ---------------------------------------------------------------------


async def test_refused_connection_is_an_outage(migrated: str) -> None:
    wrong = migrated.rsplit(":", 1)[0] + ":1/latchkey"
    async with database_at(wrong) as database:
        await refused(run(harness_on(database), "SELECT 1"))
        await refused(PostgresRevocationStore(database).min_generations([new_id()]))


@pytest.mark.parametrize("change", ["password", "database"])
async def test_a_database_that_refuses_the_login_is_an_outage(migrated: str, change: str) -> None:
    head, _, tail = migrated.partition("@")
    wrong = f"{head}x@{tail}" if change == "password" else f"{migrated}_there_is_none"
    async with database_at(wrong) as database:
        await refused(run(harness_on(database), "SELECT 1"))


async def test_statement_timeout_is_an_outage_and_keeps_the_pool_whole(migrated: str) -> None:
    async with database_at(migrated, pool_size=2, deadline=0.3) as database:
        harness = harness_on(database)
        for _ in range(3):
            await asyncio.gather(*(refused(run(harness, "SELECT pg_sleep(5)")) for _ in range(2)))
        await run(harness, "SELECT 1")
        await refused(run(harness, "SET LOCAL statement_timeout = 10", "SELECT pg_sleep(5)"))
        await refused(run(harness, "SET LOCAL lock_timeout = 10", "SELECT pg_sleep(5)"))
        await run(harness, "SELECT 1")
        await all_returned(database, pool_size=2)


async def test_statement_timeout_is_no_outage_while_others_are_answered(
    migrated: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outages, "outage_log", outages._OutageLog())
    async with database_at(migrated, pool_size=2) as database:
        harness = harness_on(database)
        slow = asyncio.create_task(run(harness, "SELECT pg_sleep(9)"))
        await asyncio.sleep(0.1)
        await run(harness, "SELECT 1")
        with pytest.raises(Refusal, match="took too long") as refusal:
            await slow
        assert refusal.value.code is ErrorCode.UNAVAILABLE
        with pytest.raises(Refusal, match="took too long"):
            await run(harness, "SET LOCAL statement_timeout = 10", "SELECT pg_sleep(5)")
    assert [it.message for it in caplog.records] == ["statement_timed_out"]


async def test_a_deadline_covers_all_statements_of_a_unit_of_work(migrated: str) -> None:
    async with database_at(migrated) as database:
        store = PostgresStore(database, blocklist=SpyingBlocklist(), nudge=lambda _: None, deadline=0.5)
        harness = StoreHarness(
            store, PostgresRenewals(database), PostgresRevocationStore(database), SpyingBlocklist(), []
        )
        await refused(run(harness, *["SELECT pg_sleep(0.1)"] * 50))
        await run(harness, "SELECT 1")


async def test_a_deadline_covers_all_units_of_work_of_a_request(database: Database) -> None:
    store = PostgresStore(database, blocklist=SpyingBlocklist(), nudge=lambda _: None)
    harness = StoreHarness(
        store, PostgresRenewals(database), PostgresRevocationStore(database), SpyingBlocklist(), []
    )

    async def caller(*, alone: bool) -> None:
        if alone:
            start_deadline()
        for _ in range(2):
            await run(harness, "SELECT pg_sleep(0.9)")

    await caller(alone=False)
    await asyncio.create_task(caller(alone=False))
    await refused(asyncio.create_task(caller(alone=True)))
    await run(harness, "SELECT 1")


async def test_server_ends_an_idle_transaction(migrated: str) -> None:
    lock = text("SELECT pg_advisory_xact_lock(1)")
    async with database_at(migrated, deadline=0.6) as database, database_at(migrated, deadline=60) as other:

        async def stop_while_others_wait() -> None:
            async with database.transaction() as stopped, other.transaction() as waiting:
                await stopped.execute(lock)
                await waiting.execute(lock)

        with pytest.raises(FAILURES) as ended:
            await asyncio.wait_for(stop_while_others_wait(), 30)
        assert is_failover(ended.value)


async def test_exhausted_pool_is_an_outage_without_further_effect(migrated: str) -> None:
    async with database_at(migrated, pool_size=1, deadline=0.3) as database:
        harness = harness_on(database)
        async with harness.begin() as work:
            await run_in(work, "SELECT 1")
            await refused(run(harness, "SELECT 2"))
            await refused(harness.revocations.min_generations([new_id()]))
            await run_in(work, "SELECT 3")
        await run(harness, "SELECT 4")


async def test_a_server_without_free_connections_is_an_outage(own_postgres: engines.Postgres) -> None:
    async with database_at(own_postgres.url) as admin, admin.connection() as connection:
        await connection.execute(text("CREATE ROLE narrow LOGIN PASSWORD 'narrow' CONNECTION LIMIT 1"))
        url = own_postgres.url.replace(f"latchkey:{own_postgres.password}@", "narrow:narrow@")
        async with database_at(url) as database:
            harness = harness_on(database)
            async with harness.begin() as work:
                await run_in(work, "SELECT 1")
                await refused(run(harness, "SELECT 2"))


async def test_of_two_deadlocked_works_one_is_refused(database: Database) -> None:
    harness = harness_on(database)
    users = [await harness.user(f"dead{number}@example.org") for number in range(2)]
    both_in = asyncio.Barrier(2)

    async def cross(first: int, second: int) -> None:
        async with harness.begin() as work:
            await run_in(work, "SET LOCAL deadlock_timeout = '50ms'")
            await work.users.rehash(users[first].id, old="hash", new=f"by{first}")
            await both_in.wait()
            await work.users.rehash(users[second].id, old="hash", new=f"by{first}")

    ends = await asyncio.gather(cross(0, 1), cross(1, 0), return_exceptions=True)
    assert sorted(map(_is_outage, filter(None, ends))) == [True]
    users_now = [await harness.load_user(user.id) for user in users]
    assert len({user.password_hash for user in users_now if user is not None}) == 1


async def test_read_only_database_is_an_outage_for_writers(database: Database) -> None:
    harness = harness_on(database)

    async def write() -> None:
        async with harness.begin() as work:
            await run_in(work, "SET TRANSACTION READ ONLY")
            await work.users.add(claim())

    await refused(write())
    assert await harness.revocations.min_generations([new_id()]) == {}


@pytest.mark.parametrize("end", ["pg_terminate_backend", "pg_cancel_backend"])
async def test_a_connection_ended_by_an_operator_is_an_outage(database: Database, end: str) -> None:
    harness = harness_on(database)

    async def ended() -> None:
        async with harness.begin() as work:
            pid = await run_in(work, "SELECT pg_backend_pid()")
            waiting = asyncio.create_task(run_in(work, "SELECT pg_sleep(5)"))
            await asyncio.sleep(0.05)
            await run(harness, f"SELECT {end}({pid})")
            await waiting

    await refused(ended())
    await run(harness, "SELECT 1")


# -- errors that are no outages ---------------------------------------------------------------------------


async def test_programming_errors_are_not_outages(database: Database) -> None:
    harness = harness_on(database)
    user = await harness.user()

    async def add_again() -> None:
        async with harness.begin() as work:
            await work.users.add(user)

    async def send_invalid_statement() -> None:
        async with harness.begin() as work:
            await work.users.page(query="", role=None, limit=2**70, after=None)

    async def add_invalid_row() -> None:
        async with harness.begin() as work:
            await work.outbox.add(queued_mail(user_id=cast(UUID, "no id")))

    with pytest.raises(asyncpg.UndefinedTableError):
        await run(harness, "SELECT nothing FROM nowhere")
    with pytest.raises(asyncpg.UniqueViolationError):
        await add_again()
    with pytest.raises(asyncpg.DataError):
        await send_invalid_statement()
    with pytest.raises(Exception, match="invalid UUID"):
        await add_invalid_row()
    await run(harness, "SELECT 1")


async def test_exceptions_of_the_work_pass_unchanged(database: Database) -> None:
    harness = harness_on(database)

    async def fail() -> None:
        async with harness.begin():
            raise Rollback

    with pytest.raises(Rollback):
        await fail()


async def test_cancelled_units_of_work_return_their_connections(database: Database) -> None:
    harness = harness_on(database)

    async def work_on(number: int) -> None:
        async with harness.begin() as work:
            await work.users.add(claim(f"cancelled{number}@example.org"))
            await run_in(work, "SELECT pg_sleep(0.01)")
            await asyncio.sleep(5)

    # The driver reports every abandoned connection to the event loop.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    for number in range(40):
        works = [asyncio.create_task(work_on(number)) for _ in range(5)]
        await asyncio.sleep(number * 0.0007)
        for task in works:
            task.cancel()
        await asyncio.gather(*works, return_exceptions=True)
    await all_returned(database, pool_size=POOL_SIZE)
    async with harness.begin() as work:
        assert await work.users.page(query="cancelled", role=None, limit=9, after=None) == []
