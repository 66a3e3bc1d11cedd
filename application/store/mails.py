"""Mails that are owed, and what has become of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.mail import Mail, Outcome
from domain.user import User


class Mails(Protocol):
    async def add(self, mail: Mail) -> None:
        """Owe a mail. Workers hear of it after the work is done, and find it even if they do not."""
        ...

    async def lease(self, *, now: datetime, until: datetime, limit: int, only: UUID | None = None) -> Sequence[Mail]:
        """Take due mails so that no other worker gets them before `until`; oldest first, never waiting."""
        ...

    async def settle(self, mail: Mail, outcome: Outcome, *, now: datetime, note: str = "") -> None:
        """Record how it ended, unless another worker has taken the mail over since it was leased."""
        ...

    async def postpone(self, mail: Mail, *, until: datetime, note: str) -> None:
        """Give a leased mail back, unless another worker has taken it over."""
        ...

    async def page(self, user: User, *, limit: int, after: UUID | None) -> Sequence[Mail]:
        """The mails that name the user, newest first; and of a user whose address is proven, those to it that name
        nobody, unless they are older than the user. `after` is the id of the last mail seen."""
        ...

    async def forget(self, user_id: UUID, *, address: str | None) -> None:
        """Remove the mails to the user that are settled; where an address is given, all to it that are."""
        ...

    async def parked(self, *, limit: int) -> Sequence[Mail]: ...

    async def redrive(self, mail_id: UUID, *, now: datetime) -> bool:
        """Make a parked mail due again, as if it were new."""
        ...
