"""Confirming another address: by whoever reads it, for the newest request only, and never over somebody's head."""

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from domain.audit import EventType
from domain.outbox import DeliveryOutcome, LinkPurpose, MailKind
from domain.refusals import ErrorCode
from domain.role import Role
from domain.session import EndReason
from domain.user import User
from tests.support.use_cases import (
    ALICE,
    BOB,
    REVOKED,
    change_link,
    claim,
    error_code_of,
    link,
    purge,
    queued_mails,
    refused,
    request_email_change,
    run_concurrently,
    session_of,
    token_errors,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

NEW = "alice@example.net"


def acts(world: World, action: EventType) -> list[User | None]:
    """Whom this has happened to."""
    events = [event for event in world.store.rows.events.values() if event.action is action]
    assert all(event.actor_id is None and event.detail == "" for event in events)
    return [world.store.rows.users.get(event.user_id) for event in events]


def user_now(world: World, user: User) -> User:
    return world.store.rows.users[user.id]


async def test_the_link_to_the_new_address_changes_the_address_only(world: World) -> None:
    user = await world.user(ALICE, role=Role.MODERATOR, username="queen")
    pair = await world.log_in(ALICE)
    change = await request_email_change(world, user, NEW)

    moved = await world.confirm_email(token=await world.mailed_token(NEW))

    assert moved == user.with_email(NEW) == user_now(world, user)
    assert moved.credential_version == user.credential_version + 1
    assert world.store.rows.email_changes[change.id] == change.confirmed(world.clock())
    assert await token_errors(world, pair) == (None, None)
    assert await error_code_of(world.log_in(ALICE)) is ErrorCode.INVALID_CREDENTIALS
    assert await error_code_of(world.log_in(NEW)) is None
    assert acts(world, EventType.EMAIL_CHANGED) == [moved]
    (notice,) = queued_mails(world, MailKind.EMAIL_CHANGED)
    assert (notice.recipient, notice.user_id, notice.change_id) == (ALICE, user.id, change.id)


async def test_confirming_is_idempotent(world: World) -> None:
    user = await world.user(ALICE)
    token = change_link(world, await request_email_change(world, user, NEW), LinkPurpose.EMAIL)
    outcomes = await run_concurrently([partial(world.confirm_email, token=token)] * 40)
    assert outcomes == [user_now(world, user)] * 40
    assert user_now(world, user) == user.with_email(NEW)
    assert acts(world, EventType.EMAIL_CHANGED) == [user_now(world, user)]
    assert len(queued_mails(world, MailKind.EMAIL_CHANGED)) == 1


async def test_confirming_again_is_refused_after_another_change(world: World) -> None:
    user = await world.user(ALICE)
    token = change_link(world, await request_email_change(world, user, NEW), LinkPurpose.EMAIL)
    await world.confirm_email(token=token)
    caller = await world.caller(NEW)
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    with refused(ErrorCode.LINK_INVALID):
        await world.confirm_email(token=token)


@pytest.mark.parametrize(
    ("seconds", "code"), [(-1, None), (0, ErrorCode.LINK_EXPIRED), (86_400, ErrorCode.LINK_EXPIRED)]
)
async def test_a_link_works_for_half_an_hour(world: World, seconds: int, code: ErrorCode | None) -> None:
    user = await world.user(ALICE)
    token = change_link(world, await request_email_change(world, user, NEW), LinkPurpose.EMAIL)
    world.clock.advance(minutes=30, seconds=seconds)
    assert await error_code_of(world.confirm_email(token=token)) is code


async def test_a_resent_link_does_not_extend_the_change(world: World) -> None:
    change = await request_email_change(world, await world.user(ALICE), NEW)
    world.clock.advance(minutes=30)
    with refused(ErrorCode.LINK_INVALID):
        await world.confirm_email(token=change_link(world, change, LinkPurpose.EMAIL))


async def test_only_the_newest_of_several_changes_can_be_confirmed(world: World) -> None:
    user = await world.user(ALICE)
    changes = [await request_email_change(world, user, f"alice{number}@example.net") for number in range(3)]
    tokens = [change_link(world, change, LinkPurpose.EMAIL) for change in changes]
    for token in tokens[:2]:
        with refused(ErrorCode.LINK_INVALID):
            await world.confirm_email(token=token)
    assert (await world.confirm_email(token=tokens[2])).email == "alice2@example.net"
    for token in tokens[:2]:
        with refused(ErrorCode.LINK_INVALID):
            await world.confirm_email(token=token)


async def _change(world: World, user: User) -> None:
    caller = await world.caller(user.email)
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)


async def _reset(world: World, user: User) -> None:
    token = link(world, user, LinkPurpose.RESET)
    await world.reset_password(token=token, new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD)


async def _disable(world: World, user: User) -> None:
    async with world.begin() as work:
        await work.users.set_disabled(user.id, True, now=world.clock())


async def _remove(world: World, user: User) -> None:
    async with world.begin() as work:
        await work.users.remove(user.id, now=world.clock())


async def _remove_and_return(world: World, user: User) -> None:
    await _remove(world, user)
    await world.user(user.email)


@pytest.mark.parametrize("first", [_change, _reset, _disable, _remove, _remove_and_return])
async def test_a_link_of_a_changed_disabled_or_deleted_user_is_void(
    world: World, first: Callable[[World, User], Awaitable[None]]
) -> None:
    user = await world.user(ALICE)
    token = change_link(world, await request_email_change(world, user, NEW), LinkPurpose.EMAIL)
    await first(world, user)
    before = world.store.rows.copy()
    with refused(ErrorCode.LINK_INVALID):
        await world.confirm_email(token=token)
    assert world.store.rows == before


async def test_a_confirmed_link_does_not_show_a_user_disabled_since(world: World) -> None:
    user = await world.user(ALICE)
    token = change_link(world, await request_email_change(world, user, NEW), LinkPurpose.EMAIL)
    await world.confirm_email(token=token)
    await _disable(world, user)
    with refused(ErrorCode.LINK_INVALID):
        await world.confirm_email(token=token)


async def test_every_link_to_the_old_address_is_void(world: World) -> None:
    user = await world.user(ALICE)
    tokens = [link(world, user, purpose) for purpose in (LinkPurpose.VERIFY, LinkPurpose.RESET)]
    await world.confirm_email(
        token=change_link(world, await request_email_change(world, user, NEW), LinkPurpose.EMAIL)
    )
    with refused(ErrorCode.LINK_INVALID):
        await world.verify(token=tokens[0])
    with refused(ErrorCode.LINK_INVALID):
        await world.reset_password(token=tokens[1], new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD)
    assert await error_code_of(world.log_in(NEW)) is None


# -- other people -----------------------------------------------------------------------------------------


async def test_unverified_users_of_the_new_address_lose_their_sessions(world: World) -> None:
    squatter = await claim(world, NEW, OTHER_PASSWORD)
    planted = await world.log_in(NEW, OTHER_PASSWORD)
    pending = link(world, squatter, LinkPurpose.VERIFY)
    user = await world.user(ALICE)

    await world.confirm_email(
        token=change_link(world, await request_email_change(world, user, NEW), LinkPurpose.EMAIL)
    )

    assert squatter.id not in world.store.rows.users
    assert await token_errors(world, planted) == REVOKED
    assert session_of(world, planted).end_reason is EndReason.SUPERSEDED
    assert await error_code_of(world.log_in(NEW, OTHER_PASSWORD)) is ErrorCode.INVALID_CREDENTIALS
    with refused(ErrorCode.LINK_INVALID):
        await world.verify(token=pending)


async def test_an_address_verified_by_another_user_is_not_taken_over(world: World) -> None:
    user = await world.user(ALICE)
    token = change_link(world, await request_email_change(world, user, NEW), LinkPurpose.EMAIL)
    holder = await claim(world, NEW, OTHER_PASSWORD)
    await world.verify(token=link(world, holder, LinkPurpose.VERIFY))
    before = world.store.rows.copy()
    with refused(ErrorCode.LINK_INVALID):
        await world.confirm_email(token=token)
    assert world.store.rows == before


async def test_unverified_user_with_pending_change_is_removed_at_verification(world: World) -> None:
    """A change that an unverified user has requested does not survive the verification by another user."""
    for prove in (LinkPurpose.VERIFY, LinkPurpose.RESET):
        planted = await claim(world, BOB, PASSWORD)
        change = await request_email_change(world, planted, f"eve.{prove}@example.net")
        token = change_link(world, change, LinkPurpose.EMAIL)
        if prove is LinkPurpose.VERIFY:
            await world.verify(token=link(world, planted, prove))
        else:
            await _reset(world, planted)
        with refused(ErrorCode.LINK_INVALID):
            await world.confirm_email(token=token)
        assert user_now(world, planted).email == BOB
        await _remove(world, planted)


async def test_the_change_of_a_removed_unverified_user_is_void(world: World) -> None:
    squatter = await claim(world, BOB, PASSWORD)
    token = change_link(world, await request_email_change(world, squatter, NEW), LinkPurpose.EMAIL)
    owner = await claim(world, BOB, OTHER_PASSWORD)
    await world.verify(token=link(world, owner, LinkPurpose.VERIFY))
    with refused(ErrorCode.LINK_INVALID):
        await world.confirm_email(token=token)
    await purge(world)
    assert world.store.rows.email_changes == {}


async def test_verifying_again_does_not_affect_a_change(world: World) -> None:
    user = await claim(world, ALICE, PASSWORD)
    verified = link(world, user, LinkPurpose.VERIFY)
    await world.verify(token=verified)
    token = change_link(world, await request_email_change(world, user, NEW), LinkPurpose.EMAIL)
    await world.verify(token=verified)
    assert (await world.confirm_email(token=token)).email == NEW


async def test_a_username_taken_meanwhile_is_dropped(world: World) -> None:
    late = await claim(world, ALICE, PASSWORD, username="queen")
    token = change_link(world, await request_email_change(world, late, NEW), LinkPurpose.EMAIL)
    await world.user(BOB, username="Queen")
    assert (await world.confirm_email(token=token)).username is None


# -- two who swap -----------------------------------------------------------------------------------------


async def swapping(world: World, *, roles: tuple[Role, Role] = (Role.MEMBER, Role.MEMBER)) -> list[tuple[User, str]]:
    """Two users on their way to each other's address, and their links."""
    people = [await world.user(email, role=role) for email, role in zip((ALICE, BOB), roles, strict=True)]
    changes = [await request_email_change(world, user, new) for user, new in zip(people, (BOB, ALICE), strict=True)]
    return [
        (user, change_link(world, change, LinkPurpose.EMAIL)) for user, change in zip(people, changes, strict=True)
    ]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_two_users_swap_their_addresses_in_either_order(world: World, order: tuple[int, int]) -> None:
    people = await swapping(world)
    for place in order:
        await world.confirm_email(token=people[place][1])
    assert [(user_now(world, user).email, user_now(world, user).verified) for user, _ in people] == [
        (BOB, True),
        (ALICE, True),
    ]
    assert acts(world, EventType.EMAIL_LOST) == [user_now(world, people[order[1]][0])]
    for _, token in people:
        assert (await world.confirm_email(token=token)).verified
    assert len(acts(world, EventType.EMAIL_CHANGED)) == 2


async def test_two_users_swap_their_addresses_concurrently(world: World) -> None:
    people = await swapping(world)
    outcomes = await run_concurrently([partial(world.confirm_email, token=token) for _, token in people])
    assert all(isinstance(outcome, User) for outcome in outcomes)
    assert [user_now(world, user).email for user, _ in people] == [BOB, ALICE]


async def test_a_displaced_user_is_unverified_until_their_own_link_is_used(world: World) -> None:
    (_, alices_link), (bob, bobs_link) = await swapping(world)
    pair = await world.log_in(BOB)
    stale = [link(world, bob, purpose) for purpose in (LinkPurpose.VERIFY, LinkPurpose.RESET)]
    assert await world.deliver_mail(limit=100)

    await world.confirm_email(token=alices_link)

    displaced = user_now(world, bob)
    assert displaced == bob.evicted_from_email(ALICE)
    assert await error_code_of(world.authenticate(pair.access_token)) is ErrorCode.TOKEN_REVOKED
    renewed = await world.refresh(refresh_token=pair.refresh_token)
    assert (await world.authenticate(renewed.access_token)).verified is False
    # Links that went to the lost mailbox prove nothing about the other.
    with refused(ErrorCode.LINK_INVALID):
        await world.verify(token=stale[0])
    with refused(ErrorCode.LINK_INVALID):
        await world.reset_password(token=stale[1], new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD)
    proven = await world.confirm_email(token=bobs_link)
    assert proven == displaced.with_email(ALICE)
    # Nobody tells the new reader of the lost mailbox, and nothing leads back to it.
    assert [mail.recipient for mail in queued_mails(world, MailKind.EMAIL_CHANGED)] == [ALICE]
    assert {
        change.closed_at is None for change in world.store.rows.email_changes.values() if change.user_id == bob.id
    } == {False}


async def test_a_displaced_user_cannot_regain_the_address_even_if_it_is_free(world: World) -> None:
    alice, bob = await world.user(ALICE), await world.user(BOB)
    notices = [
        change_link(world, await request_email_change(world, bob, to), LinkPurpose.RESTORE) for to in (NEW, ALICE)
    ]
    await world.confirm_email(
        token=change_link(world, await request_email_change(world, alice, BOB), LinkPurpose.EMAIL)
    )
    world.clock.advance(seconds=1)
    await world.confirm_email(
        token=change_link(world, await request_email_change(world, alice, NEW), LinkPurpose.EMAIL)
    )
    for notice in notices:
        with refused(ErrorCode.LINK_INVALID):
            await world.restore_email(token=notice)
    assert user_now(world, bob).email == ALICE


async def test_a_displaced_user_can_verify_by_a_verification_link(world: World) -> None:
    (_, alices_link), (bob, bobs_link) = await swapping(world)
    await world.confirm_email(token=alices_link)
    await world.request_verification(email=ALICE)
    user = await world.verify(token=await world.mailed_token(ALICE))
    assert (user.id, user.verified) == (bob.id, True)
    with refused(ErrorCode.LINK_INVALID):
        await world.confirm_email(token=bobs_link)


async def test_evicted_user_who_registered_keeps_the_role_at_verification(world: World) -> None:
    alice = await world.user(ALICE)
    bob = await world.verify(token=link(world, await claim(world, BOB, PASSWORD), LinkPurpose.VERIFY))
    await world.grant_role(email=BOB, role=Role.MODERATOR)
    await request_email_change(world, bob, ALICE)
    await world.confirm_email(
        token=change_link(world, await request_email_change(world, alice, BOB), LinkPurpose.EMAIL)
    )
    assert not user_now(world, bob).verified
    await world.request_verification(email=ALICE)
    user = await world.verify(token=await world.mailed_token(ALICE))
    assert (user.id, user.verified, user.role) == (bob.id, True, Role.MODERATOR)


async def test_a_displaced_user_survives_another_verification_of_the_address(world: World) -> None:
    (alice, alices_link), (bob, bobs_link) = await swapping(world)
    pair = await world.log_in(BOB)
    await world.confirm_email(token=alices_link)
    (notice,) = queued_mails(world, MailKind.EMAIL_CHANGED)
    back = world.store.rows.email_changes[notice.change_id or alice.id]
    await world.restore_email(token=change_link(world, back, LinkPurpose.RESTORE))
    assert user_now(world, alice).email == ALICE
    assert user_now(world, bob) == bob.evicted_from_email(ALICE)
    with refused(ErrorCode.LINK_INVALID):
        await world.confirm_email(token=bobs_link)
    renewed = await world.refresh(refresh_token=pair.refresh_token)
    caller = await world.authenticate(renewed.access_token)
    await world.change_email(caller, new_email=BOB, password=PASSWORD)
    home = await world.confirm_email(token=await world.mailed_token(BOB))
    assert (home.id, home.email, home.verified) == (bob.id, BOB, True)


async def _elsewhere(world: World, bob: User) -> None:
    await request_email_change(world, bob, NEW)


async def _too_late(world: World, bob: User) -> None:
    await request_email_change(world, bob, ALICE)
    world.clock.advance(minutes=30)


async def _reconsidered(world: World, bob: User) -> None:
    await request_email_change(world, bob, ALICE)
    await request_email_change(world, bob, NEW)


async def _password_changed(world: World, bob: User) -> None:
    await request_email_change(world, bob, ALICE)
    await _change(world, bob)


async def _banned(world: World, bob: User) -> None:
    await request_email_change(world, bob, ALICE)
    await _disable(world, bob)


async def _stays(world: World, bob: User) -> None:
    pass


@pytest.mark.parametrize("first", [_elsewhere, _too_late, _reconsidered, _password_changed, _banned, _stays])
async def test_an_owner_without_a_pending_change_keeps_the_address(
    world: World, first: Callable[[World, User], Awaitable[None]]
) -> None:
    alice, bob = await world.user(ALICE), await world.user(BOB)
    await first(world, bob)
    token = change_link(world, await request_email_change(world, alice, BOB), LinkPurpose.EMAIL)
    before = world.store.rows.copy()
    with refused(ErrorCode.LINK_INVALID):
        await world.confirm_email(token=token)
    assert world.store.rows == before


async def test_swapping_requires_a_verified_address(world: World) -> None:
    squatter, bob = await claim(world, ALICE, PASSWORD), await world.user(BOB)
    await request_email_change(world, bob, ALICE)
    token = change_link(world, await request_email_change(world, squatter, BOB), LinkPurpose.EMAIL)
    with refused(ErrorCode.LINK_INVALID):
        await world.confirm_email(token=token)


async def test_an_address_is_free_after_its_owner_changed_it(world: World) -> None:
    alice, bob = await world.user(ALICE), await world.user(BOB)
    leaving = change_link(world, await request_email_change(world, bob, NEW), LinkPurpose.EMAIL)
    token = change_link(world, await request_email_change(world, alice, BOB), LinkPurpose.EMAIL)
    with refused(ErrorCode.LINK_INVALID):
        await world.confirm_email(token=token)
    await world.confirm_email(token=leaving)
    assert (await world.confirm_email(token=token)).email == BOB


async def test_the_last_admin_is_not_displaced(world: World) -> None:
    (member, members_link), (_, admins_link) = await swapping(world, roles=(Role.MEMBER, Role.ADMIN))
    before = world.store.rows.copy()
    with refused(ErrorCode.LAST_ADMIN):
        await world.confirm_email(token=members_link)
    assert world.store.rows == before
    assert (await world.confirm_email(token=admins_link)).email == ALICE
    assert user_now(world, member).verified is False
    assert (await world.confirm_email(token=members_link)).email == BOB


async def test_an_admin_is_displaced_if_another_remains(world: World) -> None:
    await world.user("root@example.org", role=Role.ADMIN)
    people = await swapping(world, roles=(Role.MEMBER, Role.ADMIN))
    for _, token in people:
        await world.confirm_email(token=token)
    assert [user_now(world, user).email for user, _ in people] == [BOB, ALICE]


# -- the mail ---------------------------------------------------------------------------------------------


async def test_a_mail_with_a_void_link_is_not_sent(world: World) -> None:
    alice, bob = await world.user(ALICE), await world.user(BOB)
    await request_email_change(world, alice, "first@example.net")
    await request_email_change(world, alice, NEW)
    await request_email_change(world, bob, "late@example.net")
    await _change(world, bob)
    await request_email_change(world, await world.user("gone@example.org"), "gone@example.net")
    async with world.begin() as work:
        gone = await work.users.by_email("gone@example.org")
        assert gone is not None
        await work.users.remove(gone.id, now=world.clock())
    await world.deliver_mail(limit=100)
    outcomes = {mail.recipient: mail.outcome for mail in queued_mails(world, MailKind.CONFIRM_EMAIL)}
    assert outcomes == {
        NEW: DeliveryOutcome.SENT,
        "first@example.net": DeliveryOutcome.DROPPED,
        "late@example.net": DeliveryOutcome.DROPPED,
        "gone@example.net": DeliveryOutcome.DROPPED,
    }
    notices = {mail.recipient: mail.outcome for mail in queued_mails(world, MailKind.EMAIL_CHANGE_ASKED)}
    assert notices == {
        ALICE: DeliveryOutcome.SENT,
        BOB: DeliveryOutcome.SENT,
        "gone@example.org": DeliveryOutcome.DROPPED,
    }


async def test_an_expired_link_is_not_sent(world: World) -> None:
    await request_email_change(world, await world.user(ALICE), NEW)
    world.clock.advance(minutes=30)
    await world.deliver_mail(limit=100)
    (link_mail,), (notice,) = (
        queued_mails(world, MailKind.CONFIRM_EMAIL),
        queued_mails(world, MailKind.EMAIL_CHANGE_ASKED),
    )
    assert (link_mail.outcome, notice.outcome) == (DeliveryOutcome.DROPPED, DeliveryOutcome.SENT)


async def test_a_repeated_send_contains_the_same_link(world: World) -> None:
    alice = await world.user(ALICE)
    change = await request_email_change(world, alice, NEW)
    tokens = [await world.mailed_token(email) for email in (NEW, ALICE)]
    world.clock.advance(minutes=5)
    for mail in [*queued_mails(world, MailKind.CONFIRM_EMAIL), *queued_mails(world, MailKind.EMAIL_CHANGE_ASKED)]:
        async with world.begin() as work:
            await work.outbox.add(mail)
    assert [await world.mailed_token(email) for email in (NEW, ALICE)] == tokens
    signed = [
        world.links.verify(token, purpose)
        for token, purpose in zip(tokens, (LinkPurpose.EMAIL, LinkPurpose.RESTORE), strict=True)
    ]
    assert [(one.subject, one.version, one.issued_at) for one in signed] == [(change.id, 0, change.asked_at)] * 2
