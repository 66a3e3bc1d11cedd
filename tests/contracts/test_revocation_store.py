"""The store of revocations: minimum generations, recent and pending revocations, and the primary."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.revocations import MemoryBlocklist
from adapters.postgres.database import Database
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.tables import sessions
from adapters.postgres.unit_of_work import PostgresStore
from adapters.revocations import BlocklistPrimary
from domain.session import ENDED, EndReason, Session
from domain.user import User
from tests.contracts.conftest import AdvanceTime
from tests.support.statement_recorder import StatementRecorder
from tests.support.store_harness import LATER, SpyingBlocklist, StoreHarness, new_id, run_concurrently

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)


async def end_session(harness: StoreHarness, session: Session) -> None:
    async with harness.begin() as work:
        await work.sessions.end(session.id, now=LATER, reason=EndReason.LOGOUT)


async def revoke_access_tokens(harness: StoreHarness, user: User) -> None:
    async with harness.begin() as work:
        await work.sessions.revoke_access_tokens(user.id)


async def test_the_minimum_generation_of_live_and_ended_sessions(harness: StoreHarness) -> None:
    user = await harness.user()
    fresh, over = await harness.session(user), await harness.session(user)
    assert await harness.revocations.min_generations([fresh.id, over.id, new_id()]) == {fresh.id: 0, over.id: 0}
    await revoke_access_tokens(harness, user)
    await end_session(harness, over)
    assert await harness.revocations.min_generations([fresh.id, over.id]) == {fresh.id: 2, over.id: ENDED}
    assert await harness.revocations.min_generations([over.id]) == {over.id: ENDED}
    assert await harness.revocations.min_generations([]) == {}


async def test_revocations_are_listed_within_the_period(harness: StoreHarness, advance_time: AdvanceTime) -> None:
    user = await harness.user()
    fresh, over = await harness.session(user), await harness.session(user)
    await revoke_access_tokens(harness, user)
    await advance_time(30 * MINUTE)
    await end_session(harness, over)
    assert await harness.revocations.revoked(within=31 * MINUTE) == {fresh.id: 2, over.id: ENDED}
    assert await harness.revocations.revoked(within=29 * MINUTE) == {over.id: ENDED}
    await advance_time(30 * MINUTE)
    assert await harness.revocations.revoked(within=61 * MINUTE) == {fresh.id: 2, over.id: ENDED}
    assert await harness.revocations.revoked(within=31 * MINUTE) == {over.id: ENDED}
    assert await harness.revocations.revoked(within=29 * MINUTE) == {}


@pytest.mark.parametrize("wrong", [timedelta(hours=-2), timedelta(hours=2)], ids=["behind", "ahead"])
async def test_a_process_clock_two_hours_off_does_not_change_the_period(
    harness: StoreHarness, advance_time: AdvanceTime, wrong: timedelta
) -> None:
    user = await harness.user()
    outdated, over = await harness.session(user), await harness.session(user)
    now = datetime.now(UTC) + wrong
    async with harness.begin() as work:
        await work.sessions.end(over.id, now=now, reason=EndReason.LOGOUT)
        await work.sessions.revoke_access_tokens(user.id)
    assert await harness.revocations.revoked(within=60 * MINUTE) == {outdated.id: 2, over.id: ENDED}
    await advance_time(61 * MINUTE)
    assert await harness.revocations.revoked(within=60 * MINUTE) == {}


async def test_a_revocation_is_pending_until_it_is_marked(harness: StoreHarness) -> None:
    user = await harness.user()
    fresh, over = await harness.session(user), await harness.session(user)
    assert await harness.revocations.pending() == {}
    await revoke_access_tokens(harness, user)
    await end_session(harness, over)
    assert await harness.revocations.pending() == {fresh.id: 2, over.id: ENDED}
    await harness.revocations.mark_published({over.id: ENDED, new_id(): ENDED})
    assert await harness.revocations.pending() == {fresh.id: 2}
    await harness.revocations.mark_published({fresh.id: 2})
    assert await harness.revocations.pending() == {}
    await harness.revocations.mark_published({})
    assert await harness.revocations.revoked(within=MINUTE) == {fresh.id: 2, over.id: ENDED}


async def test_a_session_revoked_further_stays_pending(harness: StoreHarness) -> None:
    user = await harness.user()
    session = await harness.session(user)
    await revoke_access_tokens(harness, user)
    pending = await harness.revocations.pending()
    await end_session(harness, session)
    await harness.revocations.mark_published(pending)
    assert await harness.revocations.pending() == {session.id: ENDED}


async def test_marking_during_revocations_loses_none_and_blocks_none(harness: StoreHarness) -> None:
    user = await harness.user()
    for _ in range(15):
        sessions = [await harness.session(user) for _ in range(5)]
        await revoke_access_tokens(harness, user)
        pending = await harness.revocations.pending()

        async def end_all() -> None:
            async with harness.begin() as work:
                await work.sessions.end_all(user.id, now=LATER, reason=EndReason.LOGOUT_ALL)

        def marking(floors: dict[UUID, int]) -> Callable[[], Awaitable[None]]:
            async def mark() -> None:
                await harness.revocations.mark_published(floors)

            return mark

        backwards = dict(reversed(list(pending.items())))
        await run_concurrently([marking(dict(pending)), end_all, marking(backwards), marking(dict(pending))])
        unpublished = await harness.revocations.pending()
        assert {session.id: ENDED for session in sessions}.items() <= unpublished.items()
        await harness.revocations.mark_published(unpublished)


async def test_one_of_concurrent_promotions_succeeds(harness: StoreHarness) -> None:
    assert await harness.revocations.primary() is None

    def promoting(server: str, after: BlocklistPrimary | None) -> Callable[[], Awaitable[None]]:
        async def promote() -> None:
            await harness.revocations.promote(server, after=after)

        return promote

    primary = None
    for number in range(1, 6):
        await run_concurrently([promoting(f"server {server}", primary) for server in range(5)])
        late, primary = primary, await harness.revocations.primary()
        assert primary is not None
        assert primary.epoch == number
        await harness.revocations.promote("too late", after=late)
        assert await harness.revocations.primary() == primary


async def test_marking_does_not_wait_for_open_transactions(database: Database, engine: AsyncEngine) -> None:
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None)
    revocation_store = PostgresRevocationStore(database)
    harness = StoreHarness(store, PostgresRenewals(database), revocation_store, SpyingBlocklist(), [])
    user = await harness.user()
    held, free = await harness.session(user), await harness.session(user)
    await revoke_access_tokens(harness, user)
    async with engine.begin() as connection:
        await connection.execute(select(sessions).where(sessions.c.id == held.id).with_for_update())
        async with asyncio.timeout(5):
            await revocation_store.mark_published({held.id: 2, free.id: 2})
    assert await revocation_store.pending() == {held.id: 2}


async def test_a_revocation_is_read_after_its_commit(harness: StoreHarness) -> None:
    user = await harness.user()
    for _ in range(20):
        session = await harness.session(user)

        async def read(session: Session = session) -> None:
            await harness.revocations.min_generations([session.id])

        async def end_and_read(session: Session = session) -> None:
            await end_session(harness, session)
            assert await harness.revocations.min_generations([session.id]) == {session.id: ENDED}

        await run_concurrently([read] * 10 + [end_and_read] + [read] * 10)


async def test_concurrent_callers_share_statements(database: Database) -> None:
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None)
    floors = PostgresRevocationStore(database)
    harness = StoreHarness(store, PostgresRenewals(database), floors, SpyingBlocklist(), [])
    user = await harness.user()
    sessions = [await harness.session(user) for _ in range(40)]
    await revoke_access_tokens(harness, user)
    for session in sessions[::2]:
        await end_session(harness, session)
    recorder = StatementRecorder(database)
    answers = await asyncio.gather(*(floors.min_generations([sessions[number % 40].id]) for number in range(400)))
    assert 0 < len(recorder.take()) <= 2
    for number, answer in enumerate(answers):
        assert answer == {sessions[number % 40].id: 2 if number % 2 else ENDED}


async def test_any_number_of_sessions_can_be_read(database: Database) -> None:
    assert await PostgresRevocationStore(database).min_generations([new_id() for _ in range(40_000)]) == {}
