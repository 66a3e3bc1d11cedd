"""The cost of statements as PostgreSQL reports it, without the round trip."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.database import Database
from application.repositories import UnitOfWork, UnitOfWorkFactory
from tests.support.statement_recorder import StatementRecorder


class _Back(Exception):
    """Raised to roll back."""


def rolling_back(begin: UnitOfWorkFactory) -> Callable[[], AbstractAsyncContextManager[UnitOfWork]]:
    """A connection whose changes are rolled back."""

    @asynccontextmanager
    async def undone() -> AsyncIterator[UnitOfWork]:
        with suppress(_Back):
            async with begin() as work:
                yield work
                raise _Back

    return undone


async def explain_statements(
    database: Database, engine: AsyncEngine, question: Callable[[], Awaitable[object]]
) -> tuple[float, float]:
    """Milliseconds and pages of all statements of a query, which must not change anything. A second run right after
    the first is measured, so that all pages are in memory."""
    recorder = StatementRecorder(database)
    try:
        await question()
        recorded = recorder.take()
    finally:
        recorder.stop()
    seconds, pages = 0.0, 0.0
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        transaction = driver.transaction()
        await transaction.start()
        for statement, parameters in recorded:
            [plan] = await driver.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *parameters)
            seconds += plan["Execution Time"]
            pages += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        await transaction.rollback()
    return seconds, pages
