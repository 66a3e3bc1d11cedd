"""When the mail after "This was not me" has a reset link, and when the link has to wait."""

import pytest

from domain.email_change import EmailChange
from domain.factor import ChangeKind
from domain.outbox import EmailLink, LinkPurpose
from domain.refusals import ErrorCode
from domain.user import User
from tests.support.use_cases import ALICE, BOB, change_link, refused, request_email_change, reset_by_mail
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

THIEF = "thief@example.net"
FENCE = "fence@example.net"


async def moved(world: World, user: User, new_email: str) -> EmailChange:
    world.clock.advance(minutes=1)
    change = await request_email_change(world, user, new_email)
    await world.confirm_email(token=change_link(world, change, LinkPurpose.EMAIL))
    return world.store.rows.email_changes[change.id]


async def password_changed(world: World, email: str) -> str:
    """Change it twice, so that it stays. Return the undo link of the first change."""
    world.clock.advance(minutes=1)
    caller = await world.caller(email)
    pair = await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    caller = await world.authenticate(pair.access_token)
    await world.change_password(caller, current_password=OTHER_PASSWORD, new_password=PASSWORD)
    points = [one for one in world.store.rows.undo_points.values() if one.kind is ChangeKind.PASSWORD_CHANGED]
    return world.links.sign(
        EmailLink(purpose=LinkPurpose.RESTORE, subject=points[-2].id, version=0, issued_at=world.clock())
    )


async def newest_text(world: World, email: str) -> str:
    await world.deliver_mail(limit=100)
    return [letter.text for letter in world.mailer.letters if letter.recipient == email][-1]


async def test_undo_from_before_a_move_away_and_back_does_not_wait(world: World) -> None:
    user = await world.user(ALICE)
    undo = await password_changed(world, ALICE)
    away, back = await moved(world, user, THIEF), await moved(world, user, ALICE)
    await world.follow_email_link(token=undo)
    await reset_by_mail(world, ALICE, OTHER_PASSWORD)
    for change in (away, back):
        with refused(ErrorCode.LINK_INVALID):
            await world.follow_email_link(token=change_link(world, change, LinkPurpose.RESTORE))


async def test_undo_of_the_newest_move_overrides_all_other_mailboxes(world: World) -> None:
    user = await world.user(ALICE)
    away, back = await moved(world, user, THIEF), await moved(world, user, ALICE)
    newest = await moved(world, user, FENCE)
    await world.follow_email_link(token=change_link(world, newest, LinkPurpose.RESTORE))
    text = await newest_text(world, ALICE)
    assert "Choose a new password:" in text
    assert "The e-mail address of your account was changed to another one on 1 March 2026 at 12:01 UTC." in text
    await reset_by_mail(world, ALICE, OTHER_PASSWORD)
    with refused(ErrorCode.LINK_INVALID):
        await world.follow_email_link(token=change_link(world, back, LinkPurpose.RESTORE))
    assert (await world.follow_email_link(token=change_link(world, away, LinkPurpose.RESTORE))).email == ALICE


async def test_undo_by_a_newer_mailbox_waits_and_closes_nothing(world: World) -> None:
    """Otherwise a thief moves the account twice and undoes the second move, and the owner cannot undo the first."""
    user = await world.user(ALICE)
    own = await moved(world, user, BOB)
    newest = await moved(world, user, THIEF)
    await world.follow_email_link(token=change_link(world, newest, LinkPurpose.RESTORE))
    text = await newest_text(world, BOB)
    assert "You have your account back" in text
    assert "Until 8 March 2026 at 12:01 UTC" in text
    assert "Until then the account has no password." in text
    assert "still works" not in text
    assert "token=" not in text
    await world.request_reset(email=BOB)
    text = await newest_text(world, BOB)
    assert "Someone asked for a new password" in text
    assert "Until then the account has no password." in text
    assert "still works" not in text
    assert (await world.follow_email_link(token=change_link(world, own, LinkPurpose.RESTORE))).email == ALICE
    await reset_by_mail(world, ALICE, OTHER_PASSWORD)
