"""A deleted user, until all of their data has been removed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.outbox import LinkPurpose

UNDO: timedelta = LinkPurpose.RESTORE.lifetime
"""How long the owner of the mailbox can undo a deletion that was requested with the password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """`email` is None if it was not verified. `until` is None if the deletion cannot be undone.

    `version` is the credential version since the deletion. Only the undo link of this deletion contains it.
    """

    user_id: UUID
    email: str | None
    version: int
    deleted_at: datetime
    until: datetime | None

    def can_be_undone(self, now: datetime) -> bool:
        return self.until is not None and now < self.until
