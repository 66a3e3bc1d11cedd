"""Show the caller's current data."""

from dataclasses import dataclass

from application.ports import UserLookup
from domain.refusals import token_revoked
from domain.tokens import AccessToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowMe:
    user_lookup: UserLookup

    async def __call__(self, caller: AccessToken) -> User:
        """Raises `token_revoked` if the user is gone."""
        user = await self.user_lookup.user(caller.user_id)
        if user is None:
            raise token_revoked()
        return user
