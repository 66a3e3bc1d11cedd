"""Alembic's way in: `make migrate` applies what is here, `make revision m="…"` writes what has changed."""

import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from alembic import command, context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection, event, pool, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from adapters.postgres.connecting import behind_pgbouncer, driver_url
from adapters.postgres.tables import metadata
from entrypoints.schema import schema_of, unmigrated, unusable
from entrypoints.settings import SettingsError, database_url

_TURN = text("SELECT pg_try_advisory_xact_lock(7235501094318843)")


def _say_whom_it_serves(
    ctx: MigrationContext,
    step: MigrationInfo,  # noqa: ARG001  (Alembic hands it over, by this name)
    heads: Collection[str],
    run_args: Mapping[str, Any],  # noqa: ARG001  (likewise)
) -> None:
    """A release that does not know this schema yet, or no more, reads there whether it can run on it.

    A migration that takes away what older code reads says so by `serves_since`, the oldest revision whose code is
    served all the same.
    """
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
        on_version_apply=_say_whom_it_serves,
    )
    with context.begin_transaction():
        context.run_migrations()


def _went(before: str | None, now: str | None) -> str:
    if before == now:
        return f"The schema is {now}: nothing to do."
    return f"The schema was {before or 'absent'} and is {now or 'absent'} now."


def _be_brief(connection: Connection) -> None:
    """A migration that cannot have its lock soon gives up, instead of making everybody queue behind it: logins wait
    1.5 seconds. PostgreSQL takes one second to send a vacuum away."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("SET LOCAL lock_timeout = '1300ms'")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


@asynccontextmanager
async def _alone(engine: AsyncEngine) -> AsyncIterator[None]:
    """Two deployments at once: the second waits here, as long as it takes, and then finds nothing left to do.

    The lock is that of a transaction, which PgBouncer leaves on one server. It has a connection of its own, and asks
    again instead of waiting: an index that is built concurrently waits for every statement that is under way.
    """
    async with engine.connect() as turn:
        while not (await turn.execute(_TURN)).scalar_one():
            await turn.rollback()
            await asyncio.sleep(0.2)
        await turn.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield


async def _online() -> None:
    try:
        setting = context.config.attributes.get("database_url") or database_url()
        url, arguments = driver_url(setting)
    except SettingsError as error:
        sys.exit(str(error))
    if not behind_pgbouncer(setting):  # which takes none
        arguments["server_settings"] = {"statement_timeout": "0"}  # an index takes as long as it takes
    engine = create_async_engine(url, poolclass=pool.NullPool, connect_args=arguments)
    event.listen(engine.sync_engine, "begin", _be_brief)
    try:
        connection = await engine.connect()
    except (SQLAlchemyError, OSError) as error:
        sys.exit(str(unusable(url, error)))
    try:
        async with _alone(engine):
            schema = await schema_of(connection)
            await connection.rollback()
            asked = getattr(context.config.cmd_opts, "cmd", (None,))[0]
            if schema.newer and asked is command.upgrade:
                said = f"The schema {schema.revision} is newer than this version, and serves it: nothing to do."
                context.config.print_stdout(said)
            else:
                await connection.run_sync(_migrate)
                if asked in {command.upgrade, command.downgrade}:
                    now = (await schema_of(connection)).revision
                    context.config.print_stdout(_went(schema.revision, now))
    except (
        SQLAlchemyError,
        OSError,
        AssertionError,
    ) as error:  # the last is what Alembic says to a name that is none
        sys.exit(str(unmigrated(error)))
    finally:
        await connection.close()
        await engine.dispose()


def _offline() -> None:
    """`--sql`: print the statements instead of running them."""
    context.configure(
        dialect_name="postgresql",
        target_metadata=metadata,
        literal_binds=True,
        transaction_per_migration=True,
        on_version_apply=_say_whom_it_serves,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _offline()
else:
    asyncio.run(_online())
