"""How many sessions a user has: never more than was said, whoever logs in at once, and the oldest go first."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from domain.session import ENDED, EndReason, Session
from domain.user import User
from tests.support.stage import LATER, NOW, Stage, at_once, login_of, opened

pytestmark = pytest.mark.anyio

FEW = 5


async def enter(stage: Stage, session: Session, *, most: int = FEW) -> Sequence[UUID]:
    async with stage.begin() as work:
        assert await work.sessions.open(session, credential_version=1, event=login_of(session)) is not None
        return await work.sessions.evict_oldest(session, most=most)


async def alive(stage: Stage, user: User) -> list[Session]:
    async with stage.begin() as work:
        return list(await work.sessions.alive(user.id, now=LATER))


async def test_the_oldest_are_ended_and_named_and_in_force(stage: Stage) -> None:
    user = await stage.user()
    # The order is that of their opening, whatever their ids say.
    sessions = [opened(user, now=NOW + timedelta(seconds=second)) for second in (3, 1, 2, 5, 4)]
    for session in sessions:
        assert await enter(stage, session) == []
    assert stage.blocklist.published == []
    sixth = opened(user, now=LATER)
    assert await enter(stage, sixth) == [sessions[1].id]
    assert await stage.kept_session(sessions[1].id) == sessions[1].ended(now=LATER, reason=EndReason.EVICTED)
    assert stage.blocklist.published == [{sessions[1].id: ENDED}]

    seventh = opened(user, now=LATER)
    assert set(await enter(stage, seventh, most=2)) == {sessions[at].id for at in (0, 2, 3, 4)}
    assert {session.id for session in await alive(stage, user)} == {sixth.id, seventh.id}


async def test_only_the_living_of_the_same_user_count(stage: Stage) -> None:
    user, other = await stage.user(), await stage.user("bob@example.org")
    expired = replace(opened(user), expires_at=LATER)
    ended, theirs = opened(user), opened(other)
    for session in (expired, ended, theirs):
        await enter(stage, session)
    async with stage.begin() as work:
        await work.sessions.end(ended.id, now=NOW, reason=EndReason.LOGOUT)
    assert await enter(stage, opened(user, now=LATER), most=1) == []
    assert await stage.kept_session(theirs.id) == theirs
    assert await stage.kept_session(expired.id) == expired


@pytest.mark.parametrize("most", [1, FEW])
async def test_of_twenty_who_log_in_at_once_exactly_so_many_are_alive(stage: Stage, most: int) -> None:
    user = await stage.user()
    sessions = [opened(user, now=NOW + timedelta(milliseconds=number)) for number in range(20)]
    entered = await at_once(partial(enter, stage, session, most=most) for session in sessions)
    evicted = [session for one in entered for session in one]
    assert len(evicted) == len(set(evicted)) == 20 - most
    assert len(await alive(stage, user)) == most
    assert {stage.blocklist.revoked[session] for session in evicted} == {ENDED}


async def test_what_is_ended_by_its_owner_meanwhile_is_not_ended_again(stage: Stage) -> None:
    user = await stage.user()
    first, second = opened(user), opened(user, now=LATER)
    await enter(stage, first)
    async with stage.begin() as work:
        assert await work.sessions.end(first.id, now=NOW, reason=EndReason.LOGOUT)
    assert await enter(stage, second, most=1) == []
    assert (await stage.kept_session(first.id)).end_reason is EndReason.LOGOUT


async def test_the_one_that_has_come_stays_however_late_its_clock_says_it_is(stage: Stage) -> None:
    user = await stage.user()
    ahead, behind = opened(user, now=LATER), opened(user)
    await enter(stage, ahead, most=1)
    assert await enter(stage, behind, most=1) == [ahead.id]
    assert await alive(stage, user) == [behind]


async def test_a_login_that_is_undone_has_ended_nobodys_session(stage: Stage) -> None:
    user = await stage.user()
    first, second = opened(user), opened(user, now=LATER)
    await enter(stage, first)

    async def spoilt() -> None:
        async with stage.begin() as work:
            assert await work.sessions.open(second, credential_version=1, event=login_of(second))
            assert await work.sessions.evict_oldest(second, most=1) == [first.id]
            raise KeyError

    with pytest.raises(KeyError):
        await spoilt()
    assert await alive(stage, user) == [first]
    assert stage.blocklist.published == []
