"""Retention periods for expired data."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from domain.mail import LinkPurpose


class Leftover(StrEnum):
    """What is cleared away, one kind after the other."""

    SESSION = "session"
    MAIL = "mail"
    ADDRESS_CHANGE = "address_change"
    CLAIM = "claim"
    DELETED_USER = "deleted_user"
    EVENT = "event"
    ARRIVAL = "arrival"


@dataclass(frozen=True, slots=True)
class Cleared:
    """How many rows were removed, and the last that was looked at; None where nothing follows."""

    removed: int
    last: UUID | None


SESSION = timedelta(days=1)
"""After a session has ended or expired, and after its floor was raised: many times what any access token lives, so
that no ending is forgotten which could still matter."""

MAIL, PARKED_MAIL = timedelta(days=30), timedelta(days=90)
"""After it was sent or dropped, and after it was parked, because an operator has to look at it. Queued mails stay."""

ADDRESS_CHANGE = timedelta(days=30)
"""After it was asked for, which is longer than any link about it lives. Those of an account without a proven address
stay with it: they may tell that it is more than a claim."""

EVENT = timedelta(days=400)
"""What happened to an account, a year and a bit."""

ARRIVAL = timedelta(days=400)
"""Digests of imported addresses, so that a repeated import does not recreate users who were deleted or moved."""

CLAIM = timedelta(days=30)
"""After the last event of an unverified user who registered, without a session. Users that an operator created or
imported stay, and those who were displaced from their former address."""

LINK = max(purpose.lifetime for purpose in LinkPurpose)
"""A claim whose mailbox was written to since then may still be proven."""
