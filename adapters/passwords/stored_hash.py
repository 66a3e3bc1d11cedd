"""A stored password hash: argon2, a hash of another system, or such a hash wrapped in argon2.

A weak hash is never stored as it is. Its tag is hashed by argon2id, after the settings of the weak hash:
`$wrapped$md5$salt$argon2id$v=19$…` is the argon2id of the MD5 of salt and password.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Self

from adapters.passwords.foreign_digests import from_base64
from adapters.passwords.foreign_hash import ForeignHash
from adapters.passwords.foreign_schemes import parse_foreign, parse_settings

_ARGON2 = re.compile(
    r"\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?m=(?P<m>[1-9]\d{0,5}),t=(?P<t>[1-9]\d{0,3}),p=(?P<p>[1-9]|1[0-6])"
    r"\$(?P<salt>[A-Za-z0-9+/]{11,86})\$(?P<tag>[A-Za-z0-9+/]{16,172})",
    re.ASCII,
)
_MAX_MEMORY, _MAX_COST = 2**17, 2**20
"""KiB, and KiB times passes: 128 MiB and a few seconds. A planted hash must not use up all resources."""
_WRAPPED, _ARGON2ID = "$wrapped$", "argon2id$"


@dataclass(frozen=True, slots=True)
class StoredHash:
    """A hash with affordable settings. `argon2` verifies the digest by `foreign`, or the password itself if there is
    none. Without `argon2` the digest by `foreign` has to equal its tag.
    """

    argon2: str | None = None
    foreign: ForeignHash | None = None
    is_native: bool = False
    """True for an argon2 alone, as we write it."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for anything else, including a weak hash that is not wrapped."""
        if text.startswith(_WRAPPED):
            settings, mark, rest = text.removeprefix(_WRAPPED).rpartition(_ARGON2ID)
            argon2, inner = f"${mark}{rest}", parse_settings(settings)
            return cls(argon2, inner) if inner is not None and inner.is_weak and _is_argon2(argon2) else None
        argon2 = text.removeprefix("argon2")  # Django repeats the name
        if _is_argon2(argon2):
            return cls(argon2, is_native=argon2 == text)
        foreign = parse_foreign(text)
        return None if foreign is None or foreign.is_weak else cls(foreign=foreign)

    @property
    def cost(self) -> float:
        """What a verification costs, in iterations of PBKDF2. One pass of argon2 over a KiB costs about as much."""
        argon2 = None if self.argon2 is None else _ARGON2.fullmatch(self.argon2)
        own = 0 if argon2 is None else int(argon2["m"]) * int(argon2["t"])
        return own + (0 if self.foreign is None else self.foreign.cost)

    @property
    def tag(self) -> bytes:
        return b"" if self.foreign is None else self.foreign.tag

    def normalize(self, password: str) -> str:
        """The Unicode form that the system which made this hash gave a password."""
        return password if self.foreign is None else self.foreign.scheme.normalize(password)

    def digest(self, secret: bytes) -> bytes:
        """Raises ValueError for what cannot be a password."""
        return secret if self.foreign is None else self.foreign.digest(secret)


def wrap(weak: ForeignHash, argon2id: str) -> str:
    """The text to store for a weak hash; `argon2id` is a hash of its tag."""
    return f"{_WRAPPED}{weak.settings}{argon2id.removeprefix('$')}"


def is_affordable(memory: int, passes: int) -> bool:
    """Whether a hash of this memory (KiB) and number of passes is cheap enough to verify. The setting for new hashes
    is checked by it too."""
    return memory <= _MAX_MEMORY and memory * passes <= _MAX_COST


def _is_argon2(text: str) -> bool:
    """One that the library accepts: at least eight KiB a lane, and canonical base64 (RFC 9106 section 3.1)."""
    argon2 = _ARGON2.fullmatch(text)
    if argon2 is None or not all(map(_is_canonical, argon2.group("salt", "tag"))):
        return False
    memory, passes, lanes = map(int, argon2.group("m", "t", "p"))
    return 8 * lanes <= memory and is_affordable(memory, passes)


def _is_canonical(base64: str) -> bool:
    try:
        return b64encode(from_base64(base64)).decode().rstrip("=") == base64
    except ValueError:
        return False
