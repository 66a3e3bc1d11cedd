"""Is the database as this version of the code expects it? Asked once, before anything is served."""

import asyncio
import time

from sqlalchemy import URL, text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from entrypoints.revisions import head


class SchemaError(Exception):
    """What is wrong, and what to do about it."""


def unusable(url: URL, error: Exception) -> SchemaError:
    """Of a connection that failed with `error`."""
    why = str(getattr(error, "orig", error)) or "it does not answer"
    where = f"{url.host or 'localhost'}:{url.port or 5432}"
    return SchemaError(f"The database at {where} cannot be used, see LATCHKEY_DATABASE_URL: {why}")


async def insist_on_schema(engine: AsyncEngine, *, patience: float = 10) -> None:
    """Raises SchemaError where the schema is not at the head, or the database stays silent for `patience` seconds."""
    give_up = time.monotonic() + patience
    while True:
        try:
            async with engine.connect() as connection:
                found = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
            break
        except ProgrammingError:
            found = None
            break
        except (SQLAlchemyError, OSError) as error:
            if time.monotonic() > give_up:
                raise unusable(engine.url, error) from error
            await asyncio.sleep(0.2)
    if found != (expected := head()):
        state = "has no schema yet" if found is None else f"has the schema {found}"
        raise SchemaError(f"The database {state}, this version needs {expected}. Run `make migrate`.")


def insist_at_start(engine: AsyncEngine) -> None:
    """For a process that has no event loop yet; the engine is as new afterwards."""

    async def insist() -> None:
        try:
            await insist_on_schema(engine)
        finally:
            await engine.dispose()

    asyncio.run(insist())
