"""A database that cannot be reached for a while."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy import make_url

from tests.support.service import Service


@contextmanager
def database_away(service: Service) -> Iterator[None]:
    """Within the block, the database of a service has another name and takes no connections."""
    name = make_url(service.environ["LATCHKEY_DATABASE_URL"]).database
    asyncio.run(
        _administer(
            service,
            f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false',
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'",
            f'ALTER DATABASE "{name}" RENAME TO "{name}-away"',
        )
    )
    try:
        yield
    finally:
        asyncio.run(
            _administer(
                service,
                f'ALTER DATABASE "{name}-away" RENAME TO "{name}"',
                f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true',
            )
        )


async def _administer(service: Service, *statements: str) -> None:
    """Run statements in another database of the same server."""
    url = make_url(service.environ["LATCHKEY_DATABASE_URL"]).set(database="postgres")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
