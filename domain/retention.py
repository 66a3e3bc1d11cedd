"""Retention periods for expired data."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from domain.outbox import LinkPurpose


class RetentionCategory(StrEnum):
    """The kinds of rows that expire, in the order in which they are purged."""

    SESSION = "session"
    MAIL = "mail"
    EMAIL_CHANGE = "address_change"
    UNDO_POINT = "undo_point"
    INVITATION = "invitation"
    FACTOR = "factor"
    RECOVERY_CODE = "recovery_code"
    USED_CHALLENGE = "used_challenge"
    UNVERIFIED_USER = "claim"
    DELETED_USER = "deleted_user"
    EVENT = "event"
    IMPORT_DIGEST = "arrival"


@dataclass(frozen=True, slots=True)
class PurgeResult:
    """How many rows were removed, and the id of the last row that was checked; None if no rows follow."""

    removed: int
    last: UUID | None


SESSION = timedelta(days=1)
"""After a session has ended or expired, and after its access tokens were revoked. This is many times the lifetime of
an access token, so a revocation is stored for as long as it matters."""

MAIL, PARKED_MAIL = timedelta(days=30), timedelta(days=90)
"""After a mail was sent or dropped; longer after it was parked, because an operator has to look at it. Queued mails
stay."""

EMAIL_CHANGE = timedelta(days=30)
"""After the request of a change, longer than any link about it is valid. Changes of an unverified user stay: they
may show that the user was evicted from a verified address."""

FACTOR = UNDO_POINT = timedelta(days=30)
"""After a factor or recovery code was removed, and after the change that can be undone: longer than a link restores
it."""

INVITATION = timedelta(days=30)
"""After an invitation was sent, longer than it is valid."""

USED_CHALLENGE = timedelta(days=1)
"""After a used challenge has expired, because the clocks of processes differ."""

EVENT = timedelta(days=400)
"""Audit log: slightly more than a year."""

IMPORT_DIGEST = timedelta(days=400)
"""Digests of imported addresses, so that a repeated import does not recreate users who were deleted or moved."""

UNVERIFIED_USER = timedelta(days=30)
"""After the last event of an unverified user without a live session. Users whom an operator created, imported or
disabled are not purged, nor are users who were evicted from a verified address."""

LINK = max(purpose.lifetime for purpose in LinkPurpose)
"""An unverified user stays for this time after a mail to their address: its link may still verify the user."""
