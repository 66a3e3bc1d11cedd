"""Revoke an invitation."""

from dataclasses import dataclass
from uuid import UUID

from application.audit import Audit
from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.invitation import can_invite, invitation_not_found
from domain.refusals import ErrorCode, Refusal, role_required
from domain.role import Role
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeInvitation:
    """Users who could send an invitation can revoke it. An invitation that has expired can be revoked too."""

    begin: UnitOfWorkFactory
    audit: Audit
    clock: Clock

    async def __call__(
        self, caller: AccessToken, invitation_id: UUID, *, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> None:
        """Raises `role_required`, `forbidden`, or `not_found` if the invitation was accepted or revoked before."""
        async with self.begin() as work:
            actor = await work.users.by_id(caller.user_id)
            if actor is None or not can_invite(actor, Role.MEMBER):
                raise role_required(Role.MODERATOR)
            invitation = await work.invitations.by_id(invitation_id)
            if invitation is None:
                raise invitation_not_found()
            if not can_invite(actor, invitation.role):
                raise Refusal(ErrorCode.FORBIDDEN, "Only admins can revoke an invitation to a role above member.")
            if not await work.invitations.revoke(invitation_id, now=self.clock()):
                raise invitation_not_found()
            await self.audit.record(
                work, EventType.INVITATION_REVOKED, invitation.invited_by, by=actor.id, client_info=client_info
            )
