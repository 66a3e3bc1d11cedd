"""E-mail changes in the store, and what they change in users."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from domain.email_change import EmailChange
from domain.role import Role
from domain.session import ENDED, EndReason, Session
from domain.user import User
from tests.support.store_harness import (
    LATER,
    NOW,
    Rollback,
    StoreHarness,
    claim,
    login_event,
    new_id,
    new_session,
    run_concurrently,
)

pytestmark = pytest.mark.anyio


def change_of(user: User, new_email: str = "new@example.org") -> EmailChange:
    return EmailChange(
        id=new_id(),
        user_id=user.id,
        old_email=user.email,
        new_email=new_email,
        credential_version=user.credential_version,
        asked_at=NOW,
    )


async def add(harness: StoreHarness, change: EmailChange) -> EmailChange:
    async with harness.begin() as work:
        await work.email_changes.add(change)
    return change


async def stored(harness: StoreHarness, change: EmailChange) -> EmailChange | None:
    async with harness.begin() as work:
        return await work.email_changes.by_id(change.id)


def changing_email(harness: StoreHarness, user: User, email: str) -> Callable[[], Awaitable[User | None]]:
    async def change_email() -> User | None:
        async with harness.begin() as work:
            others = [one for one in await work.users.lock(user.id, email=email) if one.email == email]
            return await work.users.change_email(user.id, email, over=others, now=NOW)

    return change_email


# -- changes ----------------------------------------------------------------------------------------------


async def test_change_is_stored_as_added_and_updated(harness: StoreHarness) -> None:
    change = await add(harness, change_of(await harness.user()))
    assert await stored(harness, change) == change
    later = replace(change, confirmed_at=LATER, closed_at=LATER + timedelta(hours=1), credential_version=7)
    async with harness.begin() as work:
        await work.email_changes.update(later)
    assert await stored(harness, change) == later
    stranger = change_of(await harness.user("bob@example.org"))
    async with harness.begin() as work:
        await work.email_changes.update(stranger)
        assert await work.email_changes.by_id(stranger.id) is None


async def test_newest_change_is_the_last_one_asked_for(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    async with harness.begin() as work:
        assert await work.email_changes.newest(user.id) is None
    await add(harness, change_of(user))
    newest = await add(harness, replace(change_of(user), confirmed_at=NOW, closed_at=NOW))
    await add(harness, change_of(other))
    async with harness.begin() as work:
        assert await work.email_changes.newest(user.id) == newest


async def test_changes_are_closed_by_credential_version(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    changes = [await add(harness, replace(change_of(user), credential_version=version)) for version in (1, 2, 2, 3)]
    closed = await add(harness, replace(change_of(user), credential_version=9, closed_at=NOW))
    other_change = await add(harness, replace(change_of(other), credential_version=9))
    async with harness.begin() as work:
        await work.email_changes.close(user.id, now=LATER, since=2)
    found = [await stored(harness, change) for change in changes]
    assert found == [changes[0], *(replace(change, closed_at=LATER) for change in changes[1:])]
    assert [await stored(harness, closed), await stored(harness, other_change)] == [closed, other_change]


async def test_changes_are_closed_by_the_address_they_lead_back_to(harness: StoreHarness) -> None:
    user = await harness.user()
    here, there = change_of(user), replace(change_of(user), old_email="older@example.org")
    for change in (here, there):
        await add(harness, change)
    async with harness.begin() as work:
        await work.email_changes.close(user.id, now=LATER, back_to=user.email)
    assert await stored(harness, here) == replace(here, closed_at=LATER)
    assert await stored(harness, there) == there


async def test_only_unconfirmed_changes_are_deleted(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    waiting = await add(harness, change_of(user))
    done = await add(harness, replace(change_of(user), confirmed_at=NOW))
    other_change = await add(harness, change_of(other))
    async with harness.begin() as work:
        await work.email_changes.delete_unconfirmed(user.id)
    assert [await stored(harness, change) for change in (waiting, done, other_change)] == [None, done, other_change]


# -- locking ----------------------------------------------------------------------------------------------


async def test_lock_takes_the_user_and_all_of_the_address_in_order(harness: StoreHarness) -> None:
    claims = [await harness.user("new@example.org", proven=False) for _ in range(2)]
    user = await harness.user()
    await harness.user("bob@example.org", role=Role.ADMIN)
    async with harness.begin() as work:
        assert await work.users.lock(user.id) == [user]
        assert await work.users.lock(user.id, email="new@example.org") == [*claims, user]
        assert await work.users.lock(user.id, email=user.email) == [user]
        assert await work.users.lock(user.id, email="nobody@example.org") == [user]
        assert await work.users.lock(new_id(), email="nobody@example.org") == []


async def test_lock_includes_all_admins_if_one_is_an_admin(harness: StoreHarness) -> None:
    admins = [await harness.user(f"admin{number}@example.org", role=Role.ADMIN) for number in range(3)]
    await harness.user("claims@example.org", role=Role.ADMIN, proven=False)
    banned = await harness.user("banned@example.org", role=Role.ADMIN)
    async with harness.begin() as work:
        banned = await work.users.set_disabled(banned.id, True, now=NOW) or banned
    user = await harness.user()
    async with harness.begin() as work:
        assert await work.users.lock(user.id, email="admin1@example.org") == [*admins, user]
        assert await work.users.lock(user.id, email="banned@example.org") == [banned, user]
        assert await work.users.lock(admins[0].id, email=user.email) == [admins[0], user]
        assert await work.users.lock(user.id, with_admins=True) == [*admins, user]
        assert await work.users.lock(admins[0].id, email="nobody@example.org", with_admins=True) == admins


async def test_locked_user_does_not_change_until_the_end(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    held, users_read = anyio.Event(), list[User | None]()

    async def hold() -> None:
        async with harness.begin() as work:
            await work.users.lock(user.id, email=other.email)
            held.set()
            await anyio.sleep(0.05)
            users_read.extend([await work.users.by_id(user.id), await work.users.by_id(other.id)])

    async def change(target: User) -> None:
        await held.wait()
        async with harness.begin() as work:
            await work.users.replace_password(target.id, "new", credential_version=1)

    async with anyio.create_task_group() as group:
        for doing in (hold, lambda: change(user), lambda: change(other)):
            group.start_soon(doing)
    assert users_read == [user, other]


# -- changing the address ---------------------------------------------------------------------------------


async def test_move_verifies_the_address_and_increases_the_version(harness: StoreHarness) -> None:
    for proven in (True, False):
        user = await harness.user(f"{proven}@example.org".lower(), username=f"ada{proven}", proven=proven)
        moved = await changing_email(harness, user, f"new-{proven}@example.org".lower())()
        assert moved == user.with_email(f"new-{proven}@example.org".lower())
        assert await harness.load_user(user.id) == moved
    assert await changing_email(harness, claim(), "other@example.org")() is None


async def test_move_removes_unverified_users_and_ends_their_sessions(harness: StoreHarness) -> None:
    squatter = await harness.user("new@example.org", proven=False)
    planted = await harness.session(squatter)
    own = await harness.user("ada@example.org", proven=False)
    user = await harness.user("bob@example.org")
    session = await harness.session(user)
    assert await changing_email(harness, user, "new@example.org")() is not None
    assert await harness.load_user(squatter.id) is None
    stored = await harness.load_session(planted.id)
    assert (stored.ended_at, stored.end_reason) == (NOW, EndReason.SUPERSEDED)
    assert harness.blocklist.revoked == {planted.id: ENDED}
    assert await harness.load_session(session.id) == session
    assert await harness.load_user(own.id) == own


async def test_unverified_user_that_was_not_locked_is_superseded(harness: StoreHarness) -> None:
    """A user who registers the address after the lock remains, unverified."""
    late, user = await harness.user("new@example.org", proven=False), await harness.user()
    async with harness.begin() as work:
        await work.users.lock(user.id)
        moved = await work.users.change_email(user.id, late.email, over=[], now=NOW)
        assert moved == user.with_email(late.email)
        assert await work.users.verify_email(late.id, credential_version=1, now=NOW) is None
    assert await harness.load_user(late.id) == late


async def test_move_to_a_verified_address_is_refused(harness: StoreHarness) -> None:
    holder, user = await harness.user("new@example.org"), await harness.user()
    assert await changing_email(harness, user, "new@example.org")() is None
    assert [await harness.load_user(one.id) for one in (holder, user)] == [holder, user]


async def test_move_drops_a_taken_username(harness: StoreHarness) -> None:
    user = await harness.user(username="ada", proven=False)
    await harness.user("bob@example.org", username="ADA")
    assert await changing_email(harness, user, "new@example.org")() == replace(
        user.with_email("new@example.org"), username=None
    )


async def test_of_many_concurrent_moves_to_one_address_one_succeeds(harness: StoreHarness) -> None:
    for number in range(5):
        users = [await harness.user(f"mover{number}-{place}@example.org") for place in range(12)]
        address = f"new{number}@example.org"
        answers = await run_concurrently(changing_email(harness, user, address) for user in users)
        moved = [user for user in answers if user is not None]
        assert len(moved) == 1
        async with harness.begin() as work:
            assert await work.users.by_email(address) == moved[0]


async def test_concurrent_verification_is_stopped_by_the_unique_index(harness: StoreHarness) -> None:
    """Neither transaction sees the row of the other in time to lock it."""

    def registering_and_verifying(user: User) -> Callable[[], Awaitable[User | None]]:
        async def register_and_verify() -> User | None:
            async with harness.begin() as work:
                await work.users.add(user)
                await anyio.sleep(0.005)
                proof = await work.users.verify_email(user.id, credential_version=1, now=NOW)
                return None if proof is None else proof.user

        return register_and_verify

    for number in range(10):
        address = f"new{number}@example.org"
        user, late = await harness.user(f"mover{number}@example.org"), claim(address)
        answers = await run_concurrently([changing_email(harness, user, address), registering_and_verifying(late)])
        async with harness.begin() as work:
            holder = await work.users.by_email(address)
        assert [one for one in answers if one is not None] == [holder]


async def test_evicted_user_is_unverified_and_keeps_sessions(harness: StoreHarness) -> None:
    user = await harness.user(username="ada", role=Role.ADMIN)
    session = await harness.session(user)
    async with harness.begin() as work:
        displaced = await work.users.evict_from_email(user.id, to="new@example.org")
        assert await work.users.evict_from_email(new_id(), to="new@example.org") is None
    assert displaced == user.evicted_from_email("new@example.org")
    assert await harness.load_user(user.id) == displaced
    assert await harness.load_session(session.id) == session
    async with harness.begin() as work:
        assert await work.users.active_admin_ids() == []
        assert await work.users.by_email(user.email) is None
    await harness.user(user.email, username="ada")


async def test_evicted_user_is_not_removed_when_another_verifies(harness: StoreHarness) -> None:
    for way in ("prove", "move"):
        address = f"{way}@example.org"
        user = await harness.user(f"{way}.former@example.org")
        session = await harness.session(user)
        await add(harness, change_of(user, address))
        async with harness.begin() as work:
            displaced = await work.users.evict_from_email(user.id, to=address)
        squatter = await harness.user(address, proven=False)
        await add(harness, change_of(squatter, "elsewhere@example.org"))
        if way == "prove":
            winner: User | None = await harness.user(address)
        else:
            winner = await changing_email(harness, await harness.user("mover@example.org"), address)()
        assert winner is not None
        assert await harness.load_user(user.id) == displaced
        assert await harness.load_session(session.id) == session
        assert await harness.load_user(squatter.id) is None
        assert await changing_email(harness, user, address)() is None


async def test_session_opened_during_a_superseding_move_ends(
    harness: StoreHarness,
) -> None:
    for number in range(30):
        address = f"planted{number}@example.org"
        squatter = await harness.user(address, proven=False)
        user = await harness.user(f"mover{number}@example.org")
        planted = new_session(squatter)

        async def enter(planted: Session = planted) -> User | None:
            async with harness.begin() as work:
                return await work.sessions.open(planted, credential_version=1, event=login_event(planted))

        entered, moved = await run_concurrently([enter, changing_email(harness, user, address)])
        assert moved is not None
        async with harness.begin() as work:
            stored = await work.sessions.by_id(planted.id)
        assert (stored is None) == (entered is None)
        assert stored is None or stored.ended_at is not None


# -- rollback ---------------------------------------------------------------------------------------------


async def test_a_rollback_undoes_every_email_change(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    squatter = await harness.user("new@example.org", proven=False)
    waiting, done = change_of(user), replace(change_of(user), confirmed_at=NOW)
    for change in (waiting, done):
        await add(harness, change)
    fresh = change_of(user)

    async def roll_back() -> None:
        async with harness.begin() as work:
            await work.users.lock(user.id, email="new@example.org")
            await work.email_changes.add(fresh)
            await work.email_changes.update(replace(done, confirmed_at=None))
            await work.email_changes.close(user.id, now=NOW)
            await work.email_changes.delete_unconfirmed(user.id)
            await work.users.evict_from_email(other.id, to="new@example.org")
            await work.users.change_email(user.id, "new@example.org", over=[squatter], now=NOW)
            raise Rollback

    with pytest.raises(Rollback):
        await roll_back()
    assert [await stored(harness, change) for change in (waiting, done, fresh)] == [waiting, done, None]
    assert [await harness.load_user(one.id) for one in (user, other, squatter)] == [user, other, squatter]
    assert harness.blocklist.published == []
