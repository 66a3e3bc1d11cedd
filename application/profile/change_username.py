"""Change or remove the username. A name belongs to the first verified user who has it, ignoring case."""

from dataclasses import dataclass

from application.audit import Audit
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.password import PasswordPolicy
from domain.refusals import token_revoked, username_taken
from domain.tokens import AccessToken
from domain.user import User
from domain.username import accept_username, normalize_username


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUsername:
    begin: UnitOfWorkFactory
    policy: PasswordPolicy
    audit: Audit

    async def __call__(
        self, caller: AccessToken, *, username: str | None, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> User:
        """Return the renamed user. Raises `username_invalid`, `username_taken` or `token_revoked`."""
        name = None if username is None else normalize_username(username)
        async with self.begin() as work:
            user = await work.users.by_id(caller.user_id)
            if user is None:
                raise token_revoked()
            if user.username == name:
                return user
            if name is not None and name.lower() != (user.username or "").lower():
                accept_username(name, product=self.policy.product)  # a user may keep a reserved name
            holder = None if name is None else await work.users.by_username(name)
            if holder is not None and holder.verified and holder.id != user.id:
                raise username_taken()
            renamed = await work.users.rename(user.id, name)
            if renamed is None:
                raise username_taken()
            await self.audit.record(work, EventType.USERNAME_CHANGED, user.id, by=user.id, client_info=client_info)
        return renamed
