"""The revocation store and the blocklist in memory."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID

from anyio.lowlevel import checkpoint

from adapters.memory.unit_of_work import MemoryStore
from adapters.revocations import Blocklist, BlocklistPrimary, RevocationStore


class MemoryRevocationStore(RevocationStore):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._primary: BlocklistPrimary | None = None

    async def min_generations(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        await checkpoint()
        rows = self._store.rows.sessions
        return {session: rows[session].effective_min_generation for session in sessions if session in rows}

    async def revoked(self, *, within: timedelta) -> Mapping[UUID, int]:
        rows = self._store.rows
        since = rows.clock() - within
        return await self.min_generations([session for session, at in rows.revoked_at.items() if at >= since])

    async def pending(self) -> Mapping[UUID, int]:
        return await self.min_generations(self._store.rows.revocation_pending)

    async def mark_published(self, min_generations: Mapping[UUID, int]) -> None:
        current = await self.min_generations(min_generations)
        self._store.rows.revocation_pending -= {
            session for session in current if current[session] == min_generations[session]
        }

    async def primary(self) -> BlocklistPrimary | None:
        await checkpoint()
        return self._primary

    async def promote(self, run_id: str, *, after: BlocklistPrimary | None) -> None:
        await checkpoint()
        if self._primary == after:
            self._primary = BlocklistPrimary(run_id, 1 if after is None else after.epoch + 1)


class MemoryBlocklist(Blocklist):
    """Cannot answer while `complete` is False."""

    def __init__(self) -> None:
        self.complete = True
        self.revoked: dict[UUID, int] = {}

    async def min_generations(self, sessions: Collection[UUID]) -> Mapping[UUID, int] | None:
        await checkpoint()
        if not self.complete:
            return None
        return {session: self.revoked[session] for session in sessions if session in self.revoked}

    async def publish(self, min_generations: Mapping[UUID, int]) -> None:
        await checkpoint()
        for session, generation in min_generations.items():
            self.revoked[session] = max(generation, self.revoked.get(session, 0))
