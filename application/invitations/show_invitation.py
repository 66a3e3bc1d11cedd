"""Show one invitation."""

from dataclasses import dataclass
from uuid import UUID

from application.repositories import UnitOfWorkFactory
from domain.invitation import Invitation, invitation_not_found


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowInvitation:
    begin: UnitOfWorkFactory

    async def __call__(self, invitation_id: UUID) -> Invitation:
        """Raises `not_found`."""
        async with self.begin() as work:
            invitation = await work.invitations.by_id(invitation_id)
        if invitation is None:
            raise invitation_not_found()
        return invitation
