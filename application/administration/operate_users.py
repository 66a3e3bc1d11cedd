"""For operators, who need no role: find users, grant a role, disable, enable or delete one."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.administration.manage_user import ManageUser
from application.administration.operator_lookup import locked_unambiguous_user, locked_user, user_id_in
from application.audit import Audit
from application.repositories import Begin
from domain.address import normal_email
from domain.event import Action
from domain.refusals import Code, Refusal
from domain.role import Role
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class FindUsers:
    begin: Begin

    async def __call__(self, *, query: str, role: Role | None = None, limit: int = 50) -> tuple[Sequence[User], bool]:
        """The user of that id, or those whose address or username begins with the query; without a query, all users.
        True where there are more than `limit`."""
        async with self.begin() as work:
            user_id = user_id_in(query)
            if user_id is not None:
                user = await work.users.by_id(user_id)
                return [] if user is None or role not in {None, user.role} else [user], False
            found = await work.users.page(query=query.lower(), role=role, limit=limit + 1, after=None)
        return [it.user for it in found[:limit]], len(found) > limit


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRole:
    begin: Begin
    manage: ManageUser

    async def __call__(self, *, email: str, role: Role) -> User:
        """Raises `not_found`, `not_verified` or `last_admin`."""
        address = normal_email(email)
        async with self.begin() as work:
            user = await locked_user(work, address)
            if not user.verified:
                raise Refusal(
                    Code.NOT_VERIFIED,
                    "This address is not verified, so anyone may have registered it. Its owner has to follow the"
                    " link in the mail first; or create the user with `users create --verified`, which removes the"
                    " unverified ones.",
                )
            await work.sessions.settled(user.id)
            return user if user.role is role else await self.manage.set_role(work, user, role)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchUser:
    begin: Begin
    manage: ManageUser

    async def __call__(self, *, who: str, disabled: bool) -> User:
        """The user, disabled or enabled; in force at the next request. Raises `not_found` or `last_admin`."""
        async with self.begin() as work:
            user = await locked_unambiguous_user(work, who)
            await work.sessions.settled(user.id)
            return user if user.disabled is disabled else await self.manage.set_disabled(work, user, disabled)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveUser:
    begin: Begin
    manage: ManageUser
    audit: Audit

    async def __call__(self, *, who: str) -> User:
        """The user as it was. Raises `not_found` or `last_admin`."""
        async with self.begin() as work:
            user = await locked_unambiguous_user(work, who)
            await self.manage.delete(work, user)
            await self.audit.record(work, Action.DELETED, user.id)
        return user
