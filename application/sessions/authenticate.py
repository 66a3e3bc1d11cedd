"""Authenticate a request: verify the access token, then check that it has not been revoked."""

from dataclasses import dataclass, replace

from application.ports import AccessTokenCodec, RevocationCheck, UserLookup
from domain.refusals import token_revoked
from domain.role import Role
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """Fails closed: raises `unavailable` if it cannot check whether the token has been revoked."""

    access_codec: AccessTokenCodec
    revocations: RevocationCheck
    user_lookup: UserLookup

    async def __call__(self, text: str, *, role: Role | None = None) -> AccessToken:
        """Raises `token_invalid`, `token_expired`, `token_revoked`, `not_verified` or `role_required`."""
        caller = self.access_codec.decode(text)
        if caller.generation < await self.revocations.min_generation(caller.session_id):
            raise token_revoked()
        return caller if role is None else await self.insist(caller, role)

    async def insist(self, caller: AccessToken, role: Role) -> AccessToken:
        """Return the caller if they have the role. Raises `token_revoked`, `not_verified` or `role_required`."""
        if not caller.verified:
            caller = await self._seen_again(caller)
        caller.require(role)
        return caller

    async def _seen_again(self, caller: AccessToken) -> AccessToken:
        """Verifying an address does not change earlier tokens, so for unverified ones the user is read again."""
        user = await self.user_lookup.user(caller.user_id)
        if user is None:
            raise token_revoked()
        return replace(caller, verified=user.verified, role=user.role)
