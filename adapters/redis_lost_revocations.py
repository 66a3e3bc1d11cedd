"""Revocations that Redis holds and PostgreSQL does not: PostgreSQL was restored to an older state."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from adapters.redis_connections import asynchronous
from adapters.redis_places import FLOOR
from application.ports import Floors
from domain.refusals import Refusal

SOME = 1000
"""How many are compared at once."""

log = logging.getLogger(__name__)


class LostRevocations:
    """Redis is written after PostgreSQL has committed, so it never knows more, unless PostgreSQL went back."""

    def __init__(self, url: str, truth: Floors, *, deadline: float = 2.0) -> None:
        self._url = url
        self._truth = truth
        self._deadline = deadline
        self.found: int | None = None
        """By the last look; None before the first that succeeded."""

    async def look(self) -> int:
        """How many sessions are concerned. Raises RedisError, OSError or `unavailable`."""
        redis = asynchronous(self._url, deadline=self._deadline)
        lost, keys = 0, list[bytes]()
        try:
            async for key in redis.scan_iter(match=f"{FLOOR}*", count=SOME):
                keys.append(key)
                if len(keys) == SOME:
                    lost += await self._lost_among(redis, keys)
                    keys.clear()
            lost += await self._lost_among(redis, keys)
        finally:
            await redis.aclose()
        if lost and not self.found:
            log.error("revocations_lost", extra={"sessions": lost})
        self.found = lost
        return lost

    async def look_if_possible(self) -> None:
        with suppress(RedisError, OSError, Refusal):
            await self.look()

    async def _lost_among(self, redis: Redis, keys: Sequence[bytes]) -> int:
        if not keys:
            return 0
        floors = dict(
            zip((UUID(key.decode().removeprefix(FLOOR)) for key in keys), await redis.mget(keys), strict=True)
        )
        known = await self._truth.floors(floors)
        return sum(floor is not None and int(floor) > known.get(session, 0) for session, floor in floors.items())
