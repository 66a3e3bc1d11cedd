"""redis-py clients that answer in time or fail, and that find the server again after a failover.

A connection locates the server whenever it connects. It is closed if the server answers that it is the wrong one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import redis
from redis import asyncio as aio
from redis.asyncio.connection import AbstractConnection, BlockingConnectionPool
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import AskError, ClusterDownError, ReadOnlyError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from adapters.redis.discovery import ServerLocator, fail_fast_options, parse_url

COMMAND_TIMEOUT = 0.2
"""Seconds for a command while a request waits for it."""

_WRONG_SERVER = (AskError, ClusterDownError, ReadOnlyError)  # AskError includes MovedError

OnConnect = Callable[[AbstractConnection], Awaitable[None]]


def async_client(url: str, *, timeout: float) -> "aio.Redis":
    """A client with one connection. Each network operation takes at most `timeout` seconds."""
    cls, options = _connection_class(url, timeout)
    return aio.Redis.from_pool(_pool(cls, timeout, options | {"retry": AsyncRetry(NoBackoff(), 0)}))


def single_connection_client(url: str, *, timeout: float, on_connect: OnConnect) -> "aio.Redis":
    """A client that keeps its one connection, without the pool's check before each command.

    Callers limit the time of a command themselves. If the server has closed the connection meanwhile, the command is
    sent again on a new one. `on_connect` has to perform the handshake."""
    cls, options = _connection_class(url, timeout)
    retry = AsyncRetry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    pool = _pool(cls, timeout, options | {"retry": retry, "socket_timeout": None, "redis_connect_func": on_connect})
    client = aio.Redis(connection_pool=pool, single_connection_client=True)
    client.auto_close_connection_pool = True
    return client


def sync_client(url: str, *, timeout: float) -> "redis.Redis":
    """A client for threads. Each network operation takes at most `timeout` seconds."""
    options, locator = parse_url(url)
    cls: Any = {
        aio.UnixDomainSocketConnection: redis.UnixDomainSocketConnection,
        aio.SSLConnection: redis.SSLConnection,
    }.get(options.pop("connection_class", None), redis.Connection)
    if issubclass(cls, redis.Connection):
        cls = type("RelocatingConnection", (_SyncRelocatingConnection, cls), {"locator": locator})
    options |= fail_fast_options(timeout, Retry(NoBackoff(), 0))
    return redis.Redis.from_pool(redis.ConnectionPool(connection_class=cls, **options))


def _connection_class(url: str, timeout: float) -> tuple[Any, dict[str, Any]]:
    """The class of asynchronous connections to this URL, and their options."""
    options, locator = parse_url(url)
    cls = options.pop("connection_class", aio.Connection)
    if issubclass(cls, aio.Connection):
        cls = type("RelocatingConnection", (_RelocatingConnection, cls), {"locator": locator})
    return cls, options | fail_fast_options(timeout, None)


def _pool(cls: Any, timeout: float, options: dict[str, Any]) -> BlockingConnectionPool:
    return BlockingConnectionPool(connection_class=cls, max_connections=1, timeout=timeout, **options)


class _RelocatingConnection(aio.Connection):
    locator: ServerLocator | None

    async def connect_check_health(self, *args: Any, **options: Any) -> None:
        if self.is_connected:
            return
        timeout = self.socket_connect_timeout or COMMAND_TIMEOUT
        async with asyncio.timeout(timeout):
            if self.locator is not None:
                self.host, self.port = await asyncio.to_thread(self.locator.locate, timeout)
            await super().connect_check_health(*args, **options)

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except _WRONG_SERVER:
            await self.disconnect(nowait=True)
            raise


class _SyncRelocatingConnection(redis.Connection):
    locator: ServerLocator | None

    def connect_check_health(self, *args: Any, **options: Any) -> None:
        connect: Callable[..., None] = super().connect_check_health  # redis-py does not annotate it
        if self.locator is not None and not self.is_connected:
            self.host, self.port = self.locator.locate(self.socket_connect_timeout or COMMAND_TIMEOUT)
        connect(*args, **options)

    def read_response(self, *args: Any, **options: Any) -> Any:
        disconnect: Callable[[], None] = self.disconnect
        try:
            return super().read_response(*args, **options)
        except _WRONG_SERVER:
            disconnect()
            raise
