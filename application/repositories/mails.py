"""Mails that are owed, and what has become of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain.mail import DeliveryOutcome, OutboxMail
from domain.user import User


class Mails(Protocol):
    async def add(self, mail: OutboxMail) -> None:
        """Owe a mail; it is due at once even if the clock of this process is ahead of the store's. Workers
        hear of it after the work is done, and find it even if they do not."""
        ...

    async def lease(
        self, *, hold: timedelta, limit: int, only: UUID | None = None, now: datetime | None = None
    ) -> Sequence[OutboxMail]:
        """Take due mails so that no other worker gets them for as long as `hold`; in the order of their turns
        (`OutboxMail.turn_at`), never waiting. What is due is judged by the store's own clock, unless `now` is given:
        those of several processes differ."""
        ...

    async def settle(self, mail: OutboxMail, outcome: DeliveryOutcome, *, now: datetime, note: str = "") -> None:
        """Record how it ended, unless another worker has taken the mail over since it was leased."""
        ...

    async def postpone(self, mail: OutboxMail, *, wait: timedelta, note: str, now: datetime | None = None) -> None:
        """Give a leased mail back, to be due after `wait`, unless another worker has taken it over."""
        ...

    async def page(self, user: User, *, limit: int, after: UUID | None) -> Sequence[OutboxMail]:
        """The mails that name the user, newest first; for a verified user also mails to the address that name no
        user, unless they are older than the user. `after` is the id of the last mail seen."""
        ...

    async def parked(self, *, limit: int) -> Sequence[OutboxMail]: ...

    async def redrive(self, mail_id: UUID, *, now: datetime) -> bool:
        """Make a parked mail due again, as if it were new."""
        ...
