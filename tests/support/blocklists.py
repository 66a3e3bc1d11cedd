"""Blocklists over a revocation store of a test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from redis.asyncio import Redis

from adapters.redis.blocklist import RedisBlocklist
from adapters.revocations import BlocklistPrimary, RevocationStore
from domain.session import ENDED
from tests.support.store_harness import LATER, NOW, wait_until

HORIZON = timedelta(minutes=11)


LEASE_KEY = "{latchkey}:complete"


def revocation_key(session: UUID) -> str:
    return "{latchkey}:floor:" + session.hex


@dataclass
class FakeRevocationStore(RevocationStore):
    """Minimum generations set by hand; a test may pause a read."""

    all: dict[UUID, int] = field(default_factory=dict)
    revoked_at: dict[UUID, datetime] = field(default_factory=dict)
    news: dict[UUID, int] = field(default_factory=dict)
    current_primary: BlocklistPrimary | None = None
    trouble: Exception | None = None
    reading: "asyncio.Event | None" = None
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, session: UUID, *, min_generation: int = ENDED, at: datetime = NOW) -> None:
        self.all[session] = self.news[session] = min_generation
        self.revoked_at[session] = at

    async def min_generations(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        return {session: self.all[session] for session in sessions if session in self.all}

    async def revoked(self, *, within: timedelta) -> Mapping[UUID, int]:
        await self._read()
        return {session: self.all[session] for session, at in self.revoked_at.items() if at >= LATER - within}

    async def pending(self) -> Mapping[UUID, int]:
        pending = dict(self.news)
        await self._read()
        return pending

    async def mark_published(self, min_generations: Mapping[UUID, int]) -> None:
        for session, generation in min_generations.items():
            if self.news.get(session) == generation:
                del self.news[session]

    async def primary(self) -> BlocklistPrimary | None:
        return self.current_primary

    async def promote(self, run_id: str, *, after: BlocklistPrimary | None) -> None:
        if self.current_primary == after:
            self.current_primary = BlocklistPrimary(run_id, 1 if after is None else after.epoch + 1)

    async def _read(self) -> None:
        if self.trouble is not None:
            raise self.trouble
        if self.reading is not None:
            self.reading.set()
            await self.go_on.wait()


@contextlib.asynccontextmanager
async def renewing(blocklist: RedisBlocklist, every: float = 0.02) -> AsyncIterator[None]:
    async def tend() -> None:
        while True:
            await blocklist.renew()
            await asyncio.sleep(every)

    task = asyncio.create_task(tend())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def trusted(blocklist: RedisBlocklist) -> None:
    """Renew until it is trusted; a new connection may cost a renewal."""
    async with asyncio.timeout(10):
        while await blocklist.min_generations([]) is None:
            await blocklist.renew()


async def gone(redis: "Redis", key: str) -> None:
    async def is_gone() -> bool:
        return not await redis.exists(key)

    await wait_until(is_gone, within=10)
