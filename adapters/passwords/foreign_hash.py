"""One way of writing a hash down, and a row that was written so.

A row has settings, which say how to compute, and behind them the tag that the right password gives. A weak row (fast
or unsalted) is no shelter for a password: its tag is to be hashed again, and only its settings are kept.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import Self
from unicodedata import normalize

from adapters.passwords.foreign_digests import Row, from_base64, scrypt_costs

_CHEAPEST, _DEAREST = 1000, 2**21
"""Iterations of PBKDF2, blocks of scrypt: from half a millisecond (RFC 8018 section 4.2) to some seconds."""
_MOST_BLOCKS = 2**20
"""Of 128 bytes each, that scrypt holds at a time: 128 MiB."""
_LONGEST = 2048
"""Bytes of a password, more than anybody typed into a system that made these hashes."""


def as_typed(text: str) -> str:
    return text


def compatible(text: str) -> str:
    """NFKC, of a text that is not too long for anybody's password: it costs time by the square."""
    return normalize("NFKC", text) if len(text) <= _LONGEST else text


def fast(_: Row) -> float:
    return 1


def bcrypt_rounds(row: Row) -> float:
    """bcrypt doubles its rounds with each step of the cost; one of them takes as long as 128 iterations of PBKDF2."""
    return 128 * 2.0 ** int(row["salt"].split("$")[2])


def better_auth_blocks(_: Row) -> float:
    return 16_384 * 16


def rounds(row: Row) -> float:
    return int(row["rounds"])


def blocks(row: Row) -> float:
    """Infinitely many where scrypt does not take these numbers (RFC 7914 section 2), or holds too much memory."""
    n, r, p = scrypt_costs(row)
    possible = 1 < n < 1 << min(16 * r, 32) and n & (n - 1) == 0
    return n * r * p if possible and r * (n + p) <= _MOST_BLOCKS else inf


@dataclass(frozen=True, slots=True)
class Scheme:
    """`settings` and `tag` are regular expressions that follow each other in a row.

    A group of the settings whose name ends in 64 holds base64.
    """

    settings: str
    tag: str
    read: Callable[[str], bytes]
    digest: Callable[[Row, bytes], bytes]
    price: Callable[[Row], float]
    spelling: Callable[[str], str] = as_typed


@dataclass(frozen=True, slots=True)
class Foreign:
    """A row of a known scheme, at a bearable price. `tag` is empty where only the settings were given."""

    settings: str
    tag: bytes
    weak: bool
    scheme: Scheme
    row: Row

    @classmethod
    def of(cls, scheme: Scheme, text: str, *, tag: str | None = None) -> Self | None:
        """None where the text is not of this scheme, is malformed, or is too dear to be computed."""
        row = _compiled(scheme.settings, scheme.tag if tag is None else tag).fullmatch(text)
        if row is None or (price := scheme.price(row)) > _DEAREST:
            return None
        try:
            for part, encoded in row.groupdict().items():
                if part.endswith("64") and encoded is not None:
                    from_base64(encoded)
            return cls(row["settings"], scheme.read(row["tag"]), price < _CHEAPEST, scheme, row)
        except ValueError:
            return None

    @property
    def price(self) -> float:
        """In iterations of PBKDF2, or blocks of scrypt."""
        return self.scheme.price(self.row)

    def digest(self, secret: bytes) -> bytes:
        """What this password has in the place of a tag. Raises ValueError where it cannot be anybody's password."""
        # For HMAC a secret and the same with NULs behind it are one, and bcrypt repeats it with a NUL in between.
        if b"\0" in secret or len(secret) > _LONGEST:
            raise ValueError("no password of any of these systems")
        return self.scheme.digest(self.row, secret)


@cache
def _compiled(settings: str, tag: str) -> re.Pattern[str]:
    return re.compile(f"(?P<settings>{settings})(?P<tag>{tag})", re.ASCII)
