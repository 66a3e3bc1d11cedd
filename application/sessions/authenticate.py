"""Authenticate a request: verify the access token, then check that it has not been revoked."""

from dataclasses import dataclass, replace

from application.ports import AccessTokenCodec, RevocationCheck, UserLookup
from domain.refusals import ErrorCode, Refusal, token_revoked
from domain.role import Role
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """Fails closed: raises `unavailable` if it cannot check whether the token has been revoked."""

    access_codec: AccessTokenCodec
    revocations: RevocationCheck
    user_lookup: UserLookup
    factor_required_from: Role | None = None
    """Users with this role or a higher one must have a factor. None requires no factor."""

    async def __call__(self, text: str, *, role: Role | None = None, enrolling: bool = False) -> AccessToken:
        """With `enrolling`, a user who must have a factor needs none yet. Raises `token_invalid`, `token_expired`,
        `token_revoked`, `factor_required`, `not_verified` or `role_required`."""
        return await self.admit(self.access_codec.decode(text), role=role, enrolling=enrolling)

    async def admit(self, caller: AccessToken, *, role: Role | None = None, enrolling: bool = False) -> AccessToken:
        """The checks after decoding. Raises `token_revoked`, `factor_required`, `not_verified` or
        `role_required`."""
        if caller.generation < await self.revocations.min_generation(caller.session_id):
            raise token_revoked()
        if self.factor_required_from is not None and not enrolling:
            await self._require_factor(caller, self.factor_required_from)
        return caller if role is None else await self.insist(caller, role)

    async def insist(self, caller: AccessToken, role: Role) -> AccessToken:
        """Return the caller if they have the role. Raises `token_revoked`, `not_verified` or `role_required`."""
        if not caller.verified:
            caller = await self._seen_again(caller)
        caller.require(role)
        return caller

    async def _require_factor(self, caller: AccessToken, role: Role) -> None:
        """The token does not suffice: the user may have removed the factor of its login."""
        if not caller.role.includes(role):
            return
        user = await self.user_lookup.user(caller.user_id)
        if user is None:
            raise token_revoked()
        if not user.factors and user.must_have_factor(role):
            raise Refusal(ErrorCode.FACTOR_REQUIRED, "Add a passkey or an authenticator app to your account first.")

    async def _seen_again(self, caller: AccessToken) -> AccessToken:
        """Verifying an address does not change earlier tokens, so for unverified ones the user is read again."""
        user = await self.user_lookup.user(caller.user_id)
        if user is None:
            raise token_revoked()
        return replace(caller, verified=user.verified, role=user.role)
