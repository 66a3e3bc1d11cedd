"""A password hash that another system made, and the scheme that it follows.

A hash is text with settings, which say how to compute, followed by the tag that the right password gives. A weak hash
(fast or unsalted) is not stored: its tag is hashed again by argon2id, and only its settings are kept.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import Self

from adapters.passwords.foreign_digests import Match, from_base64, scrypt_parameters

MIN_COST, MAX_COST = 1000, 2**21
"""Iterations of PBKDF2, or blocks of scrypt: from half a millisecond (RFC 8018 section 4.2) to some seconds."""
_MAX_BLOCKS = 2**20
"""Blocks of 128 bytes that scrypt may hold at a time: 128 MiB."""
_MAX_PASSWORD = 2048
"""Bytes. No system that made these hashes had longer passwords."""


def unchanged(password: str) -> str:
    return password


def nfkc(password: str) -> str:
    """NFKC takes quadratic time, so a text too long for a password stays as it is."""
    return unicodedata.normalize("NFKC", password) if len(password) <= _MAX_PASSWORD else password


def fast(_: Match) -> float:
    return 1


def bcrypt_cost(match: Match) -> float:
    """bcrypt doubles its rounds with each step of its cost; one round takes as long as 128 iterations of PBKDF2."""
    return 128 * 2.0 ** int(match["salt"].split("$")[2])


def better_auth_cost(_: Match) -> float:
    return 16_384 * 16


def pbkdf2_cost(match: Match) -> float:
    return int(match["rounds"])


def scrypt_cost(match: Match) -> float:
    """Infinite if scrypt does not allow the parameters (RFC 7914 section 2), or they need too much memory."""
    n, r, p = scrypt_parameters(match)
    allowed = 1 < n < 1 << min(16 * r, 32) and n & (n - 1) == 0
    return n * r * p if allowed and r * (n + p) <= _MAX_BLOCKS else inf


@dataclass(frozen=True, slots=True)
class Scheme:
    """`settings` and `tag` are regular expressions for the two parts of a hash. A group of the settings whose name
    ends in 64 holds base64.
    """

    settings: str
    tag: str
    decode_tag: Callable[[str], bytes]
    digest: Callable[[Match, bytes], bytes]
    cost: Callable[[Match], float]
    normalize: Callable[[str], str] = unchanged


@dataclass(frozen=True, slots=True)
class ForeignHash:
    """A hash of a known scheme with affordable settings. `tag` is empty if only the settings were given."""

    settings: str
    tag: bytes
    is_weak: bool
    scheme: Scheme
    match: Match

    @classmethod
    def parse(cls, scheme: Scheme, text: str, *, tag: str | None = None) -> Self | None:
        """None if the text is not of this scheme, is malformed, or costs too much to compute."""
        match = _compiled(scheme.settings, scheme.tag if tag is None else tag).fullmatch(text)
        if match is None or (cost := scheme.cost(match)) > MAX_COST:
            return None
        try:
            for group, value in match.groupdict().items():
                if group.endswith("64") and value is not None:
                    from_base64(value)
            return cls(match["settings"], scheme.decode_tag(match["tag"]), cost < MIN_COST, scheme, match)
        except ValueError:
            return None

    @property
    def cost(self) -> float:
        """In iterations of PBKDF2, or blocks of scrypt."""
        return self.scheme.cost(self.match)

    def digest(self, secret: bytes) -> bytes:
        """The tag that this password gives. Raises ValueError for what cannot be a password."""
        # HMAC ignores NULs at the end of a secret, and bcrypt repeats the secret with a NUL in between.
        if b"\0" in secret or len(secret) > _MAX_PASSWORD:
            raise ValueError("not a password of any of these systems")
        return self.scheme.digest(self.match, secret)


@cache
def _compiled(settings: str, tag: str) -> re.Pattern[str]:
    return re.compile(f"(?P<settings>{settings})(?P<tag>{tag})", re.ASCII)
