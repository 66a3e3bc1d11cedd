"""Refusals: exceptions with a stable code. Entrypoints turn them into responses."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class ErrorCode(StrEnum):
    """The codes of all refusals by the domain and the use cases. They are public and never change their meaning."""

    EMAIL_INVALID = "email_invalid"
    USERNAME_INVALID = "username_invalid"
    USERNAME_TAKEN = "username_taken"
    EMAIL_TAKEN = "email_taken"
    REGISTRATION_CLOSED = "registration_closed"
    PASSWORD_WEAK = "password_weak"
    PASSWORD_MISMATCH = "password_mismatch"
    INVALID_CREDENTIALS = "invalid_credentials"
    ACCOUNT_DISABLED = "account_disabled"
    TOKEN_MISSING = "token_missing"
    TOKEN_INVALID = "token_invalid"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_REVOKED = "token_revoked"
    REFRESH_REUSED = "refresh_reused"
    SESSION_ENDED = "session_ended"
    LINK_INVALID = "link_invalid"
    LINK_EXPIRED = "link_expired"
    NOT_VERIFIED = "not_verified"
    ROLE_REQUIRED = "role_required"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    LAST_ADMIN = "last_admin"
    SECOND_FACTOR_REQUIRED = "second_factor_required"
    FACTOR_INVALID = "factor_invalid"
    FACTOR_REQUIRED = "factor_required"
    FACTOR_EXISTS = "factor_exists"
    FACTOR_LIMIT = "factor_limit"
    PASSKEY_UNSUITABLE = "passkey_unsuitable"
    STEP_UP_REQUIRED = "step_up_required"
    CHALLENGE_INVALID = "challenge_invalid"
    CHALLENGE_EXPIRED = "challenge_expired"
    MALFORMED = "malformed"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"


UNAVAILABLE_RETRY_AFTER = 2
"""Seconds after which to try again what is unavailable."""


class Refusal(Exception):
    """A request that the service understood and refuses.

    `field` names the invalid input, and `reason` the rule that it breaks. `retry_after` is in seconds. `others` are
    refusals of further fields of the same request. `extensions` are further members of the problem document (RFC 9457
    section 3.2). `values` replace placeholders in the detail, which can be translated before that. `detail` and
    `extensions` are shown to the caller, so they must contain no secret.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str = "",
        *,
        field: str | None = None,
        reason: str | None = None,
        retry_after: int | None = None,
        others: Sequence["Refusal"] = (),
        extensions: Mapping[str, object] | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        self.message, self.values = detail, values or {}
        self.detail = detail % self.values if values else detail
        super().__init__(code, self.detail)
        self.code = code
        self.field = field
        self.reason = reason
        self.retry_after = retry_after
        self.others = tuple(others)
        self.extensions = extensions or {}


@dataclass(frozen=True, slots=True)
class InputErrors:
    """Collects the refusals of several fields: `with errors:` around each check, then `errors.check()`."""

    _found: list[Refusal] = field(default_factory=list)

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if isinstance(error, Refusal) and error.field is not None:
            self._found.extend((error, *error.others))
            return True
        return False

    def check(self) -> None:
        """Raises the first refusal, which carries the others; returns if there is none."""
        if self._found:
            first, *others = self._found
            first.others = tuple(others)
            raise first


# -- constructors -----------------------------------------------------------------------------------------


def incorrect_login() -> Refusal:
    return Refusal(ErrorCode.INVALID_CREDENTIALS, "Incorrect login or password.")


def incorrect_password() -> Refusal:
    return Refusal(ErrorCode.INVALID_CREDENTIALS, "Incorrect password.", field="password")


def password_mismatch() -> Refusal:
    return Refusal(ErrorCode.PASSWORD_MISMATCH, "The two passwords do not match.", field="confirm_password")


def account_disabled() -> Refusal:
    return Refusal(
        ErrorCode.ACCOUNT_DISABLED, "This account has been disabled. Contact the operator of this service."
    )


def token_revoked() -> Refusal:
    return Refusal(ErrorCode.TOKEN_REVOKED, "This token has been revoked.")


def session_ended() -> Refusal:
    return Refusal(ErrorCode.SESSION_ENDED, "The session has ended. Log in again.")


def role_required(role: str) -> Refusal:
    return Refusal(ErrorCode.ROLE_REQUIRED, "This requires the role %(role)s or higher.", values={"role": role})


def link_invalidated() -> Refusal:
    """For a link that was used, that a later event has invalidated, or whose user is gone."""
    return Refusal(ErrorCode.LINK_INVALID, "This link is no longer valid.")


def link_expired(advice: str = "Request a new one.") -> Refusal:
    return Refusal(ErrorCode.LINK_EXPIRED, f"This link has expired. {advice}".rstrip())


def username_taken() -> Refusal:
    return Refusal(ErrorCode.USERNAME_TAKEN, "This username is already taken. Choose another.", field="username")


def user_not_found() -> Refusal:
    return Refusal(ErrorCode.NOT_FOUND, "User not found.")


def session_not_found() -> Refusal:
    return Refusal(ErrorCode.NOT_FOUND, "Session not found.")


def factor_not_found() -> Refusal:
    return Refusal(ErrorCode.NOT_FOUND, "Factor not found.")


def factor_invalid() -> Refusal:
    """The same for every wrong factor, so that the response does not reveal which factors an account has."""
    return Refusal(ErrorCode.FACTOR_INVALID, "This code or passkey is not valid.")


def challenge_invalid() -> Refusal:
    """For a challenge that was forged, used, meant for something else, or answered wrongly too often."""
    return Refusal(ErrorCode.CHALLENGE_INVALID, "This challenge is not valid. Start again.")


def challenge_expired() -> Refusal:
    return Refusal(ErrorCode.CHALLENGE_EXPIRED, "This challenge has expired. Start again.")


def step_up_required(level: str | None, max_age: timedelta | None) -> Refusal:
    """`level` is the assurance level and `max_age` the age of the authentication that are required (RFC 9470)."""
    extensions: dict[str, object] = {} if level is None else {"acr_values": str(level)}
    if max_age is not None:
        extensions["max_age"] = int(max_age.total_seconds())
    text = "Confirm that it is you: use POST /v1/step-up and repeat the request with the new access token."
    return Refusal(ErrorCode.STEP_UP_REQUIRED, text, extensions=extensions)


def unavailable(what: str) -> Refusal:
    """`what` is a dependency that does not answer, in translatable words for clients and without its host name."""
    return Refusal(
        ErrorCode.UNAVAILABLE,
        "%(what)s is not available at the moment. Try again later.",
        values={"what": what},
        retry_after=UNAVAILABLE_RETRY_AFTER,
    )


def too_slow() -> Refusal:
    """For a request that exceeded its deadline although the dependency is healthy."""
    return Refusal(ErrorCode.UNAVAILABLE, "This took too long. Try again later.", retry_after=UNAVAILABLE_RETRY_AFTER)


def earliest_retry(one: Refusal, other: Refusal) -> Refusal:
    """The refusal with the shorter `retry_after`."""
    return min(one, other, key=lambda refusal: refusal.retry_after or 0)


def rate_limited(wait: timedelta, *, reason: str | None = None) -> Refusal:
    """`wait` is the time until the next attempt is allowed, and `reason` the limit that determines it."""
    seconds = max(1, math.ceil(wait.total_seconds()))
    text = "Too many attempts. Try again later."
    return Refusal(ErrorCode.RATE_LIMITED, text, reason=reason, retry_after=seconds)
