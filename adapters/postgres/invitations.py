"""Invitations in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, insert, or_, select, update

from adapters.postgres.connection import Connection, Row
from adapters.postgres.tables import invitations
from adapters.postgres.user_queries import lock_email
from application.repositories import Invitations
from domain.invitation import Invitation
from domain.role import Role
from domain.user import User

_LIVE = and_(invitations.c.accepted_at.is_(None), invitations.c.revoked_at.is_(None))


class PostgresInvitations(Invitations):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_email(self, email: str) -> Invitation | None:
        await lock_email(self._connection, email)
        found = await self._all(select(invitations).where(invitations.c.email == email, _LIVE))
        return found[0] if found else None

    async def add(self, invitation: Invitation) -> None:
        await self._connection.execute(insert(invitations).values(_row_of(invitation)))

    async def by_id(self, invitation_id: UUID) -> Invitation | None:
        found = await self._all(select(invitations).where(invitations.c.id == invitation_id))
        return found[0] if found else None

    async def by_user(self, user: User) -> Sequence[Invitation]:
        named = invitations.c.user_id == user.id
        if user.verified:
            named = or_(named, invitations.c.email == user.email)
        return await self._all(select(invitations).where(named).order_by(invitations.c.id.desc()))

    async def page(self, *, limit: int, after: UUID | None) -> Sequence[Invitation]:
        newest_first = select(invitations).order_by(invitations.c.id.desc()).limit(limit)
        return await self._all(newest_first if after is None else newest_first.where(invitations.c.id < after))

    async def accept(self, invitation_id: UUID, *, user_id: UUID, now: datetime) -> bool:
        return await self._close(invitation_id, user_id=user_id, accepted_at=now)

    async def revoke(self, invitation_id: UUID, *, now: datetime) -> bool:
        return await self._close(invitation_id, revoked_at=now)

    async def _close(self, invitation_id: UUID, **values: object) -> bool:
        closed = update(invitations).where(invitations.c.id == invitation_id, _LIVE).values(values)
        return await self._connection.execute(closed) == 1

    async def _all(self, statement: Any) -> list[Invitation]:
        return [_invitation_of(row) for row in await self._connection.fetch(statement)]


def _invitation_of(row: Row) -> Invitation:
    return Invitation(
        id=row["id"],
        email=row["email"],
        role=Role(row["role"]),
        invited_by=row["invited_by"],
        created_at=row["created_at"],
        user_id=row["user_id"],
        accepted_at=row["accepted_at"],
        revoked_at=row["revoked_at"],
    )


def _row_of(invitation: Invitation) -> dict[str, Any]:
    return {
        "id": invitation.id,
        "email": invitation.email,
        "role": invitation.role.value,
        "invited_by": invitation.invited_by,
        "created_at": invitation.created_at,
        "user_id": invitation.user_id,
        "accepted_at": invitation.accepted_at,
        "revoked_at": invitation.revoked_at,
    }
