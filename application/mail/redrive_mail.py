"""For operators: send a mail again that was given up."""

from dataclasses import dataclass
from uuid import UUID

from application.ports import Clock
from application.repositories import Begin


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveMail:
    """Try a parked mail again. A link is not made younger by that: once it has expired the mail is dropped."""

    begin: Begin
    clock: Clock

    async def __call__(self, *, mail_id: UUID) -> bool:
        """False where no parked mail has that id."""
        async with self.begin() as work:
            return await work.mails.redrive(mail_id, now=self.clock())
