"""Changes of address in a dictionary."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from anyio.lowlevel import checkpoint

from adapters.memory.rows import Rows
from application.repositories import EmailChanges
from domain.email_change import EmailChange


class MemoryEmailChanges(EmailChanges):
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def add(self, change: EmailChange) -> None:
        await checkpoint()
        self._rows.email_changes[change.id] = change

    async def by_id(self, change_id: UUID) -> EmailChange | None:
        await checkpoint()
        return self._rows.email_changes.get(change_id)

    async def by_user(self, user_id: UUID) -> Sequence[EmailChange]:
        await checkpoint()
        return sorted(self._of(user_id), key=lambda change: change.id, reverse=True)

    async def newest(self, user_id: UUID) -> EmailChange | None:
        await checkpoint()
        return max(self._of(user_id), key=lambda change: change.id, default=None)

    async def newest_undoable(self, email: str, *, since: datetime) -> EmailChange | None:
        await checkpoint()
        candidates = [
            change
            for change in self._rows.email_changes.values()
            if change.old_email == email and change.closed_at is None and (change.confirmed_at or since) > since
        ]
        return max(candidates, key=lambda change: change.id, default=None)

    async def update(self, change: EmailChange) -> None:
        await checkpoint()
        if change.id in self._rows.email_changes:
            self._rows.email_changes[change.id] = change

    async def close(self, user_id: UUID, *, now: datetime, since: int = 0, back_to: str | None = None) -> None:
        await checkpoint()
        for change in self._of(user_id):
            meant = change.credential_version >= since and back_to in (None, change.old_email)
            if meant and change.closed_at is None:
                self._rows.email_changes[change.id] = replace(change, closed_at=now)

    async def delete_unconfirmed(self, user_id: UUID) -> None:
        await checkpoint()
        for change in self._of(user_id):
            if change.confirmed_at is None:
                del self._rows.email_changes[change.id]

    def _of(self, user_id: UUID) -> list[EmailChange]:
        return [change for change in self._rows.email_changes.values() if change.user_id == user_id]
