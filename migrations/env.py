"""Alembic environment: `make migrate` applies the migrations, and `make revision m="…"` writes a new one."""

import asyncio
import sys
from collections.abc import Collection
from contextlib import AsyncExitStack
from typing import Any

from alembic import command, context
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, event, pool, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.postgres.database import Database
from adapters.postgres.database_url import behind_pgbouncer, driver_url, server_name
from adapters.postgres.errors import FAILURES
from adapters.postgres.migration_lock import migration_turn, never_time_out, reporting_blockers
from adapters.postgres.tables import metadata
from entrypoints.schema import Schema, connection_error, migration_error, permission_error, schema_of
from entrypoints.settings import SettingsError, database_url


def _record_served_releases(*_: object, **by_name: Any) -> None:
    """List the revisions whose code can run on this schema, in a comment on `alembic_version`. A release that does
    not know the revision of the schema reads this list.

    A migration that removes something older code reads sets `serves_since` to the oldest revision that still works.
    Alembic passes all arguments by name.
    """
    ctx: MigrationContext = by_name["ctx"]
    heads: Collection[str] = by_name["heads"]
    serves: list[str] = []
    oldest = set()
    for script in context.script.iterate_revisions(tuple(heads), "base"):
        serves.insert(0, script.revision)
        oldest.add(getattr(script.module, "serves_since", None))
        if script.revision in oldest:
            break
    ctx.execute(f"COMMENT ON TABLE alembic_version IS '{' '.join(serves)}'")


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=True,
        transaction_per_migration=True,
        on_version_apply=_record_served_releases,
    )
    with context.begin_transaction():
        context.run_migrations()


def _went(before: str | None, now: str | None) -> str:
    if before == now:
        return f"The schema is at revision {now or 'base'}: nothing to do."
    return f"Migrated the schema from revision {before or 'base'} to {now or 'base'}."


def _be_brief(connection: Connection) -> None:
    """Give up soon if a lock is not free: requests queue behind the migration, and have a deadline of 1.5 s.
    PostgreSQL needs 1 s to cancel an autovacuum that holds the lock."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("SET LOCAL lock_timeout = '1300ms'")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


def _say(words: str) -> None:
    context.config.print_stdout(words)
    sys.stdout.flush()


async def _schema(database: Database) -> Schema:
    async with database.connection() as connection:
        return await schema_of(connection)


async def _online() -> None:
    try:
        setting = context.config.attributes.get("database_url") or database_url()
        url, arguments = driver_url(setting)
    except (SettingsError, ValueError) as error:
        sys.exit(str(error))
    pooled = behind_pgbouncer(setting)
    # Overrides the settings of the database and the role. PgBouncer accepts only the first.
    arguments["server_settings"] = {"application_name": "latchkey migrate"} | arguments["server_settings"]
    if not pooled:
        arguments["server_settings"] |= {"default_transaction_isolation": "read committed", "statement_timeout": "0"}
    engine = create_async_engine(
        url, poolclass=pool.NullPool, connect_args=arguments, isolation_level="READ COMMITTED"
    )
    event.listen(engine.sync_engine, "begin", _be_brief)
    database = Database(setting, pool_size=1, application="latchkey migrate")
    try:
        connection = await engine.connect()
        if not pooled:
            await never_time_out(connection, local=False)
            await connection.commit()
    except (SQLAlchemyError, OSError) as error:
        sys.exit(str(connection_error(server_name(setting), error)))
    try:
        async with AsyncExitStack() as stack:
            watching = await stack.enter_async_context(migration_turn(engine, pooled=pooled, say=_say))
            if not pooled:
                pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                await stack.enter_async_context(reporting_blockers(watching, pid=pid, say=_say))
                await connection.commit()
            schema = await _schema(database)
            subcommand = getattr(context.config.cmd_opts, "cmd", (None,))[0]
            if schema.newer and subcommand is command.upgrade:
                message = (
                    f"The schema {schema.revision} is newer than this version and compatible with it: nothing to do."
                )
                context.config.print_stdout(message)
            else:
                await connection.run_sync(_migrate)
                if subcommand in {command.upgrade, command.downgrade}:
                    now = (await _schema(database)).revision
                    context.config.print_stdout(_went(schema.revision, now))
    except (
        SQLAlchemyError,
        *FAILURES,
        AssertionError,  # raised by Alembic for an unknown revision
    ) as error:
        sys.exit(str(await permission_error(error, database) or migration_error(error)))
    finally:
        await connection.close()
        await engine.dispose()
        await database.close()


def _offline() -> None:
    """`--sql`: print the statements instead of running them."""
    context.configure(
        dialect_name="postgresql",
        target_metadata=metadata,
        literal_binds=True,
        transaction_per_migration=True,
        on_version_apply=_record_served_releases,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _offline()
else:
    asyncio.run(_online())
