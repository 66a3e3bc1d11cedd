"""Health of the dependencies, PostgreSQL and Redis: for readiness and for the metrics."""

import asyncio
import threading
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from adapters.postgres.outbox_backlog import Backlog, PostgresBacklog
from adapters.redis.blocklist import RedisBlocklist
from adapters.redis.lost_revocations import LostRevocations
from adapters.revocations import RevocationStore
from domain.refusals import Refusal

T = TypeVar("T")

shutting_down = threading.Event()
"""Set when this process shuts down: readiness fails from then on."""


@dataclass(frozen=True, slots=True)
class Health:
    """The health check of readiness."""

    store: RevocationStore
    blocklist: RedisBlocklist

    async def unhealthy(self) -> list[str]:
        """The names of the dependencies that do not answer."""
        database, redis = await asyncio.gather(self._database_answers(), self.blocklist.is_healthy())
        return [name for name, answers in (("database", database), ("redis", redis)) if not answers]

    async def _database_answers(self) -> bool:
        try:
            await self.store.min_generations([])
        except Refusal:
            return False
        return True


@dataclass(frozen=True, slots=True)
class DependencyProbe:
    """The probe of the metrics. A dependency that does not answer within `deadline` seconds is down."""

    backlog: PostgresBacklog
    blocklist: RedisBlocklist
    deadline: float = 1.0
    lost: LostRevocations | None = None

    @property
    def lost_revocations(self) -> int | None:
        """The number of revocations that PostgreSQL has lost; None if unknown."""
        return None if self.lost is None else self.lost.last_count

    async def probe(self) -> tuple[dict[str, bool], Backlog | None]:
        """Which dependencies are up, and the state of the outbox; None if PostgreSQL is down. Raises nothing."""
        backlog, redis = await asyncio.gather(
            self._in_time(self.backlog.read()), self._in_time(self.blocklist.is_healthy())
        )
        return {"database": backlog is not None, "redis": redis or False}, backlog

    async def _in_time(self, answer: Awaitable[T]) -> T | None:
        with suppress(Exception):
            async with asyncio.timeout(self.deadline):
                return await answer
        return None
