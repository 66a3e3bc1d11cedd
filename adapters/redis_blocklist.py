"""A cache of revocations (raised floors) in Redis, trusted only while a lease says that it is complete.

Redis may be down, emptied, restored from an old backup or unreachable for one process; none of that may let a revoked
token in. So the cache has a mark that says "everything is here" and lives for one `lease`. A process renews it only
after it has copied all that PostgreSQL knows and the cache may lack. A revocation that cannot be published waits
until the mark has expired: the old lease predates it; any new lease will include it.
A process that had to reconnect may be on another server, and trusts nothing before it has copied everything.
A witness key is written first: if Redis is emptied while it is being filled, the witness is gone as well.

Two servers may be alive at once, after a failover or a change of address. So PostgreSQL stores the server that
counts, its seat with a number (fencing), and the mark carries that name: it is not valid on another server or in
another seat. A process renews it only after it has checked the seat last. A process that connects to another server
gives it the seat, and waits until every mark of the previous one has expired; what was revoked there under such a
mark is copied then. A revocation where no mark lives waits, as if Redis were down. A process that lost the seat looks
up the server again, and claims the seat again after `patience`.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID, uuid4

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from adapters.batching import Batcher
from adapters.redis_line import RedisLine
from adapters.redis_places import DEADLINE
from adapters.redis_places import FLOOR as _FLOOR
from application.ports import Blocklist, Floors, Seat

log = logging.getLogger(__name__)

# One hash tag keeps all keys in one slot of a cluster, so that they can be asked together.
_MARK = "{latchkey}:complete"
_WITNESS = "{latchkey}:witness:"
_BEGIN = """
local memory = redis.call('INFO', 'memory')
if not memory:find('maxmemory:0', 1, true) and not memory:find('maxmemory_policy:noeviction', 1, true) then
    return redis.error_reply('EVICTS what a blocklist must keep; set maxmemory-policy to noeviction')
end
redis.call('SET', KEYS[2], 1, 'PX', ARGV[1])
return {redis.call('PTTL', KEYS[1]), redis.call('GET', KEYS[1]), redis.call('INFO', 'server'):match('run_id:(%x+)')}
"""
_RAISE = """
for i = 2, #KEYS do
    local floor = tonumber(ARGV[i])
    if floor > tonumber(redis.call('GET', KEYS[i]) or 0) then redis.call('SET', KEYS[i], floor, 'PX', ARGV[1]) end
end
local mark = redis.call('GET', KEYS[1])
return mark and mark:match('%x+') == redis.call('INFO', 'server'):match('run_id:(%x+)')
"""
_VOUCH = """
local same = redis.call('INFO', 'server'):match('run_id:(%x+)') == ARGV[1]
if redis.call('DEL', KEYS[2]) == 0 or not same then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PXAT', ARGV[2])
return 1
"""


class _NotYet(RedisError):
    """It is there, and is not to be believed."""


class RedisBlocklist(Blocklist):
    """`horizon` is longer than any token can live, and the same for all who share a Redis; `lease`, `deadline` and
    `patience` are seconds. Call `tend` often, forever."""

    def __init__(
        self,
        url: str,
        *,
        truth: Floors,
        horizon: timedelta,
        lease: float = 1.0,
        deadline: float = DEADLINE,
        patience: float = 10.0,
    ) -> None:
        self._truth = truth
        self._horizon = horizon
        self._lifetime = int(horizon.total_seconds() * 1000)
        self._lease = lease
        self._deadline = deadline
        self._witness = _WITNESS + uuid4().hex
        self._patience = patience
        self._believed: bytes | None = None
        self._seat: Seat | None = None
        self._settled = self._unseated = -math.inf
        self._complained = False
        self._meetings = 0
        # One connection for everything: what is believed is what the very server said that the mark was put on.
        self._redis = RedisLine(url, deadline=deadline, met=self._met)
        # Callers may be cancelled at any time: the one connection must survive it, and none of them may miss it,
        # as asyncio.wait_for inside of redis-py makes them on Python 3.11.
        self._asking = Batcher(self._ask)
        self._raising = Batcher(self._raise)
        self._tending = Batcher(self._tend)
        self._greeting = Batcher(self._greet)

    async def floors(self, sessions: Collection[UUID]) -> Mapping[UUID, int] | None:
        raised = None if self._believed is None else await self._asking(sessions)
        return None if raised is None else {session: raised[session] for session in sessions if session in raised}

    async def publish(self, floors: Mapping[UUID, int]) -> None:
        loop = asyncio.get_running_loop()
        lapsed = loop.time() + self._lease + self._deadline
        while True:
            with contextlib.suppress(RedisError, OSError):
                if await self._raising(floors.items()):
                    return
            left = lapsed - loop.time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, 0.05))

    async def tend(self) -> None:
        """One round: see that the copy is complete, and say so for one lease. Raises nothing but `unavailable`."""
        await self._tending(())

    async def answers(self) -> bool:
        """Whether Redis is there and believed, for the health page."""
        with contextlib.suppress(RedisError, OSError):
            return await self._greeting(()) and self._believed is not None
        return False

    async def close(self) -> None:
        for under_way in (self._tending, self._asking, self._raising, self._greeting):
            await under_way.drain()
        await self._redis.hang_up()

    async def _tend(self, _: Collection[None]) -> None:
        try:
            left, mark, server = await self._redis("EVAL", _BEGIN, 2, _MARK, self._witness, self._lifetime)
            meetings = self._meetings
            marked = 0 < left <= self._lease * 1000  # more is a clock that was set back
            complete = marked and mark is not None and mark == self._believed
            if complete and left > self._lease * 500:
                return
            if not complete:
                await self._wait_for_seat(server.decode(), mark if marked else None)
                await self._raise((await self._truth.raised(within=self._horizon)).items())
            # The server's clock: a late command must not extend a lease.
            seconds, micros = map(int, await self._redis("TIME"))
            fresh = await self._truth.unpublished()
            await self._raise(fresh.items())
            until = seconds * 1000 + micros // 1000 + int(self._lease * 1000)
            # Checked last: if the seat has changed, the holder of the new one checks again.
            if await self._truth.seat() != self._seat:
                raise _NotYet("another server counts")
            word = _word(self._seat)
            vouched = meetings == self._meetings and await self._vouch(server, until, word)
            self._believed = word if vouched and meetings == self._meetings else None
            if vouched and fresh:
                await self._truth.published(fresh)
            if self._believed is not None and self._complained:
                log.warning("blocklist_trusted")
                self._complained = False
        except (RedisError, OSError) as error:
            self._believed = None
            if not self._complained and asyncio.get_running_loop().time() >= self._settled:
                log.warning("blocklist_untrusted: every request is checked against PostgreSQL: %s", error)
                self._complained = True

    async def _wait_for_seat(self, server: str, mark: bytes | None) -> None:
        """Return once no process can trust another server than this one; raise until then."""
        now = asyncio.get_running_loop().time
        seat = await self._truth.seat()
        if seat is None or seat.server != server:
            if self._seat is not None and self._seat.server == server:
                self._unseated = now()
            if now() >= self._unseated + self._patience:
                await self._truth.take_seat(server, after=seat)
                seat = await self._truth.seat()
        if seat != self._seat:
            self._seat, self._settled = seat, now() + self._lease + self._deadline
        if seat is None or seat.server != server:
            await self._redis.hang_up()
            raise _NotYet("another server counts")
        alone = seat.number == 1 or mark == _word(seat)
        if not alone and now() < self._settled:
            raise _NotYet("it has taken over just now")

    async def _met(self, connection: AbstractConnection) -> None:
        self._believed = None
        self._meetings += 1
        await connection.on_connect()

    async def _ask(self, sessions: Collection[UUID]) -> Mapping[UUID, int] | None:
        asked = list(sessions)
        try:
            mark, *found = await self._redis("MGET", _MARK, *(_FLOOR + session.hex for session in asked))
            if mark is None or mark != self._believed:
                return None
            return {session: int(floor) for session, floor in zip(asked, found, strict=True) if floor is not None}
        except (RedisError, OSError, ValueError):
            self._believed = None
            return None

    async def _raise(self, floors: Collection[tuple[UUID, int]]) -> bool:
        """Whether a mark of this very server lived when the last of them was raised."""
        pairs, marked = list(floors), True
        for start in range(0, len(pairs), 500):
            some = pairs[start : start + 500]
            keys = [_MARK, *(_FLOOR + session.hex for session, _ in some)]
            told = await self._redis("EVAL", _RAISE, len(keys), *keys, self._lifetime, *(floor for _, floor in some))
            marked = marked and told is not None
        return marked

    async def _vouch(self, server: bytes, until: int, word: bytes) -> bool:
        return bool(await self._redis("EVAL", _VOUCH, 2, _MARK, self._witness, server, until, word))

    async def _greet(self, _: Collection[None]) -> bool:
        return bool(await self._redis("PING"))


def _word(seat: Seat | None) -> bytes:
    return b"" if seat is None else f"{seat.server}:{seat.number}".encode()
