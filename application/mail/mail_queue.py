"""The outbox, as use cases write to it."""

from dataclasses import dataclass
from uuid import UUID

from application.ports import Clock, NewId
from application.repositories import UnitOfWork
from domain.mail import MailKind, OutboxMail
from domain.origin import NOWHERE, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class MailQueue:
    clock: Clock
    new_id: NewId

    async def queue(
        self,
        work: UnitOfWork,
        kind: MailKind,
        recipient: str,
        *,
        user_id: UUID | None = None,
        change_id: UUID | None = None,
        origin: Origin = NOWHERE,
    ) -> None:
        """Add a mail to this unit of work; a worker sends it after the commit. See `OutboxMail` for the arguments."""
        mail = OutboxMail.owed(
            kind,
            recipient,
            id=self.new_id(),
            now=self.clock(),
            user_id=user_id,
            change_id=change_id,
            origin=origin,
        )
        await work.mails.add(mail)
