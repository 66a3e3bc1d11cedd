"""Browser sessions in the store: when they are stored as used, and that no race keeps an older role alive."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.tables import sessions, users
from domain.role import Role
from domain.session import ENDED, SECRET_LENGTH, TOUCH, EndReason, Session, digest_of
from domain.user import User
from tests.support.sql import waited_for
from tests.support.store_harness import (
    LIFETIMES,
    NOW,
    StoreHarness,
    login_event,
    new_id,
    new_session,
    run_concurrently,
)

pytestmark = pytest.mark.anyio

SECRET = bytes(range(SECRET_LENGTH))
Found = tuple[Session, User] | None


async def browser_session(harness: StoreHarness, user: User) -> Session:
    session = Session.opened(id=new_id(), user_id=user.id, now=NOW, lifetimes=LIFETIMES, secret=SECRET)
    async with harness.begin() as work:
        assert await work.sessions.open(session, credential_version=1, event=login_event(session))
    return session


async def resume(harness: StoreHarness, session: Session, *, at: datetime = NOW) -> Found:
    async with harness.store.autocommit() as work:
        return await work.sessions.resume(session.id, now=at, lifetimes=LIFETIMES)


async def change_role(harness: StoreHarness, user: User, role: Role) -> None:
    async with harness.begin() as work:
        await work.users.lock(user.id)
        await work.users.set_role(user.id, role)
        await work.sessions.revoke_access_tokens(user.id)


async def test_only_the_digest_of_the_secret_is_stored(harness: StoreHarness) -> None:
    opened = await browser_session(harness, await harness.user())
    stored = await harness.load_session(opened.id)
    assert (stored.secret, stored.secret_digest) == (b"", digest_of(SECRET))
    assert stored == opened
    assert stored.has_secret(SECRET)
    assert not stored.has_secret(SECRET[1:] + b"\xff")
    assert SECRET.hex() not in repr(opened)
    assert repr(SECRET) not in repr(opened)


async def test_session_is_stored_as_used_at_most_once_in_ten_minutes(harness: StoreHarness) -> None:
    user = await harness.user()
    session = await browser_session(harness, user)
    assert await resume(harness, session, at=NOW + TOUCH - timedelta(microseconds=1)) == (session, user)
    used_at = NOW + TOUCH
    touched = await resume(harness, session, at=used_at)
    assert touched == (replace(session, rotated_at=used_at, expires_at=used_at + LIFETIMES.refresh), user)
    assert await resume(harness, session, at=used_at + TOUCH - timedelta(seconds=1)) == touched
    last = NOW + LIFETIMES.session - timedelta(days=1)
    async with harness.begin() as work:
        assert await work.sessions.by_id(session.id) == touched[0]
    for day in range(5, 30, 5):
        await resume(harness, session, at=NOW + timedelta(days=day))
    at_last = await resume(harness, session, at=last)
    assert at_last is not None
    assert at_last[0].expires_at == NOW + LIFETIMES.session


async def test_expired_session_is_not_prolonged(harness: StoreHarness) -> None:
    session = await browser_session(harness, await harness.user())
    found = await resume(harness, session, at=session.expires_at)
    assert found is not None
    assert found[0] == session
    assert not found[0].alive(session.expires_at)


async def test_ended_session_stays_as_it_ended(harness: StoreHarness) -> None:
    session = await browser_session(harness, await harness.user())
    async with harness.begin() as work:
        await work.sessions.end(session.id, now=NOW, reason=EndReason.LOGOUT)
    found = await resume(harness, session, at=NOW + TOUCH)
    assert found is not None
    assert (found[0].ended_at, found[0].rotated_at, found[0].effective_min_generation) == (NOW, NOW, ENDED)


async def test_sessions_without_a_secret_are_not_resumed(harness: StoreHarness) -> None:
    user = await harness.user()
    with_tokens, unknown = await harness.session(user), new_session(user)
    assert [await resume(harness, session, at=NOW + TOUCH) for session in (with_tokens, unknown)] == [None, None]
    assert await harness.load_session(with_tokens.id) == with_tokens


async def test_use_after_each_change_of_roles_has_a_generation_of_its_own(harness: StoreHarness) -> None:
    user = await harness.user(role=Role.ADMIN)
    session = await browser_session(harness, user)
    for generation, role in enumerate((Role.MODERATOR, Role.MEMBER, Role.ADMIN), start=2):
        await change_role(harness, user, role)
        found = await resume(harness, session)
        assert found is not None
        assert (found[0].generation, found[0].min_generation, found[1].role) == (generation, generation, role)


async def test_no_race_of_two_changes_of_roles_accepts_an_older_role(harness: StoreHarness) -> None:
    """What a process has read is accepted as long as its generation is: then the role must be the newest."""
    user = await harness.user(role=Role.ADMIN)
    for _ in range(20):
        session = await browser_session(harness, user)
        read: list[Found] = []

        async def use(session: Session = session, read: list[Found] = read) -> None:
            read.extend([await resume(harness, session, at=NOW + TOUCH) for _ in range(4)])

        async def change(role: Role) -> None:
            await change_role(harness, user, role)

        steps: list[Callable[[], Awaitable[None]]] = [use, lambda: change(Role.MODERATOR), use]
        await run_concurrently([*steps, lambda: change(Role.MEMBER), use])
        stored, owner = await harness.load_session(session.id), await harness.load_user(user.id)
        assert owner is not None
        accepted = [found[1].role for found in read if found and found[0].generation >= stored.min_generation]
        assert set(accepted) <= {owner.role}
        assert stored.min_generation >= 2
        await change_role(harness, user, Role.ADMIN)


@pytest.mark.parametrize("harness", ["postgres"], indirect=True)
async def test_use_that_waited_for_a_change_of_roles_has_the_new_role(
    harness: StoreHarness, engine: AsyncEngine
) -> None:
    user = await harness.user(role=Role.ADMIN)
    session = await browser_session(harness, user)
    async with engine.begin() as connection:
        await connection.execute(select(sessions.c.id).where(sessions.c.id == session.id).with_for_update())
        waiting = asyncio.create_task(resume(harness, session, at=NOW + TOUCH))
        await waited_for(engine, connection)
        await connection.execute(update(users).where(users.c.id == user.id).values(role="member"))
        await connection.execute(update(sessions).where(sessions.c.id == session.id).values(min_generation=2))
    found = await waiting
    assert found is not None
    assert (found[0].generation, found[1].role) == (2, Role.MEMBER)
