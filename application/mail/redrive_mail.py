"""For operators: queue a parked mail again."""

from dataclasses import dataclass
from uuid import UUID

from application.ports import Clock
from application.repositories import UnitOfWorkFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveMail:
    """The link keeps its expiry. If it has expired, the mail is dropped."""

    begin: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, *, mail_id: UUID) -> bool:
        """Return False if no parked mail has that id."""
        async with self.begin() as work:
            return await work.outbox.redrive(mail_id, now=self.clock())
