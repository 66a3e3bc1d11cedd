"""Access tokens identify the caller. Refresh tokens renew them."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.refusals import ErrorCode, Refusal, role_required
from domain.role import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """The claims of an access token (RFC 9068), before encoding. One exists per session and generation."""

    user_id: UUID
    session_id: UUID
    generation: int
    role: Role
    verified: bool
    issued_at: datetime
    expires_at: datetime

    def require(self, role: Role) -> None:
        """Raises `not_verified` or `role_required`. Unverified users hold no role."""
        if not self.verified:
            raise Refusal(ErrorCode.NOT_VERIFIED, "Verify your e-mail address first.")
        if not self.role.includes(role):
            raise role_required(role)


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
