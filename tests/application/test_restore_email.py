"""Undoing a change of address: the owner of the former mailbox gets the account back."""

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from domain.audit import EventType
from domain.email_change import EmailChange
from domain.outbox import DeliveryOutcome, LinkPurpose, MailKind
from domain.refusals import ErrorCode, Refusal
from domain.session import EndReason
from domain.tokens import TokenPair
from domain.user import NO_PASSWORD, User
from tests.support.use_cases import (
    ALICE,
    BOB,
    REVOKED,
    change_link,
    claim,
    error_code_of,
    link,
    queued_mails,
    refused,
    request_email_change,
    run_concurrently,
    session_of,
    token_errors,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

THIEF = "thief@example.net"
FENCE = "fence@example.net"


def user_now(world: World, user: User) -> User:
    return world.store.rows.users[user.id]


def back(world: World, change: EmailChange) -> str:
    return change_link(world, change, LinkPurpose.RESTORE)


async def moved(world: World, user: User, new_email: str) -> EmailChange:
    """A requested and confirmed change."""
    change = await request_email_change(world, user, new_email)
    await world.confirm_email(token=change_link(world, change, LinkPurpose.EMAIL))
    return world.store.rows.email_changes[change.id]


async def links_to(world: World, email: str) -> list[str]:
    """The links in all mails that are delivered to it now."""
    world.mailer.letters.clear()
    await world.deliver_mail(limit=100)
    texts = [letter.text for letter in world.mailer.letters if letter.recipient == email]
    return [word for text in texts for word in text.split() if "token=" in word]


async def before_it_was_confirmed(world: World, user: User) -> EmailChange:
    return await request_email_change(world, user, THIEF)


async def after_it_was_confirmed(world: World, user: User) -> EmailChange:
    return await moved(world, user, THIEF)


async def after_the_password_was_changed_too(world: World, user: User) -> EmailChange:
    change = await moved(world, user, THIEF)
    caller = await world.caller(THIEF)
    await world.change_password(caller, current_password=PASSWORD, new_password="the password of a thief")
    return change


async def after_asking_again_and_again(world: World, user: User) -> EmailChange:
    change = await request_email_change(world, user, FENCE)
    for number in range(3):
        await request_email_change(world, user, f"thief{number}@example.net")
    await moved(world, user, THIEF)
    return change


EARLIER = [
    before_it_was_confirmed,
    after_it_was_confirmed,
    after_the_password_was_changed_too,
    after_asking_again_and_again,
]


@pytest.mark.parametrize("thieving", EARLIER)
async def test_undoing_a_change_returns_the_account_to_its_owner(
    world: World, thieving: Callable[[World, User], Awaitable[EmailChange]]
) -> None:
    user = await world.user(ALICE, username="queen")
    change = await thieving(world, user)
    pairs = [await somebody_inside(world, user) for _ in range(2)]
    loose = [link(world, user, LinkPurpose.RESET), link(world, user, LinkPurpose.VERIFY)]

    restored = await world.restore_email(token=back(world, change))

    assert restored == user_now(world, user)
    assert (restored.email, restored.verified, restored.username) == (ALICE, True, "queen")
    assert restored.password_hash == NO_PASSWORD
    assert [await token_errors(world, pair) for pair in pairs] == [REVOKED, REVOKED]
    assert {session_of(world, pair).end_reason for pair in pairs} == {EndReason.EMAIL_RESTORED}
    for email in (ALICE, THIEF, "queen"):
        for password in (PASSWORD, "the password of a thief", "", NO_PASSWORD):
            assert await error_code_of(world.log_in(email, password)) is ErrorCode.INVALID_CREDENTIALS
    with refused(ErrorCode.LINK_INVALID):
        await world.reset_password(token=loose[0], new_password=PASSWORD, confirm_password=PASSWORD)
    # A used verification link can be used again, without effect.
    assert await error_code_of(world.verify(token=loose[1])) in {None, ErrorCode.LINK_INVALID}
    assert user_now(world, user) == restored
    for known in world.store.rows.email_changes.values():
        for act, purpose in ((world.confirm_email, LinkPurpose.EMAIL), (world.restore_email, LinkPurpose.RESTORE)):
            assert await error_code_of(act(token=change_link(world, known, purpose))) is ErrorCode.LINK_INVALID
    events = [event for event in world.store.rows.events.values() if event.action is EventType.EMAIL_RESTORED]
    assert [(event.user_id, event.actor_id, event.detail) for event in events] == [(user.id, None, "")]

    (mail,) = queued_mails(world, MailKind.EMAIL_RESTORED)
    assert (mail.recipient, mail.user_id) == (ALICE, user.id)
    token = await world.mailed_token(ALICE)
    await world.reset_password(token=token, new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD)
    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is None


async def somebody_inside(world: World, user: User) -> TokenPair:
    """The user logs in with the current password."""
    for password in (PASSWORD, "the password of a thief"):
        try:
            return await world.log_in(user_now(world, user).email, password)
        except Refusal:
            continue
    raise AssertionError("nobody gets in")


async def test_the_links_in_both_notices_undo_the_change(world: World) -> None:
    for kind in (MailKind.EMAIL_CHANGE_ASKED, MailKind.EMAIL_CHANGED):
        user = await world.user(ALICE)
        await request_email_change(world, user, THIEF)
        undo_token = await world.mailed_token(ALICE)
        world.clock.advance(minutes=1)
        await world.confirm_email(token=await world.mailed_token(THIEF))
        changed = await world.mailed_token(ALICE)
        assert undo_token != changed
        token = undo_token if kind is MailKind.EMAIL_CHANGE_ASKED else changed
        assert (await world.restore_email(token=token)).email == ALICE
        for dead in (undo_token, changed):
            with refused(ErrorCode.LINK_INVALID):
                await world.restore_email(token=dead)
        async with world.begin() as work:
            await work.users.remove(user.id, now=world.clock())


async def test_of_forty_concurrent_undos_one_succeeds(world: World) -> None:
    user = await world.user(ALICE)
    token = back(world, await moved(world, user, THIEF))
    outcomes = await run_concurrently([partial(world.restore_email, token=token)] * 40)
    assert [outcome for outcome in outcomes if isinstance(outcome, User)] == [user_now(world, user)]
    assert len(queued_mails(world, MailKind.EMAIL_RESTORED)) == 1


async def test_a_thief_cannot_undo_a_further_change_to_regain_the_account(world: World) -> None:
    user = await world.user(ALICE)
    first = await moved(world, user, THIEF)
    world.clock.advance(seconds=5)
    second = await moved(world, user, FENCE)
    await world.restore_email(token=back(world, first))
    with refused(ErrorCode.LINK_INVALID):
        await world.restore_email(token=back(world, second))
    assert user_now(world, user).email == ALICE


async def test_a_thief_who_undoes_first_does_not_lock_the_owner_out(world: World) -> None:
    user = await world.user(ALICE)
    first = await moved(world, user, THIEF)
    world.clock.advance(seconds=5)
    second = await moved(world, user, FENCE)
    assert (await world.restore_email(token=back(world, second))).email == THIEF
    await world.request_reset(email=THIEF)
    assert await links_to(world, THIEF) == []
    assert (await world.restore_email(token=back(world, first))).email == ALICE
    assert await links_to(world, ALICE) != []


async def test_pending_mails_to_the_thief_are_not_sent(world: World) -> None:
    user = await world.user(ALICE)
    first = await moved(world, user, THIEF)
    await moved(world, user, FENCE)
    await request_email_change(world, user, "another@example.net")
    await world.restore_email(token=back(world, first))
    await world.deliver_mail(limit=100)
    sent = {
        (mail.kind, mail.recipient)
        for mail in world.store.rows.mails.values()
        if mail.outcome is DeliveryOutcome.SENT
    }
    assert sent == {(MailKind.EMAIL_RESTORED, ALICE)}


async def test_an_address_verified_by_another_user_meanwhile_is_not_restored(world: World) -> None:
    user = await world.user(ALICE)
    change = await moved(world, user, THIEF)
    await world.user(ALICE)
    before = world.store.rows.copy()
    with refused(ErrorCode.LINK_INVALID):
        await world.restore_email(token=back(world, change))
    assert world.store.rows == before


async def test_unverified_users_registered_meanwhile_are_removed(world: World) -> None:
    user = await world.user(ALICE)
    change = await moved(world, user, THIEF)
    squatter = await claim(world, ALICE, OTHER_PASSWORD)
    planted = await world.log_in(ALICE, OTHER_PASSWORD)
    await world.restore_email(token=back(world, change))
    assert squatter.id not in world.store.rows.users
    assert await token_errors(world, planted) == REVOKED
    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is ErrorCode.INVALID_CREDENTIALS


@pytest.mark.parametrize(
    ("seconds", "code"), [(-1, None), (0, ErrorCode.LINK_EXPIRED), (86_400, ErrorCode.LINK_EXPIRED)]
)
async def test_a_link_works_for_seven_days(world: World, seconds: int, code: ErrorCode | None) -> None:
    token = back(world, await moved(world, await world.user(ALICE), THIEF))
    world.clock.advance(days=7, seconds=seconds)
    assert await error_code_of(world.restore_email(token=token)) is code


async def test_a_link_of_a_disabled_user_is_void_until_they_are_enabled(world: World) -> None:
    user = await world.user(ALICE)
    change = await moved(world, user, THIEF)
    for disabled, code in ((True, ErrorCode.LINK_INVALID), (False, None)):
        async with world.begin() as work:
            await work.users.set_disabled(user.id, disabled, now=world.clock())
        assert await error_code_of(world.restore_email(token=back(world, change))) is code


async def test_a_link_of_a_deleted_user_is_void_for_later_users(world: World) -> None:
    user = await world.user(ALICE)
    change = await moved(world, user, THIEF)
    async with world.begin() as work:
        await work.users.remove(user.id, now=world.clock())
    successors = [await world.user(email) for email in (ALICE, THIEF)]
    with refused(ErrorCode.LINK_INVALID):
        await world.restore_email(token=back(world, change))
    assert [user_now(world, one) for one in successors] == successors


async def test_a_link_of_one_user_is_void_for_another(world: World) -> None:
    change = await moved(world, await world.user(ALICE), THIEF)
    bob = await world.user(BOB)
    await moved(world, bob, "bob@example.net")
    await world.restore_email(token=back(world, change))
    assert user_now(world, bob).email == "bob@example.net"
    assert {
        known.closed_at is None for known in world.store.rows.email_changes.values() if known.user_id == bob.id
    } == {True}


async def test_a_login_of_a_user_without_a_password_costs_the_same(world: World) -> None:
    change = await request_email_change(world, await world.user(ALICE), THIEF)
    await world.restore_email(token=back(world, change))
    for password in ("", NO_PASSWORD, PASSWORD):
        calls = world.hasher.calls
        assert await error_code_of(world.log_in(ALICE, password)) is ErrorCode.INVALID_CREDENTIALS
        assert world.hasher.calls == calls + 1


async def test_an_undo_link_to_an_older_address_stays_valid(world: World) -> None:
    user = await world.user(ALICE)
    own = await moved(world, user, BOB)
    thiefs_change = await request_email_change(world, user, THIEF)
    await world.restore_email(token=back(world, thiefs_change))
    assert (await world.restore_email(token=back(world, own))).email == ALICE


async def test_a_restored_account_can_change_its_address_again(world: World) -> None:
    user = await world.user(ALICE)
    await world.restore_email(token=back(world, await moved(world, user, THIEF)))
    token = await world.mailed_token(ALICE)
    await world.reset_password(token=token, new_password=PASSWORD, confirm_password=PASSWORD)
    change = await moved(world, user, BOB)
    assert user_now(world, user).email == BOB
    assert (await world.restore_email(token=back(world, change))).email == ALICE
