"""Ids in the order of their making (RFC 9562, section 5.7): milliseconds, a fraction of one, then 62 random bits.

The fraction (section 6.2, method 3) keeps what one process makes within a millisecond in order: a page of events is
sorted by these.
"""

import secrets
import time
from uuid import UUID


def uuid7() -> UUID:
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62))
