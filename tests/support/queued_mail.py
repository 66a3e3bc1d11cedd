"""Queued mails and their outcomes."""

from uuid import UUID

from adapters.uuid7 import uuid7
from domain.outbox import DeliveryOutcome, MailKind, OutboxMail
from domain.user import User
from tests.support.world import World

ALICE = "alice@example.org"


async def queue_mail(world: World, kind: MailKind, recipient: str = ALICE, user_id: UUID | None = None) -> OutboxMail:
    mail = OutboxMail.queued(kind, recipient, id=uuid7(), now=world.clock(), user_id=user_id)
    async with world.begin() as work:
        await work.outbox.add(mail)
    return mail


async def claim(world: World, email: str = ALICE) -> User:
    """Registered and not verified; the mail that registering owes is delivered and forgotten."""
    await world.register(email=email, password="a perfectly fine passphrase")
    await world.deliver_mail()
    world.mailer.letters.clear()
    async with world.begin() as work:
        user = await work.users.by_email(email)
    assert user is not None
    return user


def stored_mail(world: World, mail: OutboxMail) -> OutboxMail:
    return world.store.rows.mails[mail.id]


async def mail_status(world: World, mail: OutboxMail) -> tuple[DeliveryOutcome | None, str]:
    assert await world.deliver_mail(only=mail.id) == 1
    return stored_mail(world, mail).outcome, stored_mail(world, mail).note
