"""Connections of the pool, for as long as one is needed; they begin nothing by themselves (`AUTOCOMMIT`)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, cast
from weakref import WeakKeyDictionary

from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import Pool, QueuePool

from adapters.postgres.failovers import opened


class Lender:
    """Checks out idle connections without waiting. So this avoids the greenlets of SQLAlchemy's async pool, which
    cost several times as much as the rest."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._turns = _turns_at(engine.pool)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """Raises TimeoutError where none becomes free in time."""
        async with self._turns:
            connection = self._ready() or await self._engine.connect()
            try:
                yield connection
            finally:
                opened(connection).close()

    def _ready(self) -> AsyncConnection | None:
        """None where one has to be opened."""
        try:
            return AsyncConnection(self._engine, self._engine.sync_engine.connect())
        except MissingGreenlet:
            return None


class _Turns(asyncio.Semaphore):
    """FIFO semaphore. A pool gives an idle connection to the next caller, so a task that releases one
    and acquires another at once would starve the waiters."""

    def __init__(self, pool: Pool) -> None:
        sized = cast("QueuePool", pool)  # as every engine of ours has it
        super().__init__(sized.size())
        self._longest = sized.timeout()

    async def acquire(self) -> Literal[True]:
        if not self.locked():
            return await super().acquire()
        async with asyncio.timeout(self._longest):
            return await super().acquire()


_TURNS = WeakKeyDictionary[Pool, _Turns]()


def _turns_at(pool: Pool) -> _Turns:
    if pool not in _TURNS:
        _TURNS[pool] = _Turns(pool)
    return _TURNS[pool]
