"""Schemas that several responses share."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Struct

from domain.factor import FactorKind
from domain.role import Role
from domain.tokens import TokenPair
from domain.user import User
from entrypoints.http.fields import (
    AccessSeconds,
    AccessToken,
    Email,
    NewRefreshToken,
    RefreshSeconds,
    SessionId,
    Timestamp,
    UserId,
    Username,
    documented,
)


class UserResponse(Struct, frozen=True, kw_only=True):
    id: UserId
    email: Email
    username: Username | None
    role: Role
    verified: Annotated[bool, documented("Whether the e-mail address is verified. Roles apply only then.", True)]
    disabled: Annotated[bool, documented("Whether the account is disabled.", False)]
    created_at: Annotated[datetime, Timestamp]
    factors: Annotated[list[FactorKind], documented("The kinds of second factors in use.", ["totp"])]

    @classmethod
    def of(cls, user: User) -> "UserResponse":
        return cls(
            id=user.id,
            email=user.email,
            username=user.username,
            role=user.role,
            verified=user.verified,
            disabled=user.disabled,
            created_at=user.created_at,
            factors=list(user.factors),
        )


BEARER: Literal["Bearer"] = "Bearer"


class TokenPairResponse(Struct, frozen=True, kw_only=True):
    """Lifetimes in seconds."""

    access_token: AccessToken
    token_type: Literal["Bearer"]
    expires_in: AccessSeconds
    refresh_token: NewRefreshToken
    refresh_expires_in: RefreshSeconds
    session_id: SessionId

    @classmethod
    def of(cls, pair: TokenPair) -> "TokenPairResponse":
        return cls(
            access_token=pair.access_token,
            token_type=BEARER,
            expires_in=pair.expires_in,
            refresh_token=pair.refresh_token,
            refresh_expires_in=pair.refresh_expires_in,
            session_id=pair.session_id,
        )


class VerificationSent(Struct, frozen=True):
    """The same response for every address. Its owner learns more by mail."""

    status: Annotated[str, documented("A link was mailed, if the address needs one.", "verification_sent")]


class ResetSent(Struct, frozen=True):
    """The same response for every address. Its owner learns more by mail."""

    status: Annotated[str, documented("A link was mailed, if the address has an account.", "reset_sent")]


VERIFICATION_SENT = VerificationSent("verification_sent")
RESET_SENT = ResetSent("reset_sent")
