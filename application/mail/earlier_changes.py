"""Find the changes that an undo has not undone, for the mail about it."""

from datetime import datetime

from application.repositories import UnitOfWork
from domain.factor import EarlierChange
from domain.outbox import EmailLink, LinkPurpose
from domain.user import User


async def earlier_changes(work: UnitOfWork, user: User, *, now: datetime) -> tuple[EarlierChange, ...]:
    """Return the changes that the user's present mailbox can still undo, oldest first."""
    factors = await work.factors.by_user(user.id, removed=True)
    codes = await work.factors.recovery_codes(user.id)
    changes = [
        EarlierChange(id=point.id, kind=point.kind, changed_at=point.changed_at)
        for point in await work.factors.undo_points(user.id)
        if point.closed_at is None and point.email == user.email and point.is_in_effect(factors, codes)
    ]
    changes += [
        EarlierChange(id=one.id, kind=None, changed_at=one.confirmed_at)
        for one in await work.email_changes.by_user(user.id)
        if one.old_email == user.email and one.confirmed_at is not None and one.closed_at is None
    ]
    undoable = (change for change in changes if not undo_link(change).expired(now))
    return tuple(sorted(undoable, key=lambda change: change.changed_at))


def undo_link(change: EarlierChange) -> EmailLink:
    return EmailLink(purpose=LinkPurpose.RESTORE, subject=change.id, version=0, issued_at=change.changed_at)
