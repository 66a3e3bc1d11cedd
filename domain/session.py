"""Sessions. A session is one row from login to logout, however often it is refreshed."""

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.authentication import Authentication
from domain.client_info import UNKNOWN_CLIENT, ClientInfo

ENDED = 2**31 - 1
"""The `min_generation` of a session that has ended: no generation is valid."""
SECRET_LENGTH = 32
"""Random bytes in the cookie of a browser session."""
TOUCH = timedelta(minutes=10)
"""How often using a browser session restarts its idle timeout, at most."""


class EndReason(StrEnum):
    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    PASSWORD_CHANGED = "password_changed"
    REFRESH_REUSED = "refresh_reused"
    DISABLED = "disabled"
    DELETED = "deleted"
    SUPERSEDED = "superseded"
    EVICTED = "evicted"
    EMAIL_RESTORED = "email_restored"
    FACTOR_REMOVED = "factor_removed"


class RotationState(StrEnum):
    """The state of a presented refresh token, by its generation."""

    CURRENT = "current"
    JUST_ROTATED = "just_rotated"
    REUSED = "reused"
    ENDED = "ended"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """`access` is the lifetime of an access token, `refresh` the idle timeout of a session, and `session` its maximum
    age. For `grace` after a refresh, the replaced token still returns its successor. A user has at most `sessions`
    live sessions; a new one ends the oldest."""

    access: timedelta = timedelta(minutes=10)
    refresh: timedelta = timedelta(days=7)
    session: timedelta = timedelta(days=30)
    grace: timedelta = timedelta(seconds=10)
    sessions: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`generation` grows by 1 with each refresh. Access tokens of a generation below `min_generation` are revoked.
    `authentication` is that of the login; a step-up does not change it.

    A browser session has no refresh tokens. Its cookie holds a secret, of which `secret_digest` is the SHA-256; None
    for other sessions. `secret` is known only to the process that opens the session, and is not stored."""

    id: UUID
    user_id: UUID | None
    generation: int = 1
    min_generation: int = 0
    created_at: datetime
    rotated_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    client_info: ClientInfo = UNKNOWN_CLIENT
    authentication: Authentication
    secret_digest: bytes | None = field(default=None, repr=False)
    secret: bytes = field(default=b"", repr=False, compare=False)

    @classmethod
    def opened(
        cls,
        *,
        id: UUID,
        user_id: UUID,
        now: datetime,
        lifetimes: Lifetimes,
        client_info: ClientInfo = UNKNOWN_CLIENT,
        authentication: Authentication | None = None,
        secret: bytes = b"",
    ) -> Self:
        """`authentication` is None for a password at `now`. With a `secret`, it is a browser session."""
        return cls(
            id=id,
            user_id=user_id,
            created_at=now,
            rotated_at=now,
            expires_at=now + min(lifetimes.refresh, lifetimes.session),
            client_info=client_info,
            authentication=authentication or Authentication.by_password(now),
            secret_digest=digest_of(secret) if secret else None,
            secret=secret,
        )

    def alive(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at

    def rotation_state(self, generation: int, *, now: datetime, grace: timedelta) -> RotationState:
        """Classify a presented generation. The current one may refresh; the one before it only during `grace`."""
        if self.ended_at is not None or generation > self.generation:
            return RotationState.ENDED
        if now >= self.expires_at:
            return RotationState.EXPIRED
        if generation == self.generation:
            return RotationState.CURRENT
        if generation == self.generation - 1 and now - self.rotated_at <= grace:
            return RotationState.JUST_ROTATED
        return RotationState.REUSED

    def advanced(self, *, now: datetime, lifetimes: Lifetimes) -> Self:
        """The session at its next generation. The idle timeout restarts; the maximum age does not."""
        return replace(
            self,
            generation=self.generation + 1,
            rotated_at=now,
            expires_at=min(now + lifetimes.refresh, self.created_at + lifetimes.session),
        )

    def is_due(self, now: datetime) -> bool:
        """Whether a browser session that is used now has to be stored as `resumed`."""
        return self.generation < self.min_generation or now - self.rotated_at >= TOUCH

    def resumed(self, *, now: datetime, lifetimes: Lifetimes) -> Self:
        """The browser session when it is used. The idle timeout restarts. The generation rises to `min_generation`,
        so that the next revocation raises `min_generation` again."""
        moved = self.advanced(now=now, lifetimes=lifetimes)
        return replace(moved, generation=max(self.generation, self.min_generation))

    def ended(self, *, now: datetime, reason: EndReason) -> Self:
        return replace(self, ended_at=now, end_reason=reason)

    def with_access_tokens_revoked(self) -> Self:
        """The session with all its access tokens revoked. It can still be refreshed."""
        return replace(self, min_generation=self.generation + 1)

    def has_secret(self, secret: bytes) -> bool:
        return hmac.compare_digest(digest_of(secret), self.secret_digest or b"")

    @property
    def is_browser(self) -> bool:
        return self.secret_digest is not None

    @property
    def effective_min_generation(self) -> int:
        return self.min_generation if self.ended_at is None else ENDED


def digest_of(secret: bytes) -> bytes:
    """What is stored of the secret of a browser session. It is random, so a plain SHA-256 suffices."""
    return hashlib.sha256(secret).digest()
