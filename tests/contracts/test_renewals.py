"""Sessions that are refreshed concurrently share a statement, and nothing else."""

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
def harness(database: Database) -> StoreHarness:
    blocklist = SpyingBlocklist()
    store = PostgresStore(database, blocklist=blocklist, nudge=lambda _: None)
    return StoreHarness(store, PostgresRenewals(database), PostgresRevocationStore(database), blocklist, [])


async def refresh(harness: StoreHarness, session: Session, generation: int = 1) -> Moved:
    return await harness.renewals.advance(session.id, generation=generation, now=LATER, lifetimes=LIFETIMES)


async def lock_session(connection: AsyncConnection, session: Session) -> None:
    await connection.execute(select(sessions.c.id).where(sessions.c.id == session.id).with_for_update())


async def test_concurrent_refreshes_share_statements_but_not_sessions(
    harness: StoreHarness, database: Database
) -> None:
    people = [await harness.user(f"user{number}@example.org") for number in range(40)]
    theirs = [await harness.session(user) for user in people]
    await harness.renewals.advance(theirs[1].id, generation=1, now=LATER, lifetimes=LIFETIMES)
    async with harness.begin() as work:
        await work.sessions.end(theirs[2].id, now=LATER, reason=EndReason.LOGOUT)
    recorder = StatementRecorder(database)
    answers = await asyncio.gather(*(refresh(harness, theirs[number % 40]) for number in range(200)))
    # One for all, and one more for each impossible refresh: five times two.
    assert 0 < len(recorder.take()) <= 12
    for number, moved in enumerate(answers):
        session, user = theirs[number % 40], people[number % 40]
        cannot = number % 40 in {1, 2}
        assert moved == (None if cannot else (session.advanced(now=LATER, lifetimes=LIFETIMES), user))


async def test_refresh_with_another_generation_gets_nothing(harness: StoreHarness) -> None:
    session = await harness.session(await harness.user())
    await refresh(harness, session)
    before, now, ahead = await asyncio.gather(*(refresh(harness, session, generation) for generation in (1, 2, 9)))
    assert (before, ahead) == (None, None)
    assert now is not None
    assert now[0].generation == 3


@pytest.mark.parametrize("ended", [False, True])
async def test_refresh_does_not_wait_for_another_session(
    harness: StoreHarness, engine: AsyncEngine, ended: bool
) -> None:
    user = await harness.user()
    held, free, later = [await harness.session(user) for _ in range(3)]
    async with engine.begin() as connection:
        await lock_session(connection, held)
        waiting = asyncio.create_task(refresh(harness, held))
        async with asyncio.timeout(5):
            beside = [await refresh(harness, free)]
            await waited_for(engine, connection)
            beside.append(await refresh(harness, later))
        assert not waiting.done()
        if ended:
            await connection.execute(update(sessions).where(sessions.c.id == held.id).values(ended_at=LATER))
    assert [moved and moved[0].id for moved in beside] == [free.id, later.id]
    assert (await waiting is None) == ended


async def test_refresh_that_waited_for_a_role_change_has_the_new_role(
    harness: StoreHarness, engine: AsyncEngine
) -> None:
    user = await harness.user(role=Role.ADMIN)
    session = await harness.session(user)
    async with engine.begin() as connection:
        await connection.execute(update(users).where(users.c.id == user.id).values(role="member"))
        await connection.execute(update(sessions).where(sessions.c.id == session.id).values(min_generation=2))
        waiting = asyncio.create_task(refresh(harness, session))
        await waited_for(engine, connection)
    moved = await waiting
    assert moved is not None
    assert (moved[0].generation, moved[1].role) == (2, Role.MEMBER)


async def test_stalled_server_does_not_execute_expired_refreshes(
    harness: StoreHarness, database: Database, engine: AsyncEngine
) -> None:
    """Otherwise a client that got an error and retries after the grace period would count as a thief."""
    user = await harness.user()
    session, other = await harness.session(user), await harness.session(user)
    for generation in range(1, 2 * POOL_SIZE):  # on each connection, so that the statement is prepared
        await refresh(harness, other, generation)

    async def backends() -> set[int]:
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'latchkey'"
        async with engine.connect() as connection:
            return set((await connection.exec_driver_sql(query)).scalars())

    frozen = await backends()
    try:
        for backend in frozen:
            os.kill(backend, signal.SIGSTOP)
        with pytest.raises(Refusal) as refusal:
            await refresh(harness, session)
    finally:
        for backend in frozen:
            os.kill(backend, signal.SIGCONT)

    async def gone() -> bool:
        return frozen.isdisjoint(await backends())

    assert refusal.value.code == ErrorCode.UNAVAILABLE
    await database.close()
    await wait_until(gone)
    assert (await harness.load_session(session.id)).generation == 1


async def test_waits_for_one_session_leave_connections_for_others(harness: StoreHarness, engine: AsyncEngine) -> None:
    user = await harness.user()
    held, free = await harness.session(user), await harness.session(user)
    async with engine.begin() as connection:
        await lock_session(connection, held)
        waiting = [asyncio.create_task(refresh(harness, held)) for _ in range(3 * POOL_SIZE)]
        await waited_for(engine, connection)
        moved = await refresh(harness, free)
        assert not any(one.done() for one in waiting)
    assert moved is not None
    assert {one and one[0].generation for one in await asyncio.gather(*waiting)} == {2, None}


async def test_cancelled_refresh_cancels_no_other(harness: StoreHarness) -> None:
    user = await harness.user()
    leaving, staying = await harness.session(user), await harness.session(user)
    calls = [asyncio.create_task(refresh(harness, session)) for session in (leaving, staying)]
    await asyncio.sleep(0)
    calls[0].cancel()
    moved = await calls[1]
    assert moved is not None
    assert moved[0].id == staying.id
    assert (await harness.load_session(staying.id)).generation == 2
