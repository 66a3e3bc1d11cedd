"""Invitations in the store: one open invitation an address, accepted or revoked once, and purged."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from adapters.uuid7 import lowest
from application.ports import ExpiredRows
from domain import retention
from domain.invitation import Invitation, InvitationStatus
from domain.outbox import LinkPurpose
from domain.retention import RetentionCategory
from domain.role import Role
from tests.support.store_harness import LATER, NOW, Rollback, StoreHarness, new_id, run_concurrently

pytestmark = pytest.mark.anyio

ADA, BOB = "ada@example.org", "bob@example.org"
INVITER = UUID(int=1)


def invitation_to(email: str = ADA, *, role: Role = Role.MEMBER, at: datetime = NOW) -> Invitation:
    return Invitation(id=new_id(), email=email, role=role, invited_by=INVITER, created_at=at)


async def add(harness: StoreHarness, *invitations: Invitation) -> None:
    async with harness.begin() as work:
        for invitation in invitations:
            await work.invitations.add(invitation)


async def stored(harness: StoreHarness, invitation: Invitation) -> Invitation | None:
    async with harness.begin() as work:
        return await work.invitations.by_id(invitation.id)


async def open_one(harness: StoreHarness, email: str = ADA) -> Invitation | None:
    async with harness.begin() as work:
        return await work.invitations.lock_email(email)


async def test_invitation_is_stored_as_added(harness: StoreHarness) -> None:
    invitation = invitation_to(role=Role.ADMIN)
    await add(harness, invitation)
    assert await stored(harness, invitation) == invitation
    assert await open_one(harness) == invitation
    assert await open_one(harness, BOB) is None
    assert await stored(harness, invitation_to()) is None


async def test_invitation_is_accepted_once(harness: StoreHarness) -> None:
    invitation, user_id = invitation_to(), new_id()
    await add(harness, invitation)
    async with harness.begin() as work:
        assert await work.invitations.accept(invitation.id, user_id=user_id, now=LATER)
        assert not await work.invitations.accept(invitation.id, user_id=new_id(), now=LATER)
        assert not await work.invitations.revoke(invitation.id, now=LATER)
        assert not await work.invitations.accept(new_id(), user_id=user_id, now=LATER)
    assert await stored(harness, invitation) == invitation.accepted(user_id, now=LATER)
    assert await open_one(harness) is None


async def test_revoked_invitation_makes_room_for_another(harness: StoreHarness) -> None:
    first, second = invitation_to(), invitation_to()
    await add(harness, first)
    async with harness.begin() as work:
        assert await work.invitations.revoke(first.id, now=LATER)
        assert not await work.invitations.revoke(first.id, now=NOW)
        assert not await work.invitations.accept(first.id, user_id=new_id(), now=LATER)
        await work.invitations.add(second)
    assert await stored(harness, first) == first.revoked(LATER)
    assert await open_one(harness) == second


async def test_pages_of_invitations_go_from_newest_to_oldest(harness: StoreHarness) -> None:
    invitations = [invitation_to(f"user{number}@example.org") for number in range(5)]
    await add(harness, *invitations)
    async with harness.begin() as work:
        first = await work.invitations.page(limit=3, after=None)
        rest = await work.invitations.page(limit=3, after=first[-1].id)
    assert [*first, *rest] == invitations[::-1]


async def test_invitations_of_a_user_are_accepted_or_to_the_verified_address(harness: StoreHarness) -> None:
    user, unverified = await harness.user(), await harness.user(BOB, proven=False)
    before, to_ada, to_bob = invitation_to("former@example.org"), invitation_to(), invitation_to(BOB)
    await add(harness, before, to_ada, to_bob)
    async with harness.begin() as work:
        await work.invitations.accept(before.id, user_id=user.id, now=LATER)
        assert await work.invitations.by_user(user) == [to_ada, before.accepted(user.id, now=LATER)]
        assert await work.invitations.by_user(unverified) == []


@pytest.mark.parametrize("revoked", [False, True], ids=["accepting", "accepting and revoking"])
async def test_of_many_concurrent_uses_of_an_invitation_one_succeeds(harness: StoreHarness, revoked: bool) -> None:
    def accepting(invitation: Invitation) -> Callable[[], Awaitable[bool]]:
        async def accept() -> bool:
            async with harness.begin() as work:
                return await work.invitations.accept(invitation.id, user_id=new_id(), now=LATER)

        return accept

    def revoking(invitation: Invitation) -> Callable[[], Awaitable[bool]]:
        async def revoke() -> bool:
            async with harness.begin() as work:
                return await work.invitations.revoke(invitation.id, now=LATER)

        return revoke

    for _ in range(5):
        invitation = invitation_to()
        await add(harness, invitation)
        uses = [accepting(invitation) for _ in range(10)] + [revoking(invitation) for _ in range(10 * revoked)]
        assert sum(await run_concurrently(uses)) == 1
        used = await stored(harness, invitation)
        assert used is not None
        assert (used.accepted_at is None) is not (used.revoked_at is None)


async def test_concurrent_invitations_to_an_address_leave_one_open(harness: StoreHarness) -> None:
    invitations = [invitation_to() for _ in range(20)]

    def inviting(invitation: Invitation) -> Callable[[], Awaitable[None]]:
        async def invite() -> None:
            async with harness.begin() as work:
                earlier = await work.invitations.lock_email(invitation.email)
                if earlier is not None:
                    assert await work.invitations.revoke(earlier.id, now=LATER)
                await work.invitations.add(invitation)

        return invite

    await run_concurrently(inviting(invitation) for invitation in invitations)
    found = [await stored(harness, invitation) for invitation in invitations]
    statuses = [one.status(NOW) for one in found if one is not None]
    assert sorted(statuses) == [InvitationStatus.OPEN, *[InvitationStatus.REVOKED] * 19]


async def test_a_rollback_undoes_every_change_of_invitations(harness: StoreHarness) -> None:
    accepted, revoked, added = invitation_to(), invitation_to(BOB), invitation_to("new@example.org")
    await add(harness, accepted, revoked)

    async def roll_back() -> None:
        async with harness.begin() as work:
            await work.invitations.accept(accepted.id, user_id=new_id(), now=LATER)
            await work.invitations.revoke(revoked.id, now=LATER)
            await work.invitations.add(added)
            raise Rollback

    with pytest.raises(Rollback):
        await roll_back()
    assert [await stored(harness, one) for one in (accepted, revoked, added)] == [accepted, revoked, None]


# -- purge ------------------------------------------------------------------------------------------------


async def purge(expired_rows: ExpiredRows, kind: RetentionCategory, *, now: datetime = NOW) -> int:
    return (await expired_rows.purge(kind, now=now, after=None, limit=100)).removed


async def test_invitations_are_purged_after_a_month(harness: StoreHarness, expired_rows: ExpiredRows) -> None:
    assert LinkPurpose.INVITE.lifetime < retention.INVITATION
    edge, millisecond = NOW - retention.INVITATION, timedelta(milliseconds=1)
    old, young = (
        replace(invitation_to(f"{number}@example.org", at=at), id=lowest(at))
        for number, at in enumerate((edge - millisecond, edge + millisecond))
    )
    await add(harness, old, young)
    assert await purge(expired_rows, RetentionCategory.INVITATION) == 1
    assert [await stored(harness, one) for one in (old, young)] == [None, young]


async def test_cleaning_a_deleted_user_leaves_no_invitation(harness: StoreHarness, expired_rows: ExpiredRows) -> None:
    user = await harness.user()
    before, to_ada, to_bob = invitation_to("former@example.org"), invitation_to(), invitation_to(BOB)
    await add(harness, before, to_ada, to_bob)
    async with harness.begin() as work:
        await work.invitations.accept(before.id, user_id=user.id, now=NOW)
        await work.users.remove(user.id, now=NOW, until=LATER)
    await purge(expired_rows, RetentionCategory.DELETED_USER, now=LATER - timedelta(seconds=1))
    assert await stored(harness, to_ada) == to_ada
    later = replace(invitation_to(at=LATER), revoked_at=LATER)
    await add(harness, later)
    await purge(expired_rows, RetentionCategory.DELETED_USER, now=LATER)
    assert [await stored(harness, one) for one in (before, to_ada)] == [None, None]
    assert [await stored(harness, one) for one in (to_bob, later)] == [to_bob, later]
