"""Alembic's way in: `make migrate` applies what is here, `make revision m="…"` writes what has changed."""

import asyncio
import sys

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.postgres.connecting import driver_url
from adapters.postgres.tables import metadata
from entrypoints.schema import unusable
from entrypoints.settings import SettingsError, database_url


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        # Two deployments at once: the second waits here, as long as it takes, and then finds nothing left to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(7235501094318843)"))
        # A migration that cannot have its lock soon gives up, instead of making everybody queue behind it.
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        context.run_migrations()


async def _online() -> None:
    try:
        url, arguments = driver_url(context.config.attributes.get("database_url") or database_url())
    except SettingsError as error:
        sys.exit(str(error))
    engine = create_async_engine(url, poolclass=pool.NullPool, connect_args=arguments)
    try:
        connection = await engine.connect()
    except (SQLAlchemyError, OSError) as error:
        sys.exit(str(unusable(url, error)))
    try:
        await connection.run_sync(_migrate)
    finally:
        await connection.close()
        await engine.dispose()


def _offline() -> None:
    """`--sql`: print the statements instead of running them."""
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _offline()
else:
    asyncio.run(_online())
