"""The caller, as the store knows them now."""

from dataclasses import dataclass

from application.store import Begin
from domain.refusals import Code, Refusal
from domain.token import AccessToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowMe:
    begin: Begin

    async def __call__(self, caller: AccessToken) -> User:
        async with self.begin() as work:
            user = await work.users.by_id(caller.user_id)
        if user is None:
            raise Refusal(Code.TOKEN_REVOKED, "This token is no longer welcome.")
        return user
