"""Rate limiter in Redis: a sliding log shared by all processes, so no time window admits more than its limit.

Each bucket holds its latest attempts with the time of Redis. One script checks all buckets of a call and writes to
all or none. Refused attempts are not counted, so repeating them does not extend the wait. Keys are digests under a
secret, so Redis never stores who is counted. If the first secret is replaced, counting starts again.

While Redis is down, slow or full, a fallback limiter counts. It starts at zero, so an outage grants one more budget.
"""

import asyncio
import hmac
import json
import logging
import secrets
from collections.abc import Collection, Mapping
from datetime import timedelta
from hashlib import blake2s
from typing import Any

from redis.exceptions import RedisError

from adapters.batching import Batcher
from adapters.redis.clients import COMMAND_TIMEOUT, async_client
from application.ports import RateLimiter, Reservation
from domain.rate_limits import RATES, Bucket, Limit, Rate
from domain.refusals import rate_limited

log = logging.getLogger(__name__)

# One hash tag keeps all keys in one slot of a cluster, so that one script may touch them.
_KEY = "{latchkey}:limit:"
_MICROSECOND = timedelta(microseconds=1)

# ARGV: an id for the attempt; then for each key the number of its rates, and for each rate its limit and its window
# in microseconds. If the nth newest attempt lies within the window, n attempts were made in it. Future attempts
# were counted before the clock was set back, and are ignored. Returns how long to wait, and for which key. A refusal
# writes nothing. ZADD comes first because a full Redis refuses it; after any other write it would refuse nothing.
_SPEND = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local later = string.format('(%.0f', now)
local wait, which, at, longest = 0, 0, 2, {}
for i, key in ipairs(KEYS) do
    local ahead = redis.call('ZCOUNT', key, later, '+inf')
    longest[i] = 0
    for rate = 1, tonumber(ARGV[at]) do
        local times, per = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
        local nth = redis.call('ZRANGE', key, -times - ahead, -times - ahead, 'WITHSCORES')
        if nth[2] and nth[2] + per - now > wait then wait, which = nth[2] + per - now, i end
        longest[i] = math.max(longest[i], per)
        at = at + 2
    end
    at = at + 1
end
if wait > 0 then return {wait, which} end
for i, key in ipairs(KEYS) do
    redis.call('ZADD', key, now, ARGV[1])
    redis.call('ZREMRANGEBYSCORE', key, later, '+inf')
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - longest[i])
    redis.call('PEXPIRE', key, math.ceil(longest[i] / 1000) + 1)
end
return {0, 0}
"""

_Command = tuple[str | int, ...]


class RedisRateLimiter(RateLimiter):
    """`secret` hides who is counted. A batch of commands has `deadline` seconds. After a failure the fallback counts
    for `pause` seconds; then one caller tries Redis again."""

    def __init__(
        self,
        url: str,
        *,
        secret: bytes,
        fallback: RateLimiter,
        rates: Mapping[Limit, tuple[Rate, ...]] = RATES,
        deadline: float = COMMAND_TIMEOUT,
        pause: float = 1.0,
    ) -> None:
        self._secret = hmac.digest(secret, b"latchkey.limits", "sha256")
        self._fallback = fallback
        self._rates = {limit: _arguments(some) for limit, some in rates.items()}
        self._pause = pause
        self._down = False
        self._paused_until = 0.0
        self._deadline = deadline
        self._redis = async_client(url, timeout=deadline)
        # A cancelled caller must neither break the connection nor take back its attempt.
        self._execute = Batcher(self._execute_batch)

    async def acquire(self, *buckets: Bucket) -> Reservation:
        reservation = Reservation(buckets, secrets.token_hex(8))
        rates = [argument for bucket in buckets for argument in self._rates[bucket.limit]]
        command: _Command = ("EVAL", _SPEND, len(buckets), *map(self._key, buckets), reservation.id, *rates)
        answers = await self._answers(command)
        if answers is None:
            return await self._fallback.acquire(*buckets)
        wait, which = answers[command]
        if wait:
            raise rate_limited(wait * _MICROSECOND, reason=buckets[which - 1].limit)
        return reservation

    async def cancel(self, reservation: Reservation) -> None:
        """Both limiters are called: the one that did not count the attempt does not know it."""
        await self._answers(*(("ZREM", self._key(bucket), reservation.id) for bucket in reservation.buckets))
        await self._fallback.cancel(reservation)

    async def reset(self, *buckets: Bucket) -> None:
        await self._answers(*(("DEL", self._key(bucket)) for bucket in buckets))
        await self._fallback.reset(*buckets)

    async def close(self) -> None:
        await self._execute.drain()
        await self._redis.aclose()

    def _key(self, bucket: Bucket) -> str:
        text = json.dumps([bucket.limit, *bucket.key]).encode()
        return f"{_KEY}{bucket.limit}:{blake2s(text, key=self._secret, digest_size=16).hexdigest()}"

    async def _answers(self, *commands: _Command) -> Mapping[_Command, Any] | None:
        """The answer to each command; None if Redis is not available."""
        if asyncio.get_running_loop().time() < self._paused_until:
            return None
        return await self._execute(commands)

    async def _execute_batch(self, commands: Collection[_Command]) -> Mapping[_Command, Any] | None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._paused_until:
            return None  # the batch before this one has failed
        if self._down:
            self._paused_until = loop.time() + self._pause  # this batch tries Redis; later callers do not wait for it
        try:
            answers = await self._pipelined(commands)
        except (RedisError, OSError) as error:
            self._paused_until = loop.time() + self._pause
            if not self._down:
                log.warning("rate_limits_per_process: Redis is not available: %s", error)
            self._down = True
            return None
        if self._down:
            log.warning("rate_limits_shared")
        self._down, self._paused_until = False, 0.0
        return answers

    async def _pipelined(self, commands: Collection[_Command]) -> Mapping[_Command, Any]:
        """Raises the first error among the answers, after all of them have been read."""
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        async with asyncio.timeout(self._deadline):
            answers = await pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        return dict(zip(commands, answers, strict=True))


def _arguments(rates: tuple[Rate, ...]) -> tuple[int, ...]:
    return (len(rates), *(number for rate in rates for number in (rate.times, rate.per // _MICROSECOND)))
