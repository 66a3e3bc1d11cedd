"""Adds mails to the outbox."""

from dataclasses import dataclass
from uuid import UUID

from application.ports import Clock, NewId
from application.repositories import UnitOfWork
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.outbox import MailKind, OutboxMail


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
        client_info: ClientInfo = UNKNOWN_CLIENT,
    ) -> None:
        """Add a mail to this unit of work; a worker sends it after the commit. See `OutboxMail` for the arguments."""
        mail = OutboxMail.queued(
            kind,
            recipient,
            id=self.new_id(),
            now=self.clock(),
            user_id=user_id,
            change_id=change_id,
            client_info=client_info,
        )
        await work.outbox.add(mail)
