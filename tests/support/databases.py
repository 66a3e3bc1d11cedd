"""A pool that a test closes."""

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
