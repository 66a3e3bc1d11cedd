"""A user who has been deleted, as long as anything is left of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.mail import LinkPurpose

UNDO: timedelta = LinkPurpose.RESTORE.lifetime
"""How long the owner of the mailbox can undo a deletion that was requested with the password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """`email` is the address, where the user had proven it. `until` is None where the deletion cannot be undone.

    `version` is the credential version, which no link but one about this deletion names.
    """

    user_id: UUID
    email: str | None
    version: int
    deleted_at: datetime
    until: datetime | None

    def can_be_undone(self, now: datetime) -> bool:
        return self.until is not None and now < self.until
