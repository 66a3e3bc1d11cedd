"""The truth about sessions, and the fast copy of it, in memory."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID

from anyio.lowlevel import checkpoint

from adapters.memory.memory_store import MemoryStore
from application.ports import Blocklist, Floors, Seat


class MemoryFloors(Floors):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._seat: Seat | None = None

    async def floors(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        await checkpoint()
        kept = self._store.rows.sessions
        return {session: kept[session].lowest_welcome for session in sessions if session in kept}

    async def raised(self, *, within: timedelta) -> Mapping[UUID, int]:
        rows = self._store.rows
        since = rows.clock() - within
        return await self.floors([session for session, at in rows.raised_at.items() if at >= since])

    async def unpublished(self) -> Mapping[UUID, int]:
        return await self.floors(self._store.rows.unpublished)

    async def published(self, floors: Mapping[UUID, int]) -> None:
        same = {session for session, floor in (await self.floors(floors)).items() if floor == floors[session]}
        self._store.rows.unpublished -= same

    async def seat(self) -> Seat | None:
        await checkpoint()
        return self._seat

    async def take_seat(self, server: str, *, after: Seat | None) -> None:
        await checkpoint()
        if self._seat == after:
            self._seat = Seat(server, 1 if after is None else after.number + 1)


class MemoryBlocklist(Blocklist):
    """`complete` is False while it may not be believed."""

    def __init__(self) -> None:
        self.complete = True
        self.raised: dict[UUID, int] = {}

    async def floors(self, sessions: Collection[UUID]) -> Mapping[UUID, int] | None:
        await checkpoint()
        if not self.complete:
            return None
        return {session: self.raised[session] for session in sessions if session in self.raised}

    async def publish(self, floors: Mapping[UUID, int]) -> None:
        await checkpoint()
        for session, floor in floors.items():
            self.raised[session] = max(floor, self.raised.get(session, 0))
