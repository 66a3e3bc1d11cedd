"""Counts revocations that Redis holds and PostgreSQL lacks: PostgreSQL was restored to an older state."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from adapters.redis.blocklist.commands import REVOCATION
from adapters.redis.clients import async_client
from adapters.revocations import RevocationStore
from domain.refusals import Refusal

BATCH = 1000
"""Revocations that are compared at once."""

log = logging.getLogger(__name__)


class LostRevocations:
    """Redis is written after PostgreSQL has committed, so it has more only if PostgreSQL went back in time."""

    def __init__(self, url: str, store: RevocationStore, *, deadline: float = 2.0) -> None:
        self._url = url
        self._store = store
        self._deadline = deadline
        self.last_count: int | None = None
        """The last count; None before the first one that succeeded."""

    async def count(self) -> int:
        """The number of sessions concerned. Raises RedisError, OSError or `unavailable`."""
        redis = async_client(self._url, timeout=self._deadline)
        lost, keys = 0, list[bytes]()
        try:
            async for key in redis.scan_iter(match=f"{REVOCATION}*", count=BATCH):
                keys.append(key)
                if len(keys) == BATCH:
                    lost += await self._lost_among(redis, keys)
                    keys.clear()
            lost += await self._lost_among(redis, keys)
        finally:
            await redis.aclose()
        if lost and not self.last_count:
            log.error("revocations_lost", extra={"sessions": lost})
        self.last_count = lost
        return lost

    async def count_if_possible(self) -> None:
        with suppress(RedisError, OSError, Refusal):
            await self.count()

    async def _lost_among(self, redis: Redis, keys: Sequence[bytes]) -> int:
        if not keys:
            return 0
        sessions = [UUID(key.decode().removeprefix(REVOCATION)) for key in keys]
        in_redis = dict(zip(sessions, await redis.mget(keys), strict=True))
        stored = await self._store.min_generations(sessions)
        return sum(value is not None and int(value) > stored.get(session, 0) for session, value in in_redis.items())
