"""Whether a database needs a migration, without loading Alembic, which takes a second."""

import asyncio

import asyncpg

from entrypoints.revisions import head


def is_current(url: str) -> bool:
    """False also if it is unknown."""
    try:
        return asyncio.run(_applied(url)) == [head()]
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError):
        return False


async def _applied(url: str) -> list[str]:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return [row["version_num"] for row in await connection.fetch("SELECT version_num FROM alembic_version")]
    finally:
        await connection.close()
