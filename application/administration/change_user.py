"""Change the role of a user, or disable or enable a user."""

from dataclasses import dataclass
from uuid import UUID

from application.administration.authorize_actor import authorize_actor
from application.administration.manage_user import ManageUser
from application.factors.require_fresh import LockCaller
from application.repositories import UnitOfWorkFactory
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.tokens import AccessToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUser:
    """The user must have a lower role than the actor, and the actor can grant at most their own role."""

    begin: UnitOfWorkFactory
    lock_caller: LockCaller
    manage: ManageUser

    async def __call__(
        self,
        caller: AccessToken,
        user_id: UUID,
        *,
        role: Role | None = None,
        disabled: bool | None = None,
        client_info: ClientInfo = UNKNOWN_CLIENT,
    ) -> User:
        """Raises `role_required`, `not_found`, `forbidden`, `token_revoked`, `step_up_required` or `last_admin`."""
        async with self.begin() as work:
            await work.users.lock(user_id, with_admins=True)
            actor, target = await authorize_actor(work, caller, user_id, role=Role.ADMIN)
            await self.lock_caller.check(work, caller, actor)
            if role is not None and not actor.role.includes(role):
                raise Refusal(ErrorCode.FORBIDDEN, "You cannot grant a role higher than your own.")
            # An earlier request may have made the change and not yet published it. This response waits for that too.
            await work.sessions.await_revocations(user_id)
            changed = target
            if disabled is not None and disabled != target.disabled:
                changed = await self.manage.set_disabled(work, target, disabled, by=actor.id, client_info=client_info)
            if role is not None and role is not target.role:
                changed = await self.manage.set_role(work, target, role, by=actor.id, client_info=client_info)
            return changed
