"""A pool that a test closes, and whether all its connections were returned."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from adapters.postgres.database import Database


@contextlib.asynccontextmanager
async def database_at(url: str, *, pool_size: int = 5, deadline: float = 2.0) -> AsyncIterator[Database]:
    database = Database(url, pool_size=pool_size, deadline=deadline)
    try:
        yield database
    finally:
        await database.close()


async def all_returned(database: Database, *, pool_size: int = 5) -> None:
    """Raises TimeoutError if fewer than `pool_size` connections can be acquired together: one was not returned."""
    async with asyncio.timeout(10), contextlib.AsyncExitStack() as borrowed:
        for _ in range(pool_size):
            await borrowed.enter_async_context(database.connection())
