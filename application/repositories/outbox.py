"""The outbox."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain.outbox import DeliveryOutcome, OutboxMail
from domain.user import User


class Outbox(Protocol):
    async def add(self, mail: OutboxMail) -> None:
        """Queue a mail. It is due at once, even if the clock of this process is ahead of the database's. Workers are
        notified after the commit, and find the mail even if the notification is lost."""
        ...

    async def lease(
        self, *, hold: timedelta, limit: int, only: UUID | None = None, now: datetime | None = None
    ) -> Sequence[OutboxMail]:
        """Lease the due mails with the earliest turns (`OutboxMail.turn_at`), so that no other worker gets them for
        the time `hold`. Skips locked rows. The clock of the database decides what is due, because clocks of processes
        differ; tests may give `now`. The language of a mail to a user is the one that the user has chosen, if any."""
        ...

    async def record_outcome(
        self, mail: OutboxMail, outcome: DeliveryOutcome, *, now: datetime, note: str = ""
    ) -> None:
        """Record the outcome, unless another worker has leased the mail since."""
        ...

    async def postpone(self, mail: OutboxMail, *, wait: timedelta, note: str, now: datetime | None = None) -> None:
        """Make a leased mail due after `wait`, unless another worker has leased it since."""
        ...

    async def page(self, user: User, *, limit: int, after: UUID | None) -> Sequence[OutboxMail]:
        """Mails with the user's id, newest first. For a verified user also mails to the address that name no user
        and are not older than the user. `after` is the id of the last mail of the page before."""
        ...

    async def parked(self, *, limit: int) -> Sequence[OutboxMail]:
        """The oldest parked mails, oldest first."""
        ...

    async def redrive(self, mail_id: UUID, *, now: datetime) -> bool:
        """Make a parked mail due at once, with no attempts. Return False if no parked mail has that id."""
        ...
