"""Who is calling? Asked on every request: the signature first, then whether the token is still welcome."""

from dataclasses import dataclass, replace

from application.ports import AccessTokenCodec, Blocklist, Directory, Floors
from domain.refusals import Code, Refusal
from domain.role import Role
from domain.session import ENDED
from domain.token import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """Checks the blocklist, then PostgreSQL if it does not answer. If neither answers, the request is refused."""

    access_codec: AccessTokenCodec
    blocklist: Blocklist
    truth: Floors
    directory: Directory

    async def __call__(self, text: str, *, role: Role | None = None) -> AccessToken:
        """Raises `token_invalid`, `token_expired`, `token_revoked`, `not_verified` or `role_required`."""
        caller = self.access_codec.decode(text)
        if caller.generation < await self._floor(caller):
            raise Refusal(Code.TOKEN_REVOKED, "This token has been revoked.")
        return caller if role is None else await self.insist(caller, role)

    async def insist(self, caller: AccessToken, role: Role) -> AccessToken:
        """The caller, who holds the role. Raises `token_revoked`, `not_verified` or `role_required`."""
        if not caller.verified:
            caller = await self._seen_again(caller)
        caller.require(role)
        return caller

    async def _floor(self, caller: AccessToken) -> int:
        raised = await self.blocklist.floors([caller.session_id])
        if raised is not None:
            return raised.get(caller.session_id, 0)
        return (await self.truth.floors([caller.session_id])).get(caller.session_id, ENDED)

    async def _seen_again(self, caller: AccessToken) -> AccessToken:
        """Proving an address does not renew the tokens made before it, so for these the store is asked."""
        user = await self.directory.user(caller.user_id)
        if user is None:
            raise Refusal(Code.TOKEN_REVOKED, "This token has been revoked.")
        return replace(caller, verified=user.verified, role=user.role)
