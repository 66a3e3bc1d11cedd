"""For the operator, who needs no role: find users, disable, enable or delete one."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.administer import remove_user, switch_user
from application.audit import Audit
from application.ports import Clock, NewId
from application.store import Begin, Work
from domain.address import normal_email, normal_username
from domain.event import Action
from domain.refusals import Code, Refusal, user_not_found
from domain.role import Role
from domain.user import User


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _named(work: Work, who: str) -> User | None:
    user_id = _as_id(who)
    if user_id is not None:
        return await work.users.by_id(user_id)
    if "@" in who:
        return await work.users.by_email(normal_email(who))
    return await work.users.by_username(normal_username(who))


async def _held(work: Work, who: str) -> User:
    """The user of that id, address or user name, locked together with all admins. Raises `not_found`, and
    `not_verified` where several unverified users share the address: then only an id names one of them."""
    user = await _named(work, who)
    if user is not None:
        await work.users.hold(user.id, governors=True)
        user = await work.users.by_id(user.id)
    if user is None:
        raise user_not_found()
    if not user.verified and _as_id(who) is None and await work.users.claims(user.email) > 1:
        raise Refusal(
            Code.NOT_VERIFIED,
            "Several unverified users share this address. Name one of them by its id: `users find` shows it.",
        )
    return user


@dataclass(frozen=True, slots=True, kw_only=True)
class FindUsers:
    begin: Begin

    async def __call__(self, *, query: str, role: Role | None = None, limit: int = 50) -> tuple[Sequence[User], bool]:
        """The user of that id, or those whose address or username begins with the query; without a query, all users.
        True where there are more than `limit`."""
        async with self.begin() as work:
            user_id = _as_id(query)
            if user_id is not None:
                user = await work.users.by_id(user_id)
                return [] if user is None or role not in {None, user.role} else [user], False
            found = await work.users.page(query=query.lower(), role=role, limit=limit + 1, after=None)
        return [it.user for it in found[:limit]], len(found) > limit


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchUser:
    begin: Begin
    audit: Audit
    clock: Clock

    async def __call__(self, *, who: str, disabled: bool) -> User:
        """The user, disabled or enabled; in force at the next request. Raises `not_found` or `last_admin`."""
        now = self.clock()
        async with self.begin() as work:
            user = await _held(work, who)
            await work.sessions.settled(user.id)
            if user.disabled is disabled:
                return user
            changed = await switch_user(work, user, disabled=disabled, now=now)
            action = Action.DISABLED if disabled else Action.ENABLED
            await self.audit.record(work, action, user.id)
            if changed is None:
                raise user_not_found()
            return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveUser:
    begin: Begin
    audit: Audit
    clock: Clock
    new_id: NewId

    async def __call__(self, *, who: str) -> User:
        """The user as it was. Raises `not_found` or `last_admin`."""
        now = self.clock()
        async with self.begin() as work:
            user = await _held(work, who)
            await remove_user(work, user, now=now, new_id=self.new_id)
            await self.audit.record(work, Action.DELETED, user.id)
        return user
