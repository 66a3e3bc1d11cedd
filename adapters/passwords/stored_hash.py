"""A stored password hash: argon2, a hash of another system, or such a hash wrapped in argon2.

A weak hash is never stored as it is. Its tag is hashed by argon2id, and its settings are put in front of that:
`$wrapped$md5$salt$argon2id$v=19$…` is the argon2id of the MD5 of salt and password.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Self

from adapters.passwords.foreign_digests import from_base64
from adapters.passwords.foreign_hash import Foreign
from adapters.passwords.foreign_schemes import foreign, foreign_settings

_ARGON2 = re.compile(
    r"\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?m=(?P<m>[1-9]\d{0,5}),t=(?P<t>[1-9]\d{0,3}),p=(?P<p>[1-9]|1[0-6])"
    r"\$(?P<salt>[A-Za-z0-9+/]{11,86})\$(?P<tag>[A-Za-z0-9+/]{16,172})",
    re.ASCII,
)
_LARGEST, _DEAREST = 2**17, 2**20
"""KiB, and KiB times passes: 128 MiB and a few seconds. A planted hash must not use up all resources."""
_WRAPPED, _ARGON2ID = "$wrapped$", "argon2id$"


@dataclass(frozen=True, slots=True)
class Kept:
    """A hash that a password can be verified against at a bearable price. With `argon2` goes what `foreign` makes of
    the password, or where there is none the password itself; without it, what `foreign` makes has to be its tag.
    """

    argon2: str | None = None
    foreign: Foreign | None = None
    bare: bool = False
    """Whether it is the argon2 alone."""

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None for all else, a weak hash that stands bare among it."""
        if text.startswith(_WRAPPED):
            settings, mark, rest = text.removeprefix(_WRAPPED).rpartition(_ARGON2ID)
            argon2, inner = f"${mark}{rest}", foreign_settings(settings)
            return cls(argon2, inner) if inner is not None and inner.weak and _is_argon2(argon2) else None
        argon2 = text.removeprefix("argon2")  # Django writes the name once more
        if _is_argon2(argon2):
            return cls(argon2, bare=argon2 == text)
        found = foreign(text)
        return None if found is None or found.weak else cls(foreign=found)

    @property
    def price(self) -> float:
        """What a verification costs, in iterations of PBKDF2. One pass of argon2 over a KiB costs about as much."""
        argon2 = None if self.argon2 is None else _ARGON2.fullmatch(self.argon2)
        own = 0 if argon2 is None else int(argon2["m"]) * int(argon2["t"])
        return own + (0 if self.foreign is None else self.foreign.price)

    @property
    def tag(self) -> bytes:
        return b"" if self.foreign is None else self.foreign.tag

    def spelling(self, password: str) -> str:
        """What its maker made of a password before it became bytes."""
        return password if self.foreign is None else self.foreign.scheme.spelling(password)

    def digest(self, secret: bytes) -> bytes:
        """Raises ValueError for the marker of an unusable password."""
        return secret if self.foreign is None else self.foreign.digest(secret)


def wrapped(weak: Foreign, argon2id: str) -> str:
    """The text to keep for a weak hash; `argon2id` is one of its tag."""
    return f"{_WRAPPED}{weak.settings}{argon2id.removeprefix('$')}"


def _is_argon2(text: str) -> bool:
    """One that the library takes: with eight KiB a lane, and base64 of one spelling (RFC 9106 section 3.1)."""
    argon2 = _ARGON2.fullmatch(text)
    if argon2 is None or not all(map(_canonical, argon2.group("salt", "tag"))):
        return False
    memory, passes, lanes = map(int, argon2.group("m", "t", "p"))
    return 8 * lanes <= memory and bearable(memory, passes)


def bearable(memory: int, passes: int) -> bool:
    """Whether a hash of so many KiB and passes would be verified: no other may be made."""
    return memory <= _LARGEST and memory * passes <= _DEAREST


def _canonical(base64: str) -> bool:
    try:
        return b64encode(from_base64(base64)).decode().rstrip("=") == base64
    except ValueError:
        return False
