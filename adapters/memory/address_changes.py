"""Changes of address in a dictionary."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from anyio.lowlevel import checkpoint

from adapters.memory.rows import Rows
from application.repositories import AddressChanges
from domain.address_change import AddressChange


class MemoryAddressChanges(AddressChanges):
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def add(self, change: AddressChange) -> None:
        await checkpoint()
        self._rows.changes[change.id] = change

    async def by_id(self, change_id: UUID) -> AddressChange | None:
        await checkpoint()
        return self._rows.changes.get(change_id)

    async def of(self, user_id: UUID) -> Sequence[AddressChange]:
        await checkpoint()
        return sorted(self._of(user_id), key=lambda change: change.id, reverse=True)

    async def newest(self, user_id: UUID) -> AddressChange | None:
        await checkpoint()
        return max(self._of(user_id), key=lambda change: change.id, default=None)

    async def back_to(self, email: str, *, since: datetime) -> AddressChange | None:
        await checkpoint()
        found = [
            change
            for change in self._rows.changes.values()
            if change.old_email == email and change.closed_at is None and (change.confirmed_at or since) > since
        ]
        return max(found, key=lambda change: change.id, default=None)

    async def keep(self, change: AddressChange) -> None:
        await checkpoint()
        if change.id in self._rows.changes:
            self._rows.changes[change.id] = change

    async def close(self, user_id: UUID, *, now: datetime, since: int = 0, back_to: str | None = None) -> None:
        await checkpoint()
        for change in self._of(user_id):
            meant = change.credential_version >= since and back_to in (None, change.old_email)
            if meant and change.closed_at is None:
                self._rows.changes[change.id] = replace(change, closed_at=now)

    async def forget(self, user_id: UUID) -> None:
        await checkpoint()
        for change in self._of(user_id):
            if change.confirmed_at is None:
                del self._rows.changes[change.id]

    def _of(self, user_id: UUID) -> list[AddressChange]:
        return [change for change in self._rows.changes.values() if change.user_id == user_id]
