"""How long is kept what is over. What speaks for somebody, or may still be asked for, is not over."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from domain.event import Action
from domain.mail import Purpose


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
"""After it was sent or dropped; after it was given up, for somebody has to look at it. What is owed stays."""

ADDRESS_CHANGE = timedelta(days=30)
"""After it was asked for, which is longer than any link about it lives. Those of an account without a proven address
stay with it: they may tell that it is more than a claim."""

EVENT = timedelta(days=400)
"""What happened to an account, a year and a bit."""

ARRIVAL = timedelta(days=400)
"""That an address came in by an import, so that the import, run again, brings nobody back who has left or moved."""

CLAIM = timedelta(days=30)
"""After anything happened to a claim to an address that nobody has proven, and nobody is logged in with."""

LINK = max(purpose.lifetime for purpose in Purpose)
"""A claim whose mailbox was written to since then may still be proven."""

MORE_THAN_CLAIMS = frozenset({Action.CREATED, Action.IMPORTED, Action.EMAIL_LOST})
"""Whoever has such an event is an account, proven or not: the operator made it, or it had an address before. So it
stays, and while it is unproven, the event does too."""
