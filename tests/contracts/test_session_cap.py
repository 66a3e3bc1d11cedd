"""The cap on sessions of a user holds under concurrent logins, and the oldest sessions are evicted first."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from domain.session import ENDED, EndReason, Session
from domain.user import User
from tests.support.store_harness import LATER, NOW, StoreHarness, login_event, new_session, run_concurrently

pytestmark = pytest.mark.anyio

FEW = 5


async def enter(harness: StoreHarness, session: Session, *, most: int = FEW) -> Sequence[UUID]:
    async with harness.begin() as work:
        assert await work.sessions.open(session, credential_version=1, event=login_event(session)) is not None
        return await work.sessions.evict_oldest(session, most=most)


async def alive(harness: StoreHarness, user: User) -> list[Session]:
    async with harness.begin() as work:
        return list(await work.sessions.alive(user.id, now=LATER))


async def test_the_oldest_sessions_are_evicted_returned_and_revoked(harness: StoreHarness) -> None:
    user = await harness.user()
    # Ordered by time of login, not by id.
    sessions = [new_session(user, now=NOW + timedelta(seconds=second)) for second in (3, 1, 2, 5, 4)]
    for session in sessions:
        assert await enter(harness, session) == []
    assert harness.blocklist.published == []
    sixth = new_session(user, now=LATER)
    assert await enter(harness, sixth) == [sessions[1].id]
    assert await harness.load_session(sessions[1].id) == sessions[1].ended(now=LATER, reason=EndReason.EVICTED)
    assert harness.blocklist.published == [{sessions[1].id: ENDED}]

    seventh = new_session(user, now=LATER)
    assert set(await enter(harness, seventh, most=2)) == {sessions[at].id for at in (0, 2, 3, 4)}
    assert {session.id for session in await alive(harness, user)} == {sixth.id, seventh.id}


async def test_only_active_sessions_of_the_same_user_count(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    expired = replace(new_session(user), expires_at=LATER)
    ended, theirs = new_session(user), new_session(other)
    for session in (expired, ended, theirs):
        await enter(harness, session)
    async with harness.begin() as work:
        await work.sessions.end(ended.id, now=NOW, reason=EndReason.LOGOUT)
    assert await enter(harness, new_session(user, now=LATER), most=1) == []
    assert await harness.load_session(theirs.id) == theirs
    assert await harness.load_session(expired.id) == expired


@pytest.mark.parametrize("most", [1, FEW])
async def test_twenty_concurrent_logins_respect_the_cap(harness: StoreHarness, most: int) -> None:
    user = await harness.user()
    sessions = [new_session(user, now=NOW + timedelta(milliseconds=number)) for number in range(20)]
    entered = await run_concurrently(partial(enter, harness, session, most=most) for session in sessions)
    evicted = [session for one in entered for session in one]
    assert len(evicted) == len(set(evicted)) == 20 - most
    assert len(await alive(harness, user)) == most
    assert {harness.blocklist.revoked[session] for session in evicted} == {ENDED}


async def test_session_ended_by_its_owner_is_not_evicted(harness: StoreHarness) -> None:
    user = await harness.user()
    first, second = new_session(user), new_session(user, now=LATER)
    await enter(harness, first)
    async with harness.begin() as work:
        assert await work.sessions.end(first.id, now=NOW, reason=EndReason.LOGOUT)
    assert await enter(harness, second, most=1) == []
    assert (await harness.load_session(first.id)).end_reason is EndReason.LOGOUT


async def test_the_newest_login_is_never_evicted_whatever_its_clock(harness: StoreHarness) -> None:
    user = await harness.user()
    ahead, behind = new_session(user, now=LATER), new_session(user)
    await enter(harness, ahead, most=1)
    assert await enter(harness, behind, most=1) == [ahead.id]
    assert await alive(harness, user) == [behind]


async def test_rolled_back_login_evicts_no_session(harness: StoreHarness) -> None:
    user = await harness.user()
    first, second = new_session(user), new_session(user, now=LATER)
    await enter(harness, first)

    async def roll_back() -> None:
        async with harness.begin() as work:
            assert await work.sessions.open(second, credential_version=1, event=login_event(second))
            assert await work.sessions.evict_oldest(second, most=1) == [first.id]
            raise KeyError

    with pytest.raises(KeyError):
        await roll_back()
    assert await alive(harness, user) == [first]
    assert harness.blocklist.published == []
