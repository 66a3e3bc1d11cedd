"""A change of a user's e-mail address."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from domain.outbox import LinkPurpose
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChange:
    """Requested with the password at `credential_version`, and confirmed by the owner of the new mailbox.

    The owner of a verified old mailbox can undo it by a mailed link until `closed_at` is set: it was undone, or the
    old address belongs to another user.
    """

    id: UUID
    user_id: UUID
    old_email: str
    new_email: str
    credential_version: int
    asked_at: datetime
    confirmed_at: datetime | None = None
    closed_at: datetime | None = None
    factor_version: int | None = None
    """The user's factor version at the request; None in changes of the previous release. An undo restores it."""

    def can_be_confirmed(self, user: User, *, now: datetime) -> bool:
        """Whether the change can still be confirmed. Any later change of the user's credentials or factors ends
        it."""
        alive = self.confirmed_at is None and now < self.asked_at + LinkPurpose.EMAIL.lifetime
        same_factors = self.factor_version in (None, user.factor_version)
        return alive and not user.disabled and user.credential_version == self.credential_version and same_factors

    def is_pending_at(self, user: User) -> bool:
        """Whether the user was evicted from the old address and has not confirmed the new one yet."""
        return self.confirmed_at is None and (self.user_id, self.new_email) == (user.id, user.email)

    def is_applied(self, user: User) -> bool:
        """Whether the user has the new address by this change, and the same credentials since."""
        moved = self.confirmed_at is not None and user.credential_version == self.credential_version + 1
        return moved and not user.disabled and user.email == self.new_email

    def confirmed(self, now: datetime, *, undoable: bool = True) -> Self:
        """`undoable` is False if the old address was not verified; the change is closed at once then."""
        return replace(self, confirmed_at=now, closed_at=self.closed_at if undoable else now)

    def undoable_until(self, now: datetime) -> datetime | None:
        """When the undo period of a confirmed change ends; None if the change cannot be undone."""
        if self.confirmed_at is None or self.closed_at is not None:
            return None
        until = self.confirmed_at + LinkPurpose.RESTORE.lifetime
        return until if now < until else None

    def rebased(self, user: User) -> Self:
        """The change with the user's current credential version, so that it can still be confirmed."""
        return replace(self, credential_version=user.credential_version)


def undoable_until(changes: Iterable[EmailChange], now: datetime, *, unless_by: str | None = None) -> datetime | None:
    """When the last undo period of a user's changes ends; None if none of them can be undone. Changes that the
    mailbox `unless_by` can undo do not count.

    Until then the present mailbox gets no reset link, unless it is the one that can undo: either may be a thief's.
    """
    others = (change for change in changes if change.old_email != unless_by)
    return max(filter(None, (change.undoable_until(now) for change in others)), default=None)


def overridden(
    changes: Iterable[EmailChange], mailbox: str, *, after: datetime | None, now: datetime
) -> list[EmailChange]:
    """The user's changes that an undo by this mailbox closes, beside the one that it undoes: those confirmed `after`
    its undo point, and those of other mailboxes since a change that this mailbox can undo, too."""
    undoable = [one for one in changes if one.undoable_until(now) is not None]
    own = min((one.credential_version for one in undoable if one.old_email == mailbox), default=None)
    return [
        one
        for one in undoable
        if (after is not None and one.confirmed_at is not None and one.confirmed_at > after)
        or (own is not None and one.old_email != mailbox and one.credential_version > own)
    ]
