"""How and when a person authenticated: methods (RFC 8176), assurance level (`acr`) and time (`auth_time`)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self


class AuthenticationMethod(StrEnum):
    """The values of the claim `amr` (RFC 8176 section 2). `RECOVERY_CODE` is our own."""

    PASSWORD = "pwd"
    ONE_TIME_PASSWORD = "otp"
    PROOF_OF_POSSESSION = "pop"
    USER_PRESENCE = "user"
    MULTIPLE_FACTORS = "mfa"
    RECOVERY_CODE = "recovery_code"


class AssuranceLevel(StrEnum):
    """The values of the claim `acr`, from weakest to strongest."""

    AAL1 = "aal1"
    """A password alone."""
    AAL2 = "aal2"
    """A password and a second factor."""
    PHISHING_RESISTANT = "phr"
    """A passkey whose authenticator has verified the user."""

    def reaches(self, level: Self) -> bool:
        return _LEVELS.index(self) >= _LEVELS.index(level)


_LEVELS = list(AssuranceLevel)
_PASSKEY = (
    AuthenticationMethod.PROOF_OF_POSSESSION,
    AuthenticationMethod.USER_PRESENCE,
    AuthenticationMethod.MULTIPLE_FACTORS,
)
_SECOND = {
    "totp": (AuthenticationMethod.ONE_TIME_PASSWORD, AuthenticationMethod.MULTIPLE_FACTORS),
    "recovery_code": (AuthenticationMethod.RECOVERY_CODE, AuthenticationMethod.MULTIPLE_FACTORS),
    "passkey": _PASSKEY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """`at` is when the person acted. A refresh does not change it."""

    methods: tuple[AuthenticationMethod, ...]
    at: datetime

    @classmethod
    def by_password(cls, at: datetime) -> Self:
        return cls(methods=(AuthenticationMethod.PASSWORD,), at=at)

    @classmethod
    def by_passkey(cls, at: datetime) -> Self:
        return cls(methods=_PASSKEY, at=at)

    def with_factor(self, factor: str, at: datetime) -> Self:
        """The authentication after a second factor: `passkey`, `totp` or `recovery_code`. Of what the person did
        before, only the password counts; another factor must not lend its level to this one."""
        password = tuple(method for method in self.methods if method is AuthenticationMethod.PASSWORD)
        return type(self)(methods=(*password, *_SECOND[factor]), at=at)

    @property
    def level(self) -> AssuranceLevel:
        if AuthenticationMethod.PROOF_OF_POSSESSION in self.methods:
            return AssuranceLevel.PHISHING_RESISTANT
        if AuthenticationMethod.MULTIPLE_FACTORS in self.methods:
            return AssuranceLevel.AAL2
        return AssuranceLevel.AAL1

    def is_fresh(self, *, highest: AssuranceLevel, now: datetime, max_age: timedelta) -> bool:
        """Whether the person acted at most `max_age` ago, by the strongest means of the account (`highest`).

        A recovery code counts as the strongest: otherwise a user who has lost a passkey could never remove it.
        """
        strong = AuthenticationMethod.RECOVERY_CODE in self.methods or self.level.reaches(highest)
        return strong and now - self.at <= max_age


UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
PASSWORD_AT_UNKNOWN_TIME = Authentication.by_password(UNKNOWN_TIME)
"""Of tokens without `auth_time`, which the previous release issued. Never fresh."""
