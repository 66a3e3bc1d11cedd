"""What several answers are made of."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.role import Role
from domain.token import TokenPair
from domain.user import User


class UserShape(Struct, frozen=True, kw_only=True):
    id: UUID
    email: str
    username: str | None
    role: Role
    verified: bool
    disabled: bool
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> "UserShape":
        return cls(
            id=user.id,
            email=user.email,
            username=user.username,
            role=user.role,
            verified=user.verified,
            disabled=user.disabled,
            created_at=user.created_at,
        )


class TokenPairShape(Struct, frozen=True, kw_only=True):
    """Lifetimes in seconds."""

    access_token: str
    token_type: str = "Bearer"
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    session_id: UUID

    @classmethod
    def of(cls, pair: TokenPair) -> "TokenPairShape":
        return cls(
            access_token=pair.access_token,
            expires_in=pair.expires_in,
            refresh_token=pair.refresh_token,
            refresh_expires_in=pair.refresh_expires_in,
            session_id=pair.session_id,
        )


class Accepted(Struct, frozen=True):
    """Said whatever there is to the address; the mail tells its owner more."""

    status: str
