"""Change or remove the username. Only verified users own a name, the first one wins, and case is ignored."""

from dataclasses import dataclass

from application.ports import Clock, NewId
from application.store import Begin
from domain.address import chosen_username, normal_username
from domain.event import Action, Event
from domain.origin import NOWHERE, Origin
from domain.password import PasswordPolicy
from domain.refusals import Code, Refusal
from domain.token import AccessToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameMe:
    begin: Begin
    policy: PasswordPolicy
    clock: Clock
    new_id: NewId

    async def __call__(self, caller: AccessToken, *, username: str | None, origin: Origin = NOWHERE) -> User:
        """The user, renamed. Raises `username_invalid` or `username_taken`."""
        name = None if username is None else normal_username(username)
        async with self.begin() as work:
            user = await work.users.by_id(caller.user_id)
            if user is None:
                raise Refusal(Code.TOKEN_REVOKED, "This token has been revoked.")
            if user.username == name:
                return user
            if name is not None and name.lower() != (user.username or "").lower():
                chosen_username(name, product=self.policy.product)  # who has a reserved name keeps it
            holder = None if name is None else await work.users.by_username(name)
            if holder is not None and holder.verified and holder.id != user.id:
                raise _taken()
            renamed = await work.users.rename(user.id, name)
            if renamed is None:
                raise _taken()
            now = self.clock()
            event = Event.of(Action.USERNAME_CHANGED, user.id, id=self.new_id(), now=now, by=user.id, origin=origin)
            await work.events.add(event)
        return renamed


def _taken() -> Refusal:
    return Refusal(Code.USERNAME_TAKEN, "This username is already taken.", field="username")
