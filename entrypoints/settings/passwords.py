"""Settings of passwords: policy, cost of a hash, and rate limits."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from entrypoints.settings.files import in_root
from entrypoints.settings.setting import setting, whole_number

_ARGON2 = re.compile(r"m=([1-9][0-9]{0,11}),t=([1-9][0-9]{0,11}),p=([1-9][0-9]{0,5})")
_ENOUGH = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))
"""Equivalent minimums: KiB by number of passes (OWASP Password Storage Cheat Sheet)."""


class Cost(NamedTuple):
    """Cost of a hash: KiB of memory, passes over it, and lanes (RFC 9106)."""

    memory: int
    passes: int
    lanes: int

    @property
    def work(self) -> int:
        """KiB times passes, to which the time of a hash is proportional."""
        return self.memory * self.passes

    def __str__(self) -> str:
        return f"m={self.memory},t={self.passes},p={self.lanes}"


def argon2(text: str) -> Cost:
    """Allows one lane only: as many hashes run as there are cores, and further lanes would only wait."""
    from adapters.passwords.stored_hash import is_affordable

    match = _ARGON2.fullmatch(text)
    if match is None:
        raise ValueError("must look like m=19456,t=2,p=1: KiB of memory, passes, and one lane")
    memory, passes = int(match[1]), int(match[2])
    if match[3] != "1":
        raise ValueError(
            "must have one lane (p=1): as many hashes run at once as there are cores, so more gain nothing"
        )
    if not any(memory >= least and passes >= times for least, times in _ENOUGH):
        raise ValueError("is too weak: the minimum is m=19456,t=2,p=1 or m=47104,t=1,p=1 (OWASP)")
    if not is_affordable(memory, passes):
        raise ValueError("is too expensive: at most 131072 KiB, and 1048576 KiB times passes")
    return Cost(memory, passes, 1)


def switch(text: str) -> bool:
    if text not in {"on", "off"}:
        raise ValueError("must be on or off")
    return text == "on"


def _must_be_on(on: bool) -> None:
    if not on:
        raise ValueError("must be on in production")


@dataclass(frozen=True, kw_only=True, repr=False)
class Passwords:
    rate_limits: bool = setting(
        "RATE_LIMITS",
        "[`domain/rate_limits.py`](../domain/rate_limits.py) has the numbers; "
        "`off` is for load tests, and also lets a challenge take any number of answers; refused in production",
        parse=switch,
        check=_must_be_on,
        default=True,
    )
    password_min_length: int = setting(
        "PASSWORD_MIN_LENGTH", "minimum length of new passwords in characters", parse=whole_number(8, 64), default=15
    )
    breached_passwords: Path | None = setting(
        "BREACHED_PASSWORDS",
        "folder with range files of Have I Been Pwned (`21BD1` or `21BD1.txt`, lines `SUFFIX:COUNT`). New passwords"
        " in them are refused; no network access",
        parse=in_root,
        optional=True,
    )
    argon2: Cost = setting(
        "ARGON2",
        "cost of a password hash: KiB, passes, one lane. `doctor` proposes values for this machine (run `make native`"
        " first). Each user's hash is replaced at the next login",
        parse=argon2,
        default=Cost(19_456, 2, 1),
        shown="`m=19456,t=2,p=1`",
    )
