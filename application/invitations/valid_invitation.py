"""Check that an invitation is still valid: at its delivery, when its page is opened, and when it is accepted."""

from datetime import datetime
from uuid import UUID

from application.repositories import UnitOfWork
from domain.invitation import Invitation, InvitationStatus, can_invite


async def valid_invitation(work: UnitOfWork, invitation_id: UUID, *, now: datetime) -> Invitation | None:
    """Return the invitation, or None if it is not open, its inviter could no longer send it, or a verified user has
    the address."""
    invitation = await work.invitations.by_id(invitation_id)
    if invitation is None or invitation.status(now) is not InvitationStatus.OPEN:
        return None
    if not can_invite(await work.users.by_id(invitation.invited_by), invitation.role):
        return None
    holder = await work.users.by_email(invitation.email)
    return None if holder is not None and holder.verified else invitation
