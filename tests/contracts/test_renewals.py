"""Sessions that are renewed at the same moment share a statement, and nothing else."""

import asyncio
import os
import signal

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.database import POOL_SIZE, Database
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.tables import sessions, users
from adapters.postgres.unit_of_work import PostgresStore
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.session import EndReason, Session
from domain.user import User
from tests.support.sql import waited_for
from tests.support.statement_recorder import StatementRecorder
from tests.support.store_harness import LATER, LIFETIMES, SpyingBlocklist, StoreHarness, wait_until

pytestmark = pytest.mark.anyio

Moved = tuple[Session, User] | None


@pytest.fixture
def rows(database: Database) -> StoreHarness:
    blocklist = SpyingBlocklist()
    store = PostgresStore(database, blocklist=blocklist, nudge=lambda _: None)
    return StoreHarness(store, PostgresRenewals(database), PostgresRevocationStore(database), blocklist, [])


async def renewed(harness: StoreHarness, session: Session, generation: int = 1) -> Moved:
    return await harness.renewals.advance(session.id, generation=generation, now=LATER, lifetimes=LIFETIMES)


async def hold(connection: AsyncConnection, session: Session) -> None:
    await connection.execute(select(sessions.c.id).where(sessions.c.id == session.id).with_for_update())


async def test_two_hundred_callers_share_few_statements_and_each_gets_its_own(
    rows: StoreHarness, database: Database
) -> None:
    people = [await rows.user(f"user{number}@example.org") for number in range(40)]
    theirs = [await rows.session(user) for user in people]
    await rows.renewals.advance(theirs[1].id, generation=1, now=LATER, lifetimes=LIFETIMES)
    async with rows.begin() as work:
        await work.sessions.end(theirs[2].id, now=LATER, reason=EndReason.LOGOUT)
    recorder = StatementRecorder(database)
    answers = await asyncio.gather(*(renewed(rows, theirs[number % 40]) for number in range(200)))
    # One for all, and one more for each who asks for what cannot be: five times two.
    assert 0 < len(recorder.take()) <= 12
    for number, moved in enumerate(answers):
        session, user = theirs[number % 40], people[number % 40]
        cannot = number % 40 in {1, 2}
        assert moved == (None if cannot else (session.advanced(now=LATER, lifetimes=LIFETIMES), user))


async def test_refresh_with_another_generation_gets_nothing(rows: StoreHarness) -> None:
    session = await rows.session(await rows.user())
    await renewed(rows, session)
    before, now, ahead = await asyncio.gather(*(renewed(rows, session, generation) for generation in (1, 2, 9)))
    assert (before, ahead) == (None, None)
    assert now is not None
    assert now[0].generation == 3


@pytest.mark.parametrize("ended", [False, True])
async def test_refresh_does_not_wait_for_another_session(
    rows: StoreHarness, engine: AsyncEngine, ended: bool
) -> None:
    user = await rows.user()
    held, free, later = [await rows.session(user) for _ in range(3)]
    async with engine.begin() as connection:
        await hold(connection, held)
        waiting = asyncio.create_task(renewed(rows, held))
        async with asyncio.timeout(5):
            beside = [await renewed(rows, free)]
            await waited_for(engine, connection)
            beside.append(await renewed(rows, later))
        assert not waiting.done()
        if ended:
            await connection.execute(update(sessions).where(sessions.c.id == held.id).values(ended_at=LATER))
    assert [moved and moved[0].id for moved in beside] == [free.id, later.id]
    assert (await waiting is None) == ended


async def test_refresh_that_waited_for_a_role_change_has_the_new_role(
    rows: StoreHarness, engine: AsyncEngine
) -> None:
    user = await rows.user(role=Role.ADMIN)
    session = await rows.session(user)
    async with engine.begin() as connection:
        await connection.execute(update(users).where(users.c.id == user.id).values(role="member"))
        await connection.execute(update(sessions).where(sessions.c.id == session.id).values(min_generation=2))
        waiting = asyncio.create_task(renewed(rows, session))
        await waited_for(engine, connection)
    moved = await waiting
    assert moved is not None
    assert (moved[0].generation, moved[1].role) == (2, Role.MEMBER)


async def test_stalled_server_does_not_execute_expired_refreshes(
    rows: StoreHarness, database: Database, engine: AsyncEngine
) -> None:
    """Else whoever was told that it is away, and asks again after the grace, would have been robbed."""
    user = await rows.user()
    session, other = await rows.session(user), await rows.session(user)
    for generation in range(1, 2 * POOL_SIZE):  # by each connection that there is, so that it knows the statement
        await renewed(rows, other, generation)

    async def backends() -> set[int]:
        theirs = "SELECT pid FROM pg_stat_activity WHERE application_name = 'latchkey'"
        async with engine.connect() as connection:
            return set((await connection.exec_driver_sql(theirs)).scalars())

    frozen = await backends()
    try:
        for backend in frozen:
            os.kill(backend, signal.SIGSTOP)
        with pytest.raises(Refusal) as refusal:
            await renewed(rows, session)
    finally:
        for backend in frozen:
            os.kill(backend, signal.SIGCONT)

    async def gone() -> bool:
        return frozen.isdisjoint(await backends())

    assert refusal.value.code == ErrorCode.UNAVAILABLE
    await database.close()
    await wait_until(gone)
    assert (await rows.load_session(session.id)).generation == 1


async def test_waits_for_one_session_leave_connections_for_others(rows: StoreHarness, engine: AsyncEngine) -> None:
    user = await rows.user()
    held, free = await rows.session(user), await rows.session(user)
    async with engine.begin() as connection:
        await hold(connection, held)
        waiting = [asyncio.create_task(renewed(rows, held)) for _ in range(3 * POOL_SIZE)]
        await waited_for(engine, connection)
        moved = await renewed(rows, free)
        assert not any(one.done() for one in waiting)
    assert moved is not None
    assert {one and one[0].generation for one in await asyncio.gather(*waiting)} == {2, None}


async def test_cancelled_refresh_cancels_no_other(rows: StoreHarness) -> None:
    user = await rows.user()
    leaving, staying = await rows.session(user), await rows.session(user)
    calls = [asyncio.create_task(renewed(rows, session)) for session in (leaving, staying)]
    await asyncio.sleep(0)
    calls[0].cancel()
    moved = await calls[1]
    assert moved is not None
    assert moved[0].id == staying.id
    assert (await rows.load_session(staying.id)).generation == 2
