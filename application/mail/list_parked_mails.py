"""For operators: list parked mails."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.repositories import UnitOfWorkFactory
from domain.outbox import OutboxMail


@dataclass(frozen=True, slots=True, kw_only=True)
class ListParkedMails:
    begin: UnitOfWorkFactory

    async def __call__(self, *, limit: int = 100) -> Sequence[OutboxMail]:
        async with self.begin() as work:
            return await work.outbox.parked(limit=limit)
