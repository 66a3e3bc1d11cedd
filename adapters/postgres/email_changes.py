"""Changes of e-mail address in PostgreSQL. Callers lock the user first, so updates need no conditions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from adapters.postgres.connection import Connection, Row
from adapters.postgres.tables import address_changes
from application.repositories import EmailChanges
from domain.email_change import EmailChange


class PostgresEmailChanges(EmailChanges):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, change: EmailChange) -> None:
        await self._connection.execute(insert(address_changes).values(_row_of_change(change)))

    async def by_id(self, change_id: UUID) -> EmailChange | None:
        return await self._one(select(address_changes).where(address_changes.c.id == change_id))

    async def by_user(self, user_id: UUID) -> Sequence[EmailChange]:
        query = select(address_changes).where(address_changes.c.user_id == user_id)
        rows = await self._connection.fetch(query.order_by(address_changes.c.id.desc()))
        return [_change_of(row) for row in rows]

    async def newest(self, user_id: UUID) -> EmailChange | None:
        query = select(address_changes).where(address_changes.c.user_id == user_id)
        return await self._one(query.order_by(address_changes.c.id.desc()).limit(1))

    async def newest_undoable(self, email: str, *, since: datetime) -> EmailChange | None:
        away = select(address_changes).where(
            address_changes.c.old_email == email,
            address_changes.c.confirmed_at > since,
            address_changes.c.closed_at.is_(None),
        )
        return await self._one(away.order_by(address_changes.c.id.desc()).limit(1))

    async def update(self, change: EmailChange) -> None:
        statement = update(address_changes).where(address_changes.c.id == change.id)
        await self._connection.execute(statement.values(_row_of_change(change)))

    async def close(self, user_id: UUID, *, now: datetime, since: int = 0, back_to: str | None = None) -> None:
        closed = update(address_changes).where(
            address_changes.c.user_id == user_id,
            address_changes.c.credential_version >= since,
            address_changes.c.closed_at.is_(None),
        )
        if back_to is not None:
            closed = closed.where(address_changes.c.old_email == back_to)
        await self._connection.execute(closed.values(closed_at=now))

    async def delete_unconfirmed(self, user_id: UUID) -> None:
        of_user = address_changes.c.user_id == user_id
        await self._connection.execute(
            delete(address_changes).where(of_user, address_changes.c.confirmed_at.is_(None))
        )

    async def _one(self, statement: Any) -> EmailChange | None:
        row = await self._connection.fetch_row(statement)
        return None if row is None else _change_of(row)


def _change_of(row: Row) -> EmailChange:
    return EmailChange(
        id=row["id"],
        user_id=row["user_id"],
        old_email=row["old_email"],
        new_email=row["new_email"],
        credential_version=row["credential_version"],
        asked_at=row["asked_at"],
        confirmed_at=row["confirmed_at"],
        closed_at=row["closed_at"],
        factor_version=row["factor_version"],
    )


def _row_of_change(change: EmailChange) -> dict[str, Any]:
    return {
        "id": change.id,
        "user_id": change.user_id,
        "old_email": change.old_email,
        "new_email": change.new_email,
        "credential_version": change.credential_version,
        "asked_at": change.asked_at,
        "confirmed_at": change.confirmed_at,
        "closed_at": change.closed_at,
        "factor_version": change.factor_version,
    }
