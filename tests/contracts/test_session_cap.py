"""How many sessions a user has: never more than was said, whoever logs in at once, and the oldest go first."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from application.store import Opened
from domain.session import ENDED, EndReason, Session
from domain.user import User
from tests.contracts.stage import LATER, NOW, Stage, at_once, opened

pytestmark = pytest.mark.anyio

FEW = 5


def entering(stage: Stage, session: Session, *, most: int = FEW) -> Callable[[], Awaitable[Opened | None]]:
    async def enter() -> Opened | None:
        async with stage.begin() as work:
            return await work.sessions.open(session, credential_version=1, most=most)

    return enter


async def alive(stage: Stage, user: User) -> list[Session]:
    async with stage.begin() as work:
        return list(await work.sessions.alive(user.id, now=LATER))


async def test_the_oldest_are_ended_and_named_and_in_force(stage: Stage) -> None:
    user = await stage.user()
    # The order is that of their opening, whatever their ids say.
    sessions = [opened(user, now=NOW + timedelta(seconds=second)) for second in (3, 1, 2, 5, 4)]
    for session in sessions:
        assert await entering(stage, session)() == Opened(user)
    assert stage.blocklist.published == []
    sixth = opened(user, now=LATER)
    assert await entering(stage, sixth)() == Opened(user, (sessions[1].id,))
    assert await stage.kept_session(sessions[1].id) == sessions[1].ended(now=LATER, reason=EndReason.EVICTED)
    assert stage.blocklist.published == [{sessions[1].id: ENDED}]

    seventh = opened(user, now=LATER)
    found = await entering(stage, seventh, most=2)()
    assert found is not None
    assert set(found.evicted) == {sessions[at].id for at in (0, 2, 3, 4)}
    assert {session.id for session in await alive(stage, user)} == {sixth.id, seventh.id}


async def test_only_the_living_of_the_same_user_count(stage: Stage) -> None:
    user, other = await stage.user(), await stage.user("bob@example.org")
    expired = replace(opened(user), expires_at=LATER)
    ended, theirs = opened(user), opened(other)
    for session in (expired, ended, theirs):
        await entering(stage, session)()
    async with stage.begin() as work:
        await work.sessions.end(ended.id, now=NOW, reason=EndReason.LOGOUT)
    assert await entering(stage, opened(user, now=LATER), most=1)() == Opened(user)
    assert await stage.kept_session(theirs.id) == theirs
    assert await stage.kept_session(expired.id) == expired


async def test_of_twenty_who_log_in_at_once_exactly_five_are_alive(stage: Stage) -> None:
    user = await stage.user()
    entered = await at_once(entering(stage, opened(user)) for _ in range(20))
    evicted = [session for one in entered if one is not None for session in one.evicted]
    assert len(entered) == 20
    assert len(evicted) == len(set(evicted)) == 15
    assert len(await alive(stage, user)) == FEW
    assert {stage.blocklist.raised[session] for session in evicted} == {ENDED}


async def test_a_login_that_is_undone_has_ended_nobodys_session(stage: Stage) -> None:
    user = await stage.user()
    first = opened(user)
    await entering(stage, first)()

    async def spoilt() -> None:
        async with stage.begin() as work:
            await work.sessions.open(opened(user, now=LATER), credential_version=1, most=1)
            raise KeyError

    with pytest.raises(KeyError):
        await spoilt()
    assert await alive(stage, user) == [first]
    assert stage.blocklist.published == []
