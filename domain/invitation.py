"""Invitations: a moderator lets the owner of a mailbox create a verified account."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.outbox import LinkPurpose
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.user import User


class RegistrationMode(StrEnum):
    """Who can create an account over HTTP. Operators create users in every mode."""

    OPEN = "open"
    INVITED = "invited"
    CLOSED = "closed"

    def require_registration(self) -> None:
        """Raises `registration_closed` unless everyone can register."""
        if self is not RegistrationMode.OPEN:
            raise registration_closed(by_invitation=self is RegistrationMode.INVITED)

    def require_invitations(self) -> None:
        """Raises `registration_closed` if invitations can be neither sent nor accepted."""
        if self is RegistrationMode.CLOSED:
            raise registration_closed()


class InvitationStatus(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """At most one invitation of an address is neither accepted nor revoked. `user_id` is the user who accepted it."""

    id: UUID
    email: str
    role: Role
    invited_by: UUID
    created_at: datetime
    user_id: UUID | None = None
    accepted_at: datetime | None = None
    revoked_at: datetime | None = None
    """Also set if a newer invitation has replaced this one."""

    @property
    def expires_at(self) -> datetime:
        return self.created_at + LinkPurpose.INVITE.lifetime

    def status(self, now: datetime) -> InvitationStatus:
        if self.accepted_at is not None:
            return InvitationStatus.ACCEPTED
        if self.revoked_at is not None:
            return InvitationStatus.REVOKED
        return InvitationStatus.OPEN if now < self.expires_at else InvitationStatus.EXPIRED

    def accepted(self, user_id: UUID, *, now: datetime) -> Self:
        return replace(self, user_id=user_id, accepted_at=now)

    def revoked(self, now: datetime) -> Self:
        return replace(self, revoked_at=now)

    def names(self, user: User) -> bool:
        """Whether the invitation is about this user: they accepted it, or it went to their verified address."""
        return self.user_id == user.id or (user.verified and self.email == user.email)


def can_invite(inviter: User | None, role: Role) -> bool:
    """Whether this user may invite another person to that role. Moderators invite members. Only admins give a higher
    role, as they do to existing users."""
    if inviter is None or not inviter.verified or inviter.disabled:
        return False
    return inviter.role.includes(Role.MODERATOR if role is Role.MEMBER else Role.ADMIN)


# -- refusals ---------------------------------------------------------------------------------------------


def email_taken() -> Refusal:
    """Only for callers who can list users: to others, every address looks the same."""
    return Refusal(ErrorCode.EMAIL_TAKEN, "A user with this e-mail address already exists.", field="email")


def registration_closed(*, by_invitation: bool = False) -> Refusal:
    text = "Registration is by invitation only." if by_invitation else "Registration is closed."
    return Refusal(ErrorCode.REGISTRATION_CLOSED, text)


def invitation_not_found() -> Refusal:
    return Refusal(ErrorCode.NOT_FOUND, "Invitation not found.")
