"""The connection pool for PostgreSQL. Every wait has a deadline."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from adapters.postgres.connection import Connection
from adapters.postgres.database_url import behind_pgbouncer, driver_arguments, server_name
from adapters.postgres.errors import FAILURES, is_failover

POOL_SIZE = 10
"""The most connections that a process opens."""


class Database:
    """Opens connections when they are needed, in the running event loop. It can be used again after `close`."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = POOL_SIZE,
        deadline: float = 2.0,
        application: str = "latchkey",
    ) -> None:
        """`deadline` is in seconds and limits connecting, each statement and the wait for a connection."""
        self._arguments = _arguments(url, deadline=deadline, application=application)
        self.server, self.name = server_name(url), self._arguments.get("database")
        self._size, self._deadline = pool_size, deadline
        self._pool: Any = None
        self._turns = asyncio.Semaphore()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Raises TimeoutError if none becomes free in time, and one of `FAILURES` if none can be opened."""
        pool = await self._opened()
        async with self._turn():
            driver = await pool.acquire()
            try:
                yield Connection(driver, on_error=self._on_error)
            finally:
                with suppress(*FAILURES):  # a broken connection is closed and replaced by the pool
                    await pool.release(driver, timeout=self._deadline)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection in a transaction."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        """Close all connections, also those in use."""
        pool, self._pool = self._pool, None
        if pool is not None:
            with suppress(*FAILURES):  # the server is gone; all connections are closed either way
                await asyncio.wait_for(pool.close(), self._deadline)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Serves callers first come, first served. The pool alone would give a free connection to any caller, even to
        the one that has just released it."""
        turns = self._turns
        async with asyncio.timeout(self._deadline if turns.locked() else None):
            await turns.acquire()
        try:
            yield
        finally:
            turns.release()

    async def _opened(self) -> Any:
        if self._pool is None:
            self._turns = asyncio.Semaphore(self._size)
            self._pool = asyncpg.create_pool(min_size=0, max_size=self._size, reset=_reset, **self._arguments)
        return await self._pool

    async def _on_error(self, error: BaseException) -> None:
        """Connections that were open at a failover are not used again, so that other calls do not fail too."""
        if self._pool is not None and is_failover(error):
            await self._pool.expire_connections()


async def _reset(_: Any) -> None:
    """Sends nothing, because no statement of ours changes the session. The pool rolls back an open transaction by
    itself."""


def _arguments(url: str, *, deadline: float, application: str) -> dict[str, Any]:
    arguments = driver_arguments(url)
    # So that a day has 24 hours, whatever the time zone of the server.
    settings = {"application_name": application} | arguments.pop("server_settings") | {"timezone": "UTC"}
    if not behind_pgbouncer(url):  # PgBouncer passes on no other settings
        # Statements rely on these, and a server, database or role may set other values. Read-only is left alone:
        # a server uses it to say that it takes no writes.
        settings["default_transaction_isolation"] = "read committed"
        settings["default_transaction_deferrable"] = "off"
        settings["lock_timeout"] = "0"
        # The server needs timeouts too, so that locks do not outlive a process that was killed, stopped or cut off.
        settings["statement_timeout"] = str(round(deadline * 1000))
        settings["idle_in_transaction_session_timeout"] = str(round(5 * deadline * 1000))
    # The driver's limit for a command is also that for closing a connection in the background, after a failover.
    return {**arguments, "timeout": deadline, "command_timeout": deadline, "server_settings": settings}
