"""Delete a user."""

from dataclasses import dataclass
from uuid import UUID

from application.administration.authorize_actor import authorize_actor
from application.administration.manage_user import ManageUser
from application.audit import Audit
from application.factors.require_fresh import LockCaller
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.role import Role
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUser:
    """Admins can delete users with a lower role, and themselves."""

    begin: UnitOfWorkFactory
    lock_caller: LockCaller
    manage: ManageUser
    audit: Audit

    async def __call__(self, caller: AccessToken, user_id: UUID, *, client_info: ClientInfo = UNKNOWN_CLIENT) -> None:
        """Raises `role_required`, `not_found`, `forbidden`, `token_revoked`, `step_up_required` or `last_admin`."""
        async with self.begin() as work:
            await work.users.lock(user_id, with_admins=True)
            actor, target = await authorize_actor(work, caller, user_id, role=Role.ADMIN)
            await self.lock_caller.check(work, caller, actor)
            await self.manage.delete(work, target)
            await self.audit.record(work, EventType.DELETED, user_id, by=actor.id, client_info=client_info)
