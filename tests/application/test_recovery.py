"""Whatever an attacker with the password does for seven days, the owner of the mailbox recovers the account."""

from dataclasses import replace

import pytest

from domain.email_change import EmailChange
from domain.outbox import EmailLink, LinkPurpose
from domain.refusals import ErrorCode
from domain.role import Role
from domain.user import Provenance, User
from tests.support.factor_theft import FactorTheft
from tests.support.recovery import Theft, run_thefts
from tests.support.use_cases import (
    ALICE,
    change_link,
    claim,
    error_code_of,
    link,
    request_email_change,
    reset_by_mail,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio


def test_owner_of_the_mailbox_recovers_from_a_thief() -> None:
    run_thefts(Theft, 150, acts=25)


def test_owner_recovers_their_factors_from_a_thief() -> None:
    run_thefts(FactorTheft, 60, acts=12)


NEW = "new@example.org"


async def moved(world: World, user: User, new_email: str, password: str = PASSWORD) -> EmailChange:
    change = await request_email_change(world, user, new_email, password)
    await world.confirm_email(token=change_link(world, change, LinkPurpose.EMAIL))
    return world.store.rows.email_changes[change.id]


async def letter_to(world: World, email: str) -> str:
    await world.deliver_mail(limit=100)
    return [letter.text for letter in world.mailer.letters if letter.recipient == email][-1]


async def test_the_new_mailbox_gets_no_reset_link_while_the_change_can_be_undone(world: World) -> None:
    """Neither a thief who has changed the address, nor the owner of the mailbox after a trap."""
    user = await world.user(ALICE)
    await moved(world, user, NEW)
    world.clock.advance(days=6)
    await world.request_reset(email=NEW)
    text = await letter_to(world, NEW)
    assert "token=" not in text
    assert "Until 8 March 2026 at 12:00 UTC" in text
    assert await error_code_of(world.log_in(NEW)) is None
    signed = EmailLink(purpose=LinkPurpose.RESET, subject=user.id, version=2, issued_at=world.clock())
    token = world.links.sign(signed)  # as a worker of the previous release would
    again = world.reset_password(token=token, new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD)
    assert await error_code_of(again) is ErrorCode.LINK_INVALID


async def test_the_new_mailbox_gets_reset_links_after_the_undo_period(world: World) -> None:
    user = await world.user(ALICE)
    change = await moved(world, user, NEW)
    restore = change_link(world, change, LinkPurpose.RESTORE)
    world.clock.advance(days=7)
    await world.request_reset(email=NEW)
    await reset_by_mail(world, NEW, OTHER_PASSWORD)
    assert await error_code_of(world.restore_email(token=restore)) is ErrorCode.LINK_EXPIRED


async def test_an_unverified_former_address_does_not_delay_a_reset(world: World) -> None:
    user = await claim(world, ALICE, PASSWORD)
    await moved(world, user, NEW)
    await world.request_reset(email=NEW)
    await reset_by_mail(world, NEW, OTHER_PASSWORD)


@pytest.mark.parametrize("deleted", [False, True], ids=["moved", "deleted"])
async def test_a_reset_for_a_former_address_restores_the_owners_account_only(world: World, deleted: bool) -> None:
    user = await world.user(ALICE)
    if deleted:
        await world.delete_me(await world.caller(), password=PASSWORD)
    else:
        await moved(world, user, NEW)
    world.clock.advance(hours=1)
    stranger = await claim(world, ALICE, OTHER_PASSWORD)
    for ask in (world.request_reset, world.request_verification):
        await claim(world, ALICE, OTHER_PASSWORD)
        await ask(email=ALICE)
        assert "This was not me" in await letter_to(world, ALICE)
    restored = await world.follow_email_link(token=await world.mailed_token(ALICE))
    assert (restored.id, restored.email) == (user.id, ALICE)
    assert stranger.id not in world.store.rows.users
    await reset_by_mail(world, ALICE, OTHER_PASSWORD)


async def test_a_displaced_and_deleted_account_can_be_restored(world: World) -> None:
    """The thief changes the address, lets another account of theirs take that address, and deletes the account."""
    user = await world.user(ALICE)
    change = await moved(world, user, "thief@example.net")
    other = await world.user("fence@example.net")
    await request_email_change(world, user, "fence@example.net")
    await moved(world, other, "thief@example.net")
    driven_out = world.store.rows.users[user.id]
    assert (driven_out.email, driven_out.verified) == ("fence@example.net", False)
    await world.delete_me(await world.caller("fence@example.net"), password=PASSWORD)
    assert user.id not in world.store.rows.users
    restored = await world.restore_email(token=change_link(world, change, LinkPurpose.RESTORE))
    assert (restored.id, restored.email, restored.verified) == (user.id, ALICE, True)


@pytest.mark.parametrize("deleted", [False, True], ids=["moved", "deleted"])
async def test_an_owner_who_verifies_a_planted_registration_can_still_go_back(world: World, deleted: bool) -> None:
    user = await world.user(ALICE)
    if deleted:
        await world.delete_me(await world.caller(), password=PASSWORD)
    else:
        change = await request_email_change(world, user, NEW)
        await world.confirm_email(token=await world.mailed_token(NEW))
        assert world.store.rows.email_changes[change.id].confirmed_at is not None
    restore = await world.mailed_token(ALICE)
    world.clock.advance(minutes=5)
    await world.register(email=ALICE, password=OTHER_PASSWORD)
    planted = await world.verify(token=await world.mailed_token(ALICE))
    await world.log_in(ALICE, OTHER_PASSWORD)
    assert (await world.follow_email_link(token=restore)).id == user.id
    await reset_by_mail(world, ALICE, "what only the owner knows")
    caller = await world.authenticate((await world.log_in(ALICE, "what only the owner knows")).access_token)
    assert caller.user_id == user.id
    assert planted.id not in world.store.rows.users
    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is ErrorCode.INVALID_CREDENTIALS


async def test_a_user_who_has_moved_to_the_address_is_moved_back(world: World) -> None:
    user, other = await world.user(ALICE), await world.user("bob@example.org", role=Role.MODERATOR)
    world.store.rows.users[other.id] = replace(world.store.rows.users[other.id], provenance=Provenance.SELF)
    change = await moved(world, user, NEW)
    await moved(world, other, ALICE)
    await world.restore_email(token=change_link(world, change, LinkPurpose.RESTORE))
    evicted = world.store.rows.users[other.id]
    assert (evicted.email, evicted.verified) == ("bob@example.org", False)
    assert any(change.is_pending_at(evicted) for change in world.store.rows.email_changes.values())
    await world.request_reset(email="bob@example.org")
    await world.follow_email_link(token=await world.mailed_token("bob@example.org"))
    await reset_by_mail(world, "bob@example.org", OTHER_PASSWORD)
    assert world.store.rows.users[other.id].role is Role.MODERATOR


async def test_an_undo_link_of_an_earlier_account_does_not_evict_the_owner(world: World) -> None:
    """The owner verified an account that a thief had registered, and the thief moved that away, too."""
    user = await claim(world, ALICE, PASSWORD)
    await world.verify(token=link(world, user, LinkPurpose.VERIFY))
    world.clock.advance(minutes=1)
    change = await moved(world, user, NEW)
    world.clock.advance(minutes=1)
    planted = await claim(world, ALICE, PASSWORD)
    await world.verify(token=link(world, planted, LinkPurpose.VERIFY))
    world.clock.advance(minutes=1)
    moved_away = await moved(world, planted, "other@example.net")
    world.clock.advance(minutes=1)
    assert (await world.restore_email(token=change_link(world, change, LinkPurpose.RESTORE))).id == user.id
    restore = world.restore_email(token=change_link(world, moved_away, LinkPurpose.RESTORE))
    assert await error_code_of(restore) is ErrorCode.LINK_INVALID
    assert world.store.rows.users[user.id].email == ALICE


async def test_the_last_admin_keeps_an_address_that_was_lost_to_them(world: World) -> None:
    user, admin = await world.user(ALICE), await world.user("bob@example.org", role=Role.ADMIN)
    change = await moved(world, user, NEW)
    await moved(world, admin, ALICE)
    restore = world.restore_email(token=change_link(world, change, LinkPurpose.RESTORE))
    assert await error_code_of(restore) is ErrorCode.LAST_ADMIN
    assert world.store.rows.users[admin.id].email == ALICE
