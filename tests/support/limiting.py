"""The harness of the contract tests of rate limiters: each implementation, with a clock that tests move."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from adapters.memory_rate_limiter import MemoryRateLimiter
from adapters.redis import rate_limiter
from adapters.redis.rate_limiter import RedisRateLimiter
from application.ports import RateLimiter, Reservation
from domain.rate_limits import RATES, Bucket, Limit, Rate
from domain.refusals import ErrorCode, Refusal
from tests.support.store_harness import NOW

SECRET = b"0123456789abcdef0123456789abcdef"
UNREACHABLE = "redis://127.0.0.1:1"
KEYS = "{latchkey}:limit:*"
CLOCK = "the clock of the tests"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ObservedRateLimiter(MemoryRateLimiter):
    def sizes(self) -> tuple[int, int]:
        """The stored attempts, and their buckets."""
        attempts = sum(map(len, self._logs.values()))
        assert attempts == self._stored
        return attempts, len(self._logs)


class Clock:
    """Stands still until a test moves it; so does the clock of the Redis scripts after `stopped`."""

    def __init__(self) -> None:
        self.now = NOW
        self.redis: Redis | None = None

    def __call__(self) -> datetime:
        return self.now

    async def move(self, delta: timedelta) -> None:
        self.now += delta
        if self.redis is not None:
            micros = (self.now - EPOCH) // timedelta(microseconds=1)
            await self.redis.delete(CLOCK)
            await self.redis.rpush(CLOCK, *map(str, divmod(micros, 1_000_000)))

    @contextlib.asynccontextmanager
    async def stopped(self, redis: "Redis") -> AsyncIterator[None]:
        """Replace the time of Redis by this clock in all of its scripts."""
        script = rate_limiter._SPEND.replace("redis.call('TIME')", f"redis.call('LRANGE', '{CLOCK}', 0, 1)")
        assert script != rate_limiter._SPEND
        self.redis = redis
        await self.move(timedelta(0))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rate_limiter, "_SPEND", script)
            yield


@dataclass
class LimiterHarness:
    """`rate_limiter` under test, and the clock that it uses."""

    rate_limiter: RateLimiter
    clock: Clock

    async def wait(self, delta: timedelta) -> None:
        await self.clock.move(delta)

    async def passes(self, *buckets: Bucket) -> Reservation:
        return await self.rate_limiter.acquire(*buckets)

    async def refuses(self, *buckets: Bucket) -> Refusal:
        return await refused(self.rate_limiter, *buckets)

    async def room(self, bucket: Bucket, *, most: int = 300) -> int:
        """How many attempts would still pass; the attempts made to count them are refunded."""
        reservations: list[Reservation] = []
        with contextlib.suppress(Refusal):
            while len(reservations) < most:
                reservations.append(await self.rate_limiter.acquire(bucket))
        for reservation in reservations:
            await self.rate_limiter.cancel(reservation)
        return len(reservations)


async def refused(rate_limiter: RateLimiter, *buckets: Bucket) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await rate_limiter.acquire(*buckets)
    assert caught.value.code is ErrorCode.RATE_LIMITED
    return caught.value


@contextlib.asynccontextmanager
async def counting(
    url: str,
    *,
    rates: Mapping[Limit, tuple[Rate, ...]] = RATES,
    fallback: RateLimiter | None = None,
    clock: Clock | None = None,
    secret: bytes = SECRET,
    deadline: float = 5.0,
    pause: float = 0.05,
) -> AsyncIterator[RedisRateLimiter]:
    other = fallback or MemoryRateLimiter(clock=clock or Clock(), rates=rates)
    rate_limiter = RedisRateLimiter(url, secret=secret, fallback=other, rates=rates, deadline=deadline, pause=pause)
    try:
        yield rate_limiter
    finally:
        await rate_limiter.close()
