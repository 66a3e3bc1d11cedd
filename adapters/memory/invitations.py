"""Invitations in a dictionary."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from anyio.lowlevel import checkpoint

from adapters.memory.rows import Rows
from application.repositories import Invitations
from domain.invitation import Invitation
from domain.user import User


class MemoryInvitations(Invitations):
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def lock_email(self, email: str) -> Invitation | None:
        await checkpoint()
        return next((one for one in self._rows.invitations.values() if one.email == email and _is_live(one)), None)

    async def add(self, invitation: Invitation) -> None:
        await checkpoint()
        self._rows.invitations[invitation.id] = invitation

    async def by_id(self, invitation_id: UUID) -> Invitation | None:
        await checkpoint()
        return self._rows.invitations.get(invitation_id)

    async def by_user(self, user: User) -> Sequence[Invitation]:
        await checkpoint()
        return _newest_first(one for one in self._rows.invitations.values() if one.names(user))

    async def page(self, *, limit: int, after: UUID | None) -> Sequence[Invitation]:
        await checkpoint()
        return _newest_first(one for id, one in self._rows.invitations.items() if after is None or id < after)[:limit]

    async def accept(self, invitation_id: UUID, *, user_id: UUID, now: datetime) -> bool:
        await checkpoint()
        return self._close(invitation_id, lambda one: one.accepted(user_id, now=now))

    async def revoke(self, invitation_id: UUID, *, now: datetime) -> bool:
        await checkpoint()
        return self._close(invitation_id, lambda one: one.revoked(now))

    def _close(self, invitation_id: UUID, change: Callable[[Invitation], Invitation]) -> bool:
        invitation = self._rows.invitations.get(invitation_id)
        if invitation is None or not _is_live(invitation):
            return False
        self._rows.invitations[invitation_id] = change(invitation)
        return True


def _is_live(invitation: Invitation) -> bool:
    return invitation.accepted_at is None and invitation.revoked_at is None


def _newest_first(invitations: Iterable[Invitation]) -> list[Invitation]:
    return sorted(invitations, key=lambda one: one.id, reverse=True)
