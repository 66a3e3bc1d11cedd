"""Our own hashes with one salt and the same settings: a password is hashed once, and compared with all of them."""

from collections.abc import Sequence
from hmac import compare_digest

from argon2 import low_level

from adapters.passwords.foreign_digests import from_base64

_SIGNS = 4
"""`$` before the salt of an argon2 hash; the tag comes after one more."""


def salt_of(text: str) -> bytes:
    return from_base64(text.split("$")[_SIGNS])


def alike(text: str, others: Sequence[str]) -> Sequence[tuple[int, str]]:
    """Those of the others that differ from it by the tag alone, each with its place."""
    start, _, tag = text.rpartition("$")
    size = len(start) + 1 + len(tag)
    return [(at, one) for at, one in enumerate(others) if one.startswith(f"{start}$") and len(one) == size]


def place_of(secret: bytes, text: str, others: Sequence[tuple[int, str]]) -> int | None:
    """Which of the hashes the secret fits: 0 for the first, or the place of another plus one. All are looked at."""
    memory, passes, lanes = (int(part[2:]) for part in text.split("$")[3].split(","))
    tag = from_base64(text.rpartition("$")[2])
    made = low_level.hash_secret_raw(secret, salt_of(text), passes, memory, lanes, len(tag), low_level.Type.ID)
    fitting = [0] if compare_digest(made, tag) else []
    fitting += [place + 1 for place, other in others if compare_digest(made, from_base64(other.rpartition("$")[2]))]
    return fitting[0] if fitting else None
