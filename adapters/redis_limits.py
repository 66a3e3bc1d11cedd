"""Attempts counted in Redis, for all processes at once and exactly: in no stretch of time do more pass than allowed.

Of each bucket the last attempts are kept, each with the time that Redis gave it; one script looks at all buckets of a
call and writes into all, or none. Refused attempts are not counted, so repeating them does not
extend the wait. Redis never sees who is counted: a key is a digest under a secret. If the first
secret is replaced, counting starts again.

While Redis is gone, slow or full, another stands in. It begins from nought, so an outage is worth one more budget.
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
from adapters.redis_line import RedisLine
from adapters.redis_places import DEADLINE
from application.ports import Limits, Receipt
from domain.limits import RATES, Bucket, Limit, Rate
from domain.refusals import rate_limited

log = logging.getLogger(__name__)

# One hash tag keeps all keys in one slot of a cluster, so that one script may touch them.
_KEY = "{latchkey}:limit:"
_MICROSECOND = timedelta(microseconds=1)

# ARGV: a mark, then for each key the number of its rates, and of each rate how many and in how many microseconds.
# Where the nth newest attempt lies within its stretch of time, n have passed. What lies ahead was counted before the
# clock was set back, and is worth nothing. Answers how long to wait, and for which key. A refusal writes nothing, and
# the first thing written is one that a full Redis denies: after any other write it would deny nothing to a script.
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


class RedisLimits(Limits):
    """`secret` hides who is counted. A command has `deadline` seconds; after a failure Redis is let alone for `pause`
    seconds, then one caller asks it again."""

    def __init__(
        self,
        url: str,
        *,
        secret: bytes,
        stand_in: Limits,
        rates: Mapping[Limit, tuple[Rate, ...]] = RATES,
        deadline: float = DEADLINE,
        pause: float = 1.0,
    ) -> None:
        self._secret = hmac.digest(secret, b"latchkey.limits", "sha256")
        self._stand_in = stand_in
        self._rates = {limit: _written(some) for limit, some in rates.items()}
        self._pause = pause
        self._down = False
        self._let_alone_until = 0.0
        self._redis = RedisLine(url, deadline=deadline)
        # Callers may be cancelled at any time: the connection must survive it, and what they spent stays spent.
        self._asking = Batcher(self._ask)

    async def spend(self, *buckets: Bucket) -> Receipt:
        receipt = Receipt(buckets, secrets.token_hex(8))
        rates = [word for bucket in buckets for word in self._rates[bucket.limit]]
        command: _Command = ("EVAL", _SPEND, len(buckets), *map(self._key, buckets), receipt.mark, *rates)
        answers = await self._answers(command)
        if answers is None:
            return await self._stand_in.spend(*buckets)
        wait, which = answers[command]
        if wait:
            raise rate_limited(wait * _MICROSECOND, reason=buckets[which - 1].limit)
        return receipt

    async def refund(self, receipt: Receipt) -> None:
        """Call both: the limiter that did not count it does not know the mark."""
        await self._answers(*(("ZREM", self._key(bucket), receipt.mark) for bucket in receipt.buckets))
        await self._stand_in.refund(receipt)

    async def forget(self, *buckets: Bucket) -> None:
        await self._answers(*(("DEL", self._key(bucket)) for bucket in buckets))
        await self._stand_in.forget(*buckets)

    async def close(self) -> None:
        await self._asking.drain()
        await self._redis.hang_up()

    def _key(self, bucket: Bucket) -> str:
        text = json.dumps([bucket.limit, *bucket.key]).encode()
        return f"{_KEY}{bucket.limit}:{blake2s(text, key=self._secret, digest_size=16).hexdigest()}"

    async def _answers(self, *commands: _Command) -> Mapping[_Command, Any] | None:
        """What Redis says to each; None where it says nothing."""
        if asyncio.get_running_loop().time() < self._let_alone_until:
            return None
        return await self._asking(commands)

    async def _ask(self, commands: Collection[_Command]) -> Mapping[_Command, Any] | None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._let_alone_until:
            return None  # they waited while it failed others
        asked = list(commands)
        if self._down:
            self._let_alone_until = loop.time() + self._pause  # one call checks, and the others do not wait for it
        try:
            answers = await self._redis.all(*asked)
        except (RedisError, OSError) as error:
            self._let_alone_until = loop.time() + self._pause
            if not self._down:
                log.warning("rate_limits_per_process: Redis is not available: %s", error)
            self._down = True
            return None
        if self._down:
            log.warning("rate_limits_shared")
        self._down, self._let_alone_until = False, 0.0
        return dict(zip(asked, answers, strict=True))


def _written(rates: tuple[Rate, ...]) -> tuple[int, ...]:
    return (len(rates), *(number for rate in rates for number in (rate.times, rate.per // _MICROSECOND)))
