"""End all sessions of a user."""

from dataclasses import dataclass
from uuid import UUID

from application.administration.authorize_actor import authorize_actor
from application.administration.manage_user import ManageUser
from application.repositories import UnitOfWorkFactory
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.role import Role
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminRevokeSessions:
    """Moderators and admins can end the sessions of users with a lower role, and their own."""

    begin: UnitOfWorkFactory
    manage: ManageUser

    async def __call__(self, caller: AccessToken, user_id: UUID, *, client_info: ClientInfo = UNKNOWN_CLIENT) -> None:
        """Raises `role_required`, `not_found` or `forbidden`."""
        async with self.begin() as work:
            actor, _ = await authorize_actor(work, caller, user_id, role=Role.MODERATOR)
            await self.manage.end_sessions(work, user_id, by=actor.id, client_info=client_info)
