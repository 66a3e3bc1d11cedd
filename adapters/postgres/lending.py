"""Connections of the pool, for as long as one is needed; they begin nothing by themselves (`AUTOCOMMIT`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.failovers import opened


class Lender:
    """Where one lies ready nobody waits for anything, to take it or to give it back; so neither is done in the
    greenlets in which SQLAlchemy would wait, and which cost several times as much as all the rest."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        try:
            connection = AsyncConnection(self._engine, self._engine.sync_engine.connect())
        except MissingGreenlet:  # one has to be opened, or waited for
            connection = await self._engine.connect()
        try:
            yield connection
        finally:
            opened(connection).close()
