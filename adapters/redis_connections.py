"""Connections to Redis, wherever it is by then: it is looked for at each, and one on which a server says that it is
the wrong one is given up, so that the next is made elsewhere."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import redis
from redis import asyncio as aio
from redis.asyncio.connection import AbstractConnection, BlockingConnectionPool
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import AskError, ClusterDownError, ReadOnlyError
from redis.retry import Retry

from adapters.redis_places import Directory, at_once, parsed

_WRONG_SERVER = (AskError, ClusterDownError, ReadOnlyError)  # to have moved is one way of asking elsewhere


def asynchronous(url: str, *, deadline: float) -> "aio.Redis":
    """A client with one connection, whose commands answer within `deadline` seconds or fail."""
    kind, found = _kind(url)
    once = at_once(deadline, AsyncRetry(NoBackoff(), 0))
    pool = BlockingConnectionPool(connection_class=kind, max_connections=1, timeout=deadline, **{**found, **once})
    return aio.Redis.from_pool(pool)


def connection(url: str, *, deadline: float, **options: Any) -> AbstractConnection:
    """One connection, made within `deadline` seconds; how long what is said on it may take is its holder's matter."""
    kind, found = _kind(url)
    once = {**at_once(deadline, AsyncRetry(NoBackoff(), 0)), "socket_timeout": None}
    made: AbstractConnection = kind(**{**found, **once, **options})
    return made


def _kind(url: str) -> tuple[Any, dict[str, Any]]:
    """The class of a connection, and what it is made with."""
    found, directory = parsed(url)
    kind = found.pop("connection_class", aio.Connection)
    if issubclass(kind, aio.Connection):
        kind = type("Elsewhere", (_Elsewhere, kind), {"directory": directory})
    return kind, found


def synchronous(url: str, *, deadline: float) -> "redis.Redis":
    found, directory = parsed(url)
    kind = {
        aio.UnixDomainSocketConnection: redis.UnixDomainSocketConnection,
        aio.SSLConnection: redis.SSLConnection,
    }.get(found.pop("connection_class", None), redis.Connection)
    if issubclass(kind, redis.Connection):
        kind = type("SyncElsewhere", (_SyncElsewhere, kind), {"directory": directory})
    once = at_once(deadline, Retry(NoBackoff(), 0))
    return redis.Redis.from_pool(redis.ConnectionPool(connection_class=kind, **{**found, **once}))


class _Elsewhere(aio.Connection):
    directory: Directory | None

    async def _connect(self) -> None:
        deadline = self.socket_connect_timeout or 1.0
        connect: Callable[[], Awaitable[None]] = super()._connect
        async with asyncio.timeout(deadline):
            if self.directory is not None:
                self.host, self.port = await asyncio.to_thread(self.directory.find, deadline)
            await connect()

    async def read_response(self, *how: Any, **more: Any) -> Any:
        try:
            return await super().read_response(*how, **more)
        except _WRONG_SERVER:
            await self.disconnect(nowait=True)
            raise


class _SyncElsewhere(redis.Connection):
    directory: Directory | None

    def _connect(self) -> Any:
        connect: Callable[[], Any] = super()._connect
        if self.directory is not None:
            self.host, self.port = self.directory.find(self.socket_connect_timeout or 1.0)
        return connect()

    def read_response(self, *how: Any, **more: Any) -> Any:
        disconnect: Callable[[], None] = self.disconnect
        try:
            return super().read_response(*how, **more)
        except _WRONG_SERVER:
            disconnect()
            raise
