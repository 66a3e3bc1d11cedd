"""Ids in the order of their making (RFC 9562, section 5.7): milliseconds, a fraction of one, then 62 random bits.

The fraction (section 6.2, method 3) keeps what one process makes within a millisecond in order: a page of events is
sorted by these.
"""

import secrets
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


def lowest(at: datetime) -> UUID:
    """The least id that could have been made at that moment: older ones are lower."""
    return UUID(int=(at - _EPOCH) // _MILLISECOND << 80 | 0x7 << 76 | 0b10 << 62)


def uuid7() -> UUID:
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62))
