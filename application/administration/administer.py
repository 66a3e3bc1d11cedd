"""What moderators and admins do to other users. Their rights are read from the store, not from the token."""

from dataclasses import dataclass
from uuid import UUID

from application.administration.manage_user import ManageUser
from application.audit import Audit
from application.repositories import Begin, UnitOfWork
from domain.event import Action
from domain.origin import NOWHERE, Origin
from domain.refusals import Code, Refusal, role_required, user_not_found
from domain.role import Role
from domain.token import AccessToken
from domain.user import User


async def authorize_actor(work: UnitOfWork, caller: AccessToken, target_id: UUID, *, role: Role) -> tuple[User, User]:
    """The actor and the target as they are now. Raises `role_required`, `not_found` or `forbidden`."""
    actor = await work.users.by_id(caller.user_id)
    if actor is None or actor.disabled or not actor.verified or not actor.role.includes(role):
        raise role_required(role)
    target = await work.users.by_id(target_id)
    if target is None:
        raise user_not_found()
    if not actor.may_touch(target):
        raise Refusal(Code.FORBIDDEN, "You can only manage users with a lower role than yours.")
    return actor, target


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUser:
    """Grant a role, disable or enable. An actor grants at most its own role."""

    begin: Begin
    manage: ManageUser

    async def __call__(
        self,
        caller: AccessToken,
        user_id: UUID,
        *,
        role: Role | None = None,
        disabled: bool | None = None,
        origin: Origin = NOWHERE,
    ) -> User:
        async with self.begin() as work:
            await work.users.hold(user_id, governors=True)
            actor, target = await authorize_actor(work, caller, user_id, role=Role.ADMIN)
            if role is not None and not actor.role.includes(role):
                raise Refusal(Code.FORBIDDEN, "You cannot grant a role higher than your own.")
            # Asked for a second time, it may be done and yet not in force everywhere: this answer waits as well.
            await work.sessions.settled(user_id)
            changed = target
            if disabled is not None and disabled != target.disabled:
                changed = await self.manage.set_disabled(work, target, disabled, by=actor.id, origin=origin)
            if role is not None and role is not target.role:
                changed = await self.manage.set_role(work, target, role, by=actor.id, origin=origin)
            return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSessions:
    """End all sessions of a user with a lower role."""

    begin: Begin
    manage: ManageUser

    async def __call__(self, caller: AccessToken, user_id: UUID, *, origin: Origin = NOWHERE) -> None:
        async with self.begin() as work:
            actor, _ = await authorize_actor(work, caller, user_id, role=Role.MODERATOR)
            await self.manage.end_sessions(work, user_id, by=actor.id, origin=origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUser:
    """Delete a user with a lower role, or oneself."""

    begin: Begin
    manage: ManageUser
    audit: Audit

    async def __call__(self, caller: AccessToken, user_id: UUID, *, origin: Origin = NOWHERE) -> None:
        async with self.begin() as work:
            await work.users.hold(user_id, governors=True)
            actor, target = await authorize_actor(work, caller, user_id, role=Role.ADMIN)
            await self.manage.delete(work, target)
            await self.audit.record(work, Action.DELETED, user_id, by=actor.id, origin=origin)
