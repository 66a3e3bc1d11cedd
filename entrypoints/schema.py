"""Checks at start whether this version of the code can work on the schema of the database."""

import asyncio
import time
from dataclasses import dataclass

from sqlalchemy import text

from adapters.postgres.connection import Connection
from adapters.postgres.database import Database
from adapters.postgres.errors import FAILURES, SCHEMA_MISMATCH
from entrypoints.revisions import head, is_newer

_FOUND = text("SELECT version_num, obj_description('alembic_version'::regclass, 'pg_class') FROM alembic_version")
_NO_LOCK, _READ_ONLY = "55P03", "25006"
_NO_RIGHT = ("42501", "3F000")
"""SQLSTATE insufficient_privilege, and invalid_schema_name: no schema that this role may use."""

_OWNERS = text("""
SELECT quote_ident(current_user) AS role, quote_ident(current_database()) AS database,
       quote_ident(coalesce(current_schema(), 'public')) AS schema,
       (SELECT quote_ident(pg_get_userbyid(datdba)) FROM pg_database WHERE datname = current_database()) AS owner,
       (SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class WHERE oid = to_regclass('alembic_version'))
           AS tables_owner
""")


class SchemaError(Exception):
    """The message says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Schema:
    """`newer` means that the schema is unknown to this version but compatible, during a rollout or rollback."""

    revision: str | None
    expected: str
    newer: bool = False

    @property
    def fits(self) -> bool:
        return self.newer or self.revision == self.expected


async def schema_of(connection: Connection) -> Schema:
    try:
        rows = [tuple(row) for row in await connection.fetch(_FOUND)]
    except SCHEMA_MISMATCH:
        rows = []
    match rows:
        case []:
            return Schema(None, head())
        case [(revision, serves)]:
            return Schema(revision, head(), newer=is_newer(revision, serves or "", head()))
        case several:  # not one of our schemas, whichever error comes first
            return Schema(" and ".join(sorted(revision for revision, _ in several)), head())


def connection_error(server: str, error: Exception) -> SchemaError:
    """The message about a connection that failed with `error`."""
    why = str(getattr(error, "orig", error)) or "it does not answer"
    return SchemaError(f"The database at {server} cannot be used, see LATCHKEY_DATABASE_URL: {why}")


def migration_error(error: Exception) -> SchemaError:
    """The message about a migration that failed with `error`. Without details, which may be personal data."""
    broken = getattr(error, "orig", error)
    if getattr(broken, "sqlstate", None) == _NO_LOCK:
        return SchemaError(
            "The migration gave up: it waited a second for a lock, and all other sessions would queue behind it."
            " Run `make migrate` again; if that does not help, end the oldest transactions in"
            " pg_stat_activity."
        )
    if getattr(broken, "sqlstate", None) == _READ_ONLY:
        return SchemaError(
            "The migration failed: the database does not accept writes. It is a replica, or"
            " default_transaction_read_only is on for the server, the database or this role. Use the primary, or set"
            " it to off."
        )
    why, *_ = str(getattr(broken, "__cause__", None) or error).splitlines() or ["alembic_version says nothing"]
    return SchemaError(
        f"The migration failed: {why}. If alembic_version does not tell where this database is (one row, in the"
        " column version_num), put that right by hand or with `alembic stamp --purge`; then run `make migrate` again."
    )


async def permission_error(error: Exception, database: Database) -> SchemaError | None:
    """The message about a role that may not change the schema, with the fix. None for other errors."""
    if getattr(getattr(error, "orig", error), "sqlstate", None) not in _NO_RIGHT:
        return None
    async with database.connection() as connection:
        [(role, name, schema, owner, tables_owner)] = await connection.fetch(_OWNERS)
    if tables_owner not in (None, role):
        return SchemaError(
            f"The role {role} may not migrate the database {name}: its tables belong to {tables_owner}."
            f" Run `make migrate` with a LATCHKEY_DATABASE_URL of {tables_owner}."
        )
    return SchemaError(
        f"The role {role} may not create tables in the schema {schema} of the database {name}, which"
        f" belongs to {owner}. Since PostgreSQL 15 only a database's owner may. Make {role} its owner: as a"
        " superuser, in that database,\n"
        f"  ALTER DATABASE {name} OWNER TO {role};\n"
        f"  GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};"
    )


async def require_schema(database: Database, *, timeout: float = 10) -> None:
    """Raises SchemaError if the schema is incompatible, or the database does not answer for `timeout` seconds."""
    give_up = time.monotonic() + timeout
    while True:
        try:
            async with database.connection() as connection:
                schema = await schema_of(connection)
            break
        except FAILURES as error:
            if time.monotonic() > give_up:
                raise connection_error(database.server, error) from error
            await asyncio.sleep(0.2)
    if not schema.fits:
        state = "has no schema yet" if schema.revision is None else f"has the schema {schema.revision}"
        raise SchemaError(f"The database {state}, this version needs {schema.expected}. Run `make migrate`.")


def require_schema_at_start(database: Database) -> None:
    """The same for a process without an event loop."""

    async def check() -> None:
        try:
            await require_schema(database)
        finally:
            await database.close()

    asyncio.run(check())
