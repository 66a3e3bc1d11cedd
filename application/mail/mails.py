"""What operators do about mails that were given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.ports import Clock
from application.repositories import Begin
from domain.mail import Mail


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedMails:
    begin: Begin

    async def __call__(self, *, limit: int = 100) -> Sequence[Mail]:
        async with self.begin() as work:
            return await work.mails.parked(limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveMail:
    """Try a parked mail again. A link is not made younger by that: once it has expired the mail is dropped."""

    begin: Begin
    clock: Clock

    async def __call__(self, *, mail_id: UUID) -> bool:
        """False where no parked mail has that id."""
        async with self.begin() as work:
            return await work.mails.redrive(mail_id, now=self.clock())
