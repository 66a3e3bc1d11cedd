"""The keys of the blocklist and the commands on them, over one connection."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio.connection import AbstractConnection

from adapters.redis.blocklist.messages import Extend, Observed
from adapters.redis.clients import single_connection_client

# One hash tag keeps all keys in one slot of a cluster, so that one command may use several of them.
_LEASE = "{latchkey}:complete"
_CANARY = "{latchkey}:witness:"
REVOCATION = "{latchkey}:floor:"
"""Prefix of the key that holds the minimum generation of a revoked session."""

CANARY_LIFETIME = 60_000
"""Milliseconds. If the clock is set forward by more, revocations may have expired, and the renewal fails."""
WRITE_BATCH = 500
"""Revocations in one script, so that other commands do not wait long."""

_OBSERVE = """
local memory = redis.call('INFO', 'memory')
if not memory:find('maxmemory:0', 1, true) and not memory:find('maxmemory_policy:noeviction', 1, true) then
    return redis.error_reply('EVICTS what a blocklist must keep; set maxmemory-policy to noeviction')
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[1])
return {redis.call('INFO', 'server'):match('run_id:(%x+)'), redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
"""
_WRITE = """
for i = 2, #KEYS do
    local generation = tonumber(ARGV[i])
    if generation >= tonumber(redis.call('GET', KEYS[i]) or 0) then
        redis.call('SET', KEYS[i], generation, 'PX', ARGV[1])
    end
end
local lease = redis.call('GET', KEYS[1])
return lease and lease:match('%x+') == redis.call('INFO', 'server'):match('run_id:(%x+)')
"""
_EXTEND = """
local same_server = redis.call('INFO', 'server'):match('run_id:(%x+)') == ARGV[1]
if redis.call('GET', KEYS[2]) ~= ARGV[2] or not same_server then return 0 end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[4], 'PXAT', ARGV[3])
return 1
"""


class BlocklistCommands:
    """Each command raises RedisError or OSError if it has no answer within `timeout` seconds. `on_connect` is called
    for each new connection, before the first command on it. Entries live for `lifetime`."""

    def __init__(self, url: str, *, timeout: float, lifetime: timedelta, on_connect: Callable[[], None]) -> None:
        self._timeout = timeout
        self._lifetime = int(lifetime.total_seconds() * 1000)
        self._canary = _CANARY + uuid4().hex
        self._on_connect = on_connect
        # One connection: the lease that an answer shows is that of the server which has answered.
        self._redis = single_connection_client(url, timeout=timeout, on_connect=self._handshake)

    async def read(self, sessions: Collection[UUID]) -> tuple[bytes | None, Mapping[UUID, int]]:
        """The lease, and the minimum generations of revoked sessions. Raises ValueError if one is not a number."""
        session_list = list(sessions)
        lease, *values = await self._execute("MGET", _LEASE, *(REVOCATION + session.hex for session in session_list))
        return lease, {
            session: int(value) for session, value in zip(session_list, values, strict=True) if value is not None
        }

    async def write(self, revocations: Collection[tuple[UUID, int]]) -> bool:
        """True if this very server had a live lease when the last of them was written."""
        pairs, under_lease = list(revocations), True
        for start in range(0, len(pairs), WRITE_BATCH):
            batch = pairs[start : start + WRITE_BATCH]
            keys = [_LEASE, *(REVOCATION + session.hex for session, _ in batch)]
            generations = (generation for _, generation in batch)
            lease = await self._execute("EVAL", _WRITE, len(keys), *keys, self._lifetime, *generations)
            under_lease = under_lease and lease is not None
        return under_lease

    async def observe(self, renewal: int) -> Observed:
        answer = await self._execute("EVAL", _OBSERVE, 2, _LEASE, self._canary, CANARY_LIFETIME, renewal)
        run_id, lease, expires_in = answer
        return Observed(run_id.decode(), lease, expires_in)

    async def clock(self) -> int:
        """Milliseconds since 1970."""
        seconds, microseconds = map(int, await self._execute("TIME"))
        return seconds * 1000 + microseconds // 1000

    async def extend(self, action: Extend) -> bool:
        arguments = (action.run_id, action.renewal, action.until, action.lease)
        return bool(await self._execute("EVAL", _EXTEND, 2, _LEASE, self._canary, *arguments))

    async def ping(self) -> bool:
        return bool(await self._execute("PING"))

    async def reconnect(self) -> None:
        """Close the connection after the command that is in progress, and locate the server again."""
        if self._redis.connection is not None:
            mark: Callable[[], None] = self._redis.connection.mark_for_reconnect  # redis-py does not annotate it
            mark()
            await self.ping()

    async def close(self) -> None:
        await self._redis.aclose()

    async def _execute(self, *command: str | bytes | int) -> Any:
        execute: Callable[..., Awaitable[Any]] = self._redis.execute_command
        async with asyncio.timeout(self._timeout):
            return await execute(*command)

    async def _handshake(self, connection: AbstractConnection) -> None:
        self._on_connect()
        await connection.on_connect()
