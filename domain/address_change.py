"""A user on the way from one address to another."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from domain.mail import LinkPurpose
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressChange:
    """Requested with the password at `credential_version`; confirmed by the owner of the new mailbox. The owner of
    the old mailbox can undo it until it is closed: it was undone, or the old address belongs to another user.
    """

    id: UUID
    user_id: UUID
    old_email: str
    new_email: str
    credential_version: int
    asked_at: datetime
    confirmed_at: datetime | None = None
    closed_at: datetime | None = None

    def confirmable(self, user: User, *, now: datetime) -> bool:
        """Whether it may still move its user. Whatever happened to the user's credentials since has ended it."""
        alive = self.confirmed_at is None and now < self.asked_at + LinkPurpose.EMAIL.lifetime
        return alive and not user.disabled and user.credential_version == self.credential_version

    def pending_at(self, user: User) -> bool:
        """Whether its user was displaced to the new address and has not confirmed it yet."""
        return self.confirmed_at is None and (self.user_id, self.new_email) == (user.id, user.email)

    def fulfilled(self, user: User) -> bool:
        """Whether its user is where it led, and nothing has happened to their credentials since."""
        moved = self.confirmed_at is not None and user.credential_version == self.credential_version + 1
        return moved and not user.disabled and user.email == self.new_email

    def confirmed(self, now: datetime, *, undoable: bool = True) -> Self:
        """`undoable` is whether the old address was proven: else nothing leads back to it."""
        return replace(self, confirmed_at=now, closed_at=self.closed_at if undoable else now)

    def undoable_until(self, now: datetime) -> datetime | None:
        """Until when the owner of the old mailbox can undo a confirmed change; None if that is not possible."""
        if self.confirmed_at is None or self.closed_at is not None:
            return None
        until = self.confirmed_at + LinkPurpose.RESTORE.lifetime
        return until if now < until else None

    def carried(self, user: User) -> Self:
        """Still good for its user, whose credentials have moved on for a reason that does not end it."""
        return replace(self, credential_version=user.credential_version)


def undoable_until(changes: Iterable[AddressChange], now: datetime) -> datetime | None:
    """Until when a former mailbox can undo one of these changes of a user.

    As long as it can, the present mailbox gets no reset link: one of the two may be a thief's, and which is unknown.
    """
    return max(filter(None, (change.undoable_until(now) for change in changes)), default=None)
