"""Token introspection (RFC 7662)."""

from dataclasses import dataclass, replace

from application.ports import UserLookup
from application.sessions.authenticate import Authenticate
from domain.refusals import ErrorCode, Refusal
from domain.tokens import AccessToken
from domain.user import User

_NO = {ErrorCode.TOKEN_INVALID, ErrorCode.TOKEN_EXPIRED, ErrorCode.TOKEN_REVOKED, ErrorCode.FACTOR_REQUIRED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspect:
    authenticate: Authenticate
    user_lookup: UserLookup

    async def __call__(self, text: str) -> tuple[AccessToken, User] | None:
        """Return the token and its user, with the user's current role. None if this is not a valid access token; also
        for refresh tokens, because a service must not accept one as proof of identity."""
        try:
            token = await self.authenticate(text)
        except Refusal as refusal:
            if refusal.code in _NO:
                return None
            raise
        user = await self.user_lookup.user(token.user_id)
        return None if user is None else (replace(token, role=user.role, verified=user.verified), user)
