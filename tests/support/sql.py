"""SQL of tests, on connections separate from those of the code under test."""

import asyncio

from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.postgres.database_url import driver_url


def sql_engine(url: str) -> AsyncEngine:
    """An engine to prepare and to inspect the database of a test."""
    parsed, arguments = driver_url(url)
    return create_async_engine(parsed, poolclass=NullPool, connect_args=arguments)


async def waited_for(engine: AsyncEngine, connection: AsyncConnection) -> None:
    """Wait until another session waits for a lock of this one."""
    holder = (await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
    waiting = f"SELECT count(*) FROM pg_stat_activity WHERE {holder} = ANY(pg_blocking_pids(pid))"
    async with asyncio.timeout(30), engine.connect() as another:
        while not (await another.exec_driver_sql(waiting)).scalar_one():
            await another.rollback()
            await asyncio.sleep(0.01)
