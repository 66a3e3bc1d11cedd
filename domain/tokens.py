"""Access tokens identify the caller. Refresh tokens renew them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from domain.authentication import PASSWORD_AT_UNKNOWN_TIME, AssuranceLevel, Authentication
from domain.refusals import ErrorCode, Refusal, role_required, step_up_required
from domain.role import Role
from domain.session import Session
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """The claims of an access token (RFC 9068), before encoding. A refresh gives one per session and generation;
    all others have a unique `extra_id`: those of step-ups, and those that browser sessions get."""

    user_id: UUID
    session_id: UUID
    generation: int
    role: Role
    verified: bool
    issued_at: datetime
    expires_at: datetime
    authentication: Authentication = PASSWORD_AT_UNKNOWN_TIME
    extra_id: UUID | None = None

    @classmethod
    def of(cls, session: Session, user: User, *, issued_at: datetime, until: datetime) -> Self:
        """The token of the session at its generation, until then or until the session expires."""
        return cls(
            user_id=user.id,
            session_id=session.id,
            generation=session.generation,
            role=user.role,
            verified=user.verified,
            issued_at=issued_at,
            expires_at=min(until, session.expires_at),
            authentication=session.authentication,
        )

    def require(self, role: Role) -> None:
        """Raises `not_verified` or `role_required`. Unverified users hold no role."""
        if not self.verified:
            raise Refusal(ErrorCode.NOT_VERIFIED, "Verify your e-mail address first.")
        if not self.role.includes(role):
            raise role_required(role)

    def require_fresh(self, *, highest: AssuranceLevel, now: datetime, max_age: timedelta) -> None:
        """Raises `step_up_required` unless the person has acted at most `max_age` ago, by the strongest means of the
        account."""
        if not self.authentication.is_fresh(highest=highest, now=now, max_age=max_age):
            raise step_up_required(highest, max_age)

    def require_authentication(
        self, *, level: AssuranceLevel | None, max_age: timedelta | None, now: datetime
    ) -> None:
        """Raises `step_up_required` if the authentication is weaker or older than another service asks for."""
        weak = level is not None and not self.authentication.level.reaches(level)
        old = max_age is not None and now - self.authentication.at > max_age
        if weak or old:
            raise step_up_required(level, max_age)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """Names a generation of a session. Clients get it authenticated by an HMAC."""

    session_id: UUID
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """The result of a login or a refresh. `expires_in` and `refresh_expires_in` are in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    refresh_expires_in: int
    session_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SteppedUpToken:
    """The result of a step-up: an access token that cannot be refreshed. `expires_in` is in seconds."""

    access_token: str = field(repr=False)
    expires_in: int
    authentication: Authentication


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserToken:
    """An access token that a browser session gets for scripts. It cannot be refreshed. `expires_in` is in seconds."""

    access_token: str = field(repr=False)
    expires_in: int
