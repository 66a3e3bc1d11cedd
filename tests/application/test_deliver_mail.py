"""Mail delivery: which link a mail contains, and when a mail is dropped."""

from uuid import UUID

import pytest

from domain.outbox import DeliveryOutcome, LinkPurpose, MailKind
from tests.support.queued_mail import ALICE, claim, mail_status, queue_mail
from tests.support.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])]


async def token_of(world: World, purpose: LinkPurpose) -> tuple[UUID, int]:
    text = world.mailer.letters[-1].text
    link = world.links.verify(text.split("token=")[1].split()[0], purpose)
    assert link.issued_at == world.mailer.letters[-1].written_at
    return link.subject, link.version


# -- whom a link is for -----------------------------------------------------------------------------------


async def test_an_unverified_user_gets_their_own_link(world: World) -> None:
    first, second = await claim(world), await claim(world)
    for user in (first, second):
        assert await mail_status(world, await queue_mail(world, MailKind.VERIFY, user_id=user.id)) == (
            DeliveryOutcome.SENT,
            "",
        )
        assert await token_of(world, LinkPurpose.VERIFY) == (user.id, user.credential_version)


async def test_a_resent_link_verifies_the_only_unverified_user(world: World) -> None:
    only = await claim(world)
    assert await mail_status(world, await queue_mail(world, MailKind.VERIFY)) == (DeliveryOutcome.SENT, "")
    assert await token_of(world, LinkPurpose.VERIFY) == (only.id, only.credential_version)


async def test_resent_link_of_a_shared_address_asks_for_a_password(world: World) -> None:
    await claim(world)
    newest = await claim(world)
    assert await mail_status(world, await queue_mail(world, MailKind.VERIFY)) == (DeliveryOutcome.SENT, "")
    assert await token_of(world, LinkPurpose.RESET) == (newest.id, newest.credential_version)


async def test_no_verification_link_is_sent_if_a_user_of_the_address_is_verified(world: World) -> None:
    loser, winner = await claim(world), await claim(world)
    async with world.begin() as work:
        await work.users.verify_email(winner.id, credential_version=1, now=world.clock())
        await work.users.add(loser)
    for user_id in (winner.id, loser.id, None, UUID(int=1)):
        mail = await queue_mail(world, MailKind.VERIFY, user_id=user_id)
        assert await mail_status(world, mail) == (DeliveryOutcome.DROPPED, "no recipient")
    moved = await queue_mail(world, MailKind.VERIFY, "former@example.org", user_id=winner.id)
    assert await mail_status(world, moved) == (DeliveryOutcome.DROPPED, "no recipient")
    assert world.mailer.letters == []


async def test_a_reset_link_is_for_the_owner_of_the_address(world: World) -> None:
    await claim(world)
    alice = await world.user()
    assert await mail_status(world, await queue_mail(world, MailKind.RESET)) == (DeliveryOutcome.SENT, "")
    assert await token_of(world, LinkPurpose.RESET) == (alice.id, alice.credential_version)


async def test_an_unknown_or_disabled_user_gets_no_reset(world: World) -> None:
    alice = await world.user()
    async with world.begin() as work:
        await work.users.set_disabled(alice.id, True, now=world.clock())
    for recipient in (ALICE, "nobody@example.org"):
        mail = await queue_mail(world, MailKind.RESET, recipient)
        assert await mail_status(world, mail) == (DeliveryOutcome.DROPPED, "no recipient")
    assert world.mailer.letters == []


@pytest.mark.parametrize("kind", [kind for kind in MailKind if kind.purpose is None])
async def test_a_notice_is_sent_without_a_user(world: World, kind: MailKind) -> None:
    assert await mail_status(world, await queue_mail(world, kind, "gone@example.org")) == (DeliveryOutcome.SENT, "")
    assert world.mailer.letters[-1].recipient == "gone@example.org"


async def test_a_link_is_sent_only_to_the_current_address_of_its_user(world: World) -> None:
    alice = await world.user()
    mail = await queue_mail(world, MailKind.RESET, "ALICE@other.example", user_id=alice.id)
    await world.deliver_mail(only=mail.id)
    assert [letter.recipient for letter in world.mailer.letters] == [ALICE]
