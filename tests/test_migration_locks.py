"""Migrations block no running service: what PostgreSQL reports about locks and rewrites after each statement.

A release is rolled out while the previous one still runs, so a migration only adds. It must not make requests wait:
it rewrites no table, builds no index under a lock, validates no rows under a lock, and never locks two tables, which
could deadlock.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from alembic import op
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from entrypoints.devserver import engines
from tests.conftest import ROOT

SCRIPTS = list(ScriptDirectory.from_config(Config(toml_file=str(ROOT / "pyproject.toml"))).walk_revisions())[::-1]
PEOPLE = """
INSERT INTO users (id, email, password_hash, created_at) VALUES (gen_random_uuid(), 'ada@example.org', '', now());
INSERT INTO sessions (id, user_id, generation, floor, created_at, rotated_at, expires_at, user_agent, ip)
SELECT gen_random_uuid(), id, 1, 0, now(), now(), now(), '', '' FROM users;
INSERT INTO mails (id, kind, recipient, created_at, due_at, attempts, note)
VALUES (gen_random_uuid(), 'verify', 'ada@example.org', now(), now(), 0, '');
"""
FILES = """
SELECT relname, relkind = 'i', relfilenode FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')
"""
INDEXES = "SELECT indexrelid::regclass::text, indrelid::regclass::text FROM pg_index"
COLUMNS = """
SELECT attrelid::regclass::text, attname, attnotnull AND NOT atthasdef AND attidentity = '' FROM pg_attribute
WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r')
  AND attnum > 0 AND NOT attisdropped
"""
CONSTRAINTS = """
SELECT c.conrelid::regclass::text, c.conname, c.convalidated, CASE WHEN c.contype = 'n' THEN a.attname ELSE '' END
FROM pg_constraint c LEFT JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('c', 'f', 'n', 'x')
"""
HELD = """
SELECT relation::regclass::text FROM pg_locks
WHERE pid = pg_backend_pid() AND locktype = 'relation'
  AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""

Migration = Callable[[], None]


@dataclass(frozen=True)
class Facts:
    tables: dict[str, int]
    indexes: dict[str, int]
    on: dict[str, str]
    columns: dict[tuple[str, str], bool]
    constraints: dict[tuple[str, str], tuple[bool, str]]

    @classmethod
    async def of(cls, connection: "asyncpg.Connection") -> "Facts":
        files = await connection.fetch(FILES)
        return cls(
            tables={name: file for name, is_index, file in files if not is_index and name != "alembic_version"},
            indexes={name: file for name, is_index, file in files if is_index},
            on=dict(await connection.fetch(INDEXES)),
            columns={(table, name): wanted for table, name, wanted in await connection.fetch(COLUMNS)},
            constraints={(table, name): tuple(it) for table, name, *it in await connection.fetch(CONSTRAINTS)},
        )


def statements(migrate: Migration) -> list[str]:
    """The statements as they are sent, including BEGIN and COMMIT."""
    written = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        opts={"as_sql": True, "literal_binds": True, "output_buffer": written, "transaction_per_migration": True},
    )
    with Operations.context(context), context.begin_transaction(_per_migration=True):
        migrate()
    return written.getvalue().strip().split(";\n\n")


async def problems_of(connection: "asyncpg.Connection", migrate: Migration, *, contracts: bool = False) -> list[str]:
    """Run a migration and return its problems; `contracts`: it declares which older code it no longer serves."""
    found: list[str] = []
    first = before = await Facts.of(connection)
    for statement in statements(migrate):
        try:
            await connection.execute(statement)
        except asyncpg.PostgresError as error:
            return [*found, f"fails: {error}"]
        after = await Facts.of(connection)
        held = {name for (name,) in await connection.fetch(HELD)}
        found += problems_of_statement(first, before, after, held=held, concurrently="CONCURRENTLY" in statement)
        if len(locked := sorted(held & first.tables.keys())) > 1:
            found.append(f"holds {' and '.join(locked)} at once, which others take in another order")
        before = after
    if not contracts:
        kept = {*before.tables, *(f"{table}.{column}" for table, column in before.columns)}
        had = {*first.tables, *(f"{table}.{column}" for table, column in first.columns if table in before.tables)}
        found += [f"takes {name} away" for name in sorted(had - kept)]
    return found


def problems_of_statement(
    first: Facts, before: Facts, after: Facts, *, held: set[str], concurrently: bool
) -> Iterator[str]:
    """The problems that one statement caused for the tables of `first`."""
    for table, file in before.tables.items():
        if table in first.tables and after.tables.get(table, file) != file:
            yield f"rewrites {table}"
    for index, file in after.indexes.items():
        table = after.on[index]
        if table in first.tables and before.indexes.get(index) != file and not concurrently:
            yield f"builds {index} under a lock against writes to {table}"
    for (table, column), wanted in after.columns.items():
        if table in first.tables and wanted and not before.columns.get((table, column), False):
            yield f"wants {table}.{column} of code that does not know it"
    for (table, name), (valid, column) in after.constraints.items():
        added = (table, name) not in before.constraints
        fresh = bool(column) and (table, column) not in first.columns
        was_valid = not added and before.constraints[table, name][0]
        if table in first.tables and valid and not was_valid and not fresh and (added or table in held):
            yield f"looks for {name} at every row of {table} under a lock against writes to it"


@pytest.fixture
def database_in_use(postgres: engines.Postgres) -> str:
    """A database with the first schema and some rows."""

    async def create() -> None:
        admin = await asyncpg.connect(postgres.url)
        await admin.execute("DROP DATABASE IF EXISTS linted WITH (FORCE)")
        await admin.execute("CREATE DATABASE linted")
        await admin.close()
        connection = await asyncpg.connect(postgres.url_of("linted"))
        for statement in statements(SCRIPTS[0].module.upgrade):
            await connection.execute(statement)
        await connection.execute(PEOPLE)
        await connection.close()

    asyncio.run(create())
    return postgres.url_of("linted")


def findings(url: str, *planted: Migration, contracts: bool = False) -> list[str]:
    """The problems of all migrations after the first, and then of these."""

    async def run() -> list[str]:
        connection = await asyncpg.connect(url)
        try:
            problems: list[str] = []
            for script in SCRIPTS[1:]:
                names_serves = hasattr(script.module, "serves_since")
                harms = await problems_of(connection, script.module.upgrade, contracts=names_serves)
                problems += [f"{script.revision} {it}" for it in harms]
            for migration in planted:
                problems += await problems_of(connection, migration, contracts=contracts)
            return problems
        finally:
            await connection.close()

    return asyncio.run(run())


def test_migrations_block_no_running_service(database_in_use: str) -> None:
    assert findings(database_in_use) == []


def add(table: str, column: "sa.Column[Any]") -> Migration:
    return lambda: op.add_column(table, column)


def execute(*statements: str) -> Migration:
    def migration() -> None:
        for statement in statements:
            op.execute(statement)

    return migration


NOT_VALID = "ALTER TABLE mails ADD CONSTRAINT planted CHECK (attempts >= 0) NOT VALID"
VALIDATE = "ALTER TABLE mails VALIDATE CONSTRAINT planted"
BAD: dict[str, tuple[Migration, str]] = {
    "another type": (
        lambda: op.alter_column("users", "credential_version", type_=sa.BigInteger()),
        "rewrites users",
    ),
    "a volatile default": (
        add("users", sa.Column("planted", sa.Uuid, server_default=sa.text("gen_random_uuid()"))),
        "rewrites users",
    ),
    "another collation": (
        lambda: op.alter_column("users", "email", type_=sa.Text(collation="C")),
        "builds uq_users_email_verified under a lock against writes to users",
    ),
    "an index": (
        lambda: op.create_index("planted", "users", ["created_at"]),
        "builds planted under a lock against writes to users",
    ),
    "a unique constraint": (
        lambda: op.create_unique_constraint("planted", "mails", ["id", "kind"]),
        "builds planted under a lock against writes to mails",
    ),
    "a required column without a value": (add("users", sa.Column("planted", sa.Text, nullable=False)), "fails: "),
    "a required column of an empty table": (
        add("clients", sa.Column("planted", sa.Text, nullable=False)),
        "wants clients.planted of code that does not know it",
    ),
    "a column that becomes required": (
        lambda: op.alter_column("sessions", "user_id", nullable=False),
        "looks for sessions_user_id_not_null at every row of sessions under a lock against writes to it",
    ),
    "a check": (
        lambda: op.create_check_constraint("planted", "mails", "attempts >= 0"),
        "looks for planted at every row of mails under a lock against writes to it",
    ),
    "a reference": (
        lambda: op.create_foreign_key("planted", "mails", "users", ["user_id"], ["id"]),
        "looks for planted at every row of mails under a lock against writes to it",
    ),
    "validated under the lock": (
        execute(NOT_VALID, VALIDATE),
        "looks for planted at every row of mails under a lock against writes to it",
    ),
    "two tables": (
        execute("ALTER TABLE users ADD planted text", "ALTER TABLE mails ADD planted text"),
        "holds mails and users at once, which others take in another order",
    ),
    "a dropped column": (lambda: op.drop_column("users", "disabled_at"), "takes users.disabled_at away"),
    "a renamed column": (
        lambda: op.alter_column("users", "role", new_column_name="rank"),
        "takes users.role away",
    ),
    "a dropped table": (lambda: op.drop_table("clients"), "takes clients away"),
    "a renamed table": (lambda: op.rename_table("mails", "letters"), "takes mails away"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_harmful_migration_is_detected(database_in_use: str, bad: str) -> None:
    migration, expected = BAD[bad]
    found = findings(database_in_use, migration)
    assert [what for what in found if re.match(re.escape(expected), what)], found


def good() -> None:
    op.add_column("users", sa.Column("planted", sa.Text))
    op.add_column("users", sa.Column("counted", sa.Integer, server_default="0", nullable=False))
    op.create_table("planted", sa.Column("id", sa.Uuid, sa.ForeignKey("users.id"), primary_key=True))
    op.create_index("ix_planted", "planted", ["id"])
    with op.get_context().autocommit_block():
        op.execute(NOT_VALID)
    with op.get_context().autocommit_block():
        op.execute(VALIDATE)
        op.create_index("ix_users_planted", "users", ["planted"], postgresql_concurrently=True)


def test_a_harmless_migration_passes(database_in_use: str) -> None:
    assert findings(database_in_use, good) == []


def test_unused_column_may_be_dropped(database_in_use: str) -> None:
    assert findings(database_in_use, lambda: op.drop_column("users", "disabled_at"), contracts=True) == []
