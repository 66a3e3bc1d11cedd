"""Whether a database needs a migration, without loading Alembic, which takes a second; and what follows one."""

import asyncio

import asyncpg

from entrypoints.revisions import head


def is_current(url: str) -> bool:
    """False also if it is unknown."""
    try:
        return asyncio.run(_applied(url)) == [head()]
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError):
        return False


def open_enrolment(url: str) -> None:
    """Let users add second factors: no processes of an earlier release run here. Raises what asyncpg raises."""
    asyncio.run(_execute(url, "INSERT INTO factor_enrolment DEFAULT VALUES ON CONFLICT DO NOTHING"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _applied(url: str) -> list[str]:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return [row["version_num"] for row in await connection.fetch("SELECT version_num FROM alembic_version")]
    finally:
        await connection.close()
