"""Can this version of the code work on the database as it is? Asked once, before anything is served."""

import asyncio
import time
from dataclasses import dataclass

from sqlalchemy import URL, text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from entrypoints.revisions import head, is_newer

_FOUND = text("SELECT version_num, obj_description('alembic_version'::regclass, 'pg_class') FROM alembic_version")


class SchemaError(Exception):
    """What is wrong, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Schema:
    """`newer` is one that this version does not know, and that serves it: a release is being rolled out or back."""

    revision: str | None
    expected: str
    newer: bool = False

    @property
    def fits(self) -> bool:
        return self.newer or self.revision == self.expected


async def schema_of(connection: AsyncConnection) -> Schema:
    try:
        found = (await connection.execute(_FOUND)).first()
    except ProgrammingError:
        found = None
    if found is None:
        return Schema(None, head())
    return Schema(found[0], head(), newer=is_newer(found[0], found[1] or "", head()))


def unusable(url: URL, error: Exception) -> SchemaError:
    """Of a connection that failed with `error`."""
    why = str(getattr(error, "orig", error)) or "it does not answer"
    where = f"{url.host or 'localhost'}:{url.port or 5432}"
    return SchemaError(f"The database at {where} cannot be used, see LATCHKEY_DATABASE_URL: {why}")


async def insist_on_schema(engine: AsyncEngine, *, patience: float = 10) -> None:
    """Raises SchemaError where the schema does not fit, or the database stays silent for `patience` seconds."""
    give_up = time.monotonic() + patience
    while True:
        try:
            async with engine.connect() as connection:
                schema = await schema_of(connection)
            break
        except (SQLAlchemyError, OSError) as error:
            if time.monotonic() > give_up:
                raise unusable(engine.url, error) from error
            await asyncio.sleep(0.2)
    if not schema.fits:
        state = "has no schema yet" if schema.revision is None else f"has the schema {schema.revision}"
        raise SchemaError(f"The database {state}, this version needs {schema.expected}. Run `make migrate`.")


def insist_at_start(engine: AsyncEngine) -> None:
    """For a process that has no event loop yet; the engine is as new afterwards."""

    async def insist() -> None:
        try:
            await insist_on_schema(engine)
        finally:
            await engine.dispose()

    asyncio.run(insist())
