"""Invitations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.invitation import Invitation
from domain.user import User


class Invitations(Protocol):
    """Lock users before changing invitations, to avoid deadlocks. Deleting a user's history deletes the invitations
    that name the user."""

    async def lock_email(self, email: str) -> Invitation | None:
        """The invitation of the address that is neither accepted nor revoked, though it may have expired. Other such
        calls for the address wait until this unit of work ends."""
        ...

    async def add(self, invitation: Invitation) -> None:
        """Insert an invitation. Call `lock_email` and revoke the earlier one first."""
        ...

    async def by_id(self, invitation_id: UUID) -> Invitation | None: ...

    async def by_user(self, user: User) -> Sequence[Invitation]:
        """The invitations that name the user (`Invitation.names`), newest first."""
        ...

    async def page(self, *, limit: int, after: UUID | None) -> Sequence[Invitation]:
        """All stored invitations, newest first. `after` is the id of the last one of the page before."""
        ...

    async def accept(self, invitation_id: UUID, *, user_id: UUID, now: datetime) -> bool:
        """Return False if the invitation was accepted or revoked before, also by a transaction that commits at this
        moment."""
        ...

    async def revoke(self, invitation_id: UUID, *, now: datetime) -> bool:
        """Return False as `accept` does."""
        ...
