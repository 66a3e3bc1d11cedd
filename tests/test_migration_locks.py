"""No migration is in everybody's way: what each of its statements does to tables that people use, as PostgreSQL says.

A release is rolled out while the one before still runs, so a migration only adds. What is added must not make people
wait: no table is written anew, no index is built or rebuilt under a lock, no row is looked at while others wait, and
nobody is waited for by whom they wait for.
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
    """As they are sent, BEGIN and COMMIT too."""
    written = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        opts={"as_sql": True, "literal_binds": True, "output_buffer": written, "transaction_per_migration": True},
    )
    with Operations.context(context), context.begin_transaction(_per_migration=True):
        migrate()
    return written.getvalue().strip().split(";\n\n")


async def judged(connection: "asyncpg.Connection", migrate: Migration, *, contracts: bool = False) -> list[str]:
    """What is wrong with it, once it has run; `contracts` is whether it says which older code it serves no more."""
    found: list[str] = []
    first = before = await Facts.of(connection)
    for statement in statements(migrate):
        try:
            await connection.execute(statement)
        except asyncpg.PostgresError as error:
            return [*found, f"fails: {error}"]
        after = await Facts.of(connection)
        held = {name for (name,) in await connection.fetch(HELD)}
        found += harm(first, before, after, held=held, concurrently="CONCURRENTLY" in statement)
        if len(used := sorted(held & first.tables.keys())) > 1:
            found.append(f"holds {' and '.join(used)} at once, which others take in another order")
        before = after
    if not contracts:
        kept = {*before.tables, *(f"{table}.{column}" for table, column in before.columns)}
        had = {*first.tables, *(f"{table}.{column}" for table, column in first.columns if table in before.tables)}
        found += [f"takes {name} away" for name in sorted(had - kept)]
    return found


def harm(first: Facts, before: Facts, after: Facts, *, held: set[str], concurrently: bool) -> Iterator[str]:
    """What one statement did to the tables that were there at `first`."""
    for table, file in before.tables.items():
        if table in first.tables and after.tables.get(table, file) != file:
            yield f"rewrites {table}"
    for index, file in after.indexes.items():
        table = after.on[index]
        if table in first.tables and before.indexes.get(index) != file and not concurrently:
            yield f"builds {index} while nobody may write to {table}"
    for (table, column), wanted in after.columns.items():
        if table in first.tables and wanted and not before.columns.get((table, column), False):
            yield f"wants {table}.{column} of code that does not know it"
    for (table, name), (valid, column) in after.constraints.items():
        added = (table, name) not in before.constraints
        fresh = bool(column) and (table, column) not in first.columns
        was_valid = not added and before.constraints[table, name][0]
        if table in first.tables and valid and not was_valid and not fresh and (added or table in held):
            yield f"looks for {name} at every row of {table} while nobody may write to it"


@pytest.fixture
def used(postgres: engines.Postgres) -> str:
    """A database at the first schema, which people use."""

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
    """Of all migrations after the first, and then of these."""

    async def run() -> list[str]:
        connection = await asyncpg.connect(url)
        try:
            found: list[str] = []
            for script in SCRIPTS[1:]:
                said = hasattr(script.module, "serves_since")
                harms = await judged(connection, script.module.upgrade, contracts=said)
                found += [f"{script.revision} {it}" for it in harms]
            for migration in planted:
                found += await judged(connection, migration, contracts=contracts)
            return found
        finally:
            await connection.close()

    return asyncio.run(run())


def test_migrations_lock_no_table_for_long(used: str) -> None:
    assert findings(used) == []


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
    "a default of each row's own": (
        add("users", sa.Column("planted", sa.Uuid, server_default=sa.text("gen_random_uuid()"))),
        "rewrites users",
    ),
    "another order": (
        lambda: op.alter_column("users", "email", type_=sa.Text(collation="C")),
        "builds uq_users_email_verified while nobody may write to users",
    ),
    "an index": (
        lambda: op.create_index("planted", "users", ["created_at"]),
        "builds planted while nobody may write to users",
    ),
    "a unique constraint": (
        lambda: op.create_unique_constraint("planted", "mails", ["id", "kind"]),
        "builds planted while nobody may write to mails",
    ),
    "nobody knows its value": (add("users", sa.Column("planted", sa.Text, nullable=False)), "fails: "),
    "nobody knows its value, and nobody is there": (
        add("clients", sa.Column("planted", sa.Text, nullable=False)),
        "wants clients.planted of code that does not know it",
    ),
    "a column that may not be empty any more": (
        lambda: op.alter_column("sessions", "user_id", nullable=False),
        "looks for sessions_user_id_not_null at every row of sessions while nobody may write to it",
    ),
    "a check": (
        lambda: op.create_check_constraint("planted", "mails", "attempts >= 0"),
        "looks for planted at every row of mails while nobody may write to it",
    ),
    "a reference": (
        lambda: op.create_foreign_key("planted", "mails", "users", ["user_id"], ["id"]),
        "looks for planted at every row of mails while nobody may write to it",
    ),
    "validated under the lock": (
        execute(NOT_VALID, VALIDATE),
        "looks for planted at every row of mails while nobody may write to it",
    ),
    "two tables": (
        execute("ALTER TABLE users ADD planted text", "ALTER TABLE mails ADD planted text"),
        "holds mails and users at once, which others take in another order",
    ),
    "a column less": (lambda: op.drop_column("users", "disabled_at"), "takes users.disabled_at away"),
    "a column by another name": (
        lambda: op.alter_column("users", "role", new_column_name="rank"),
        "takes users.role away",
    ),
    "a table less": (lambda: op.drop_table("clients"), "takes clients away"),
    "a table by another name": (lambda: op.rename_table("mails", "letters"), "takes mails away"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_migration_is_seen(used: str, bad: str) -> None:
    migration, harm = BAD[bad]
    found = findings(used, migration)
    assert [what for what in found if re.match(re.escape(harm), what)], found


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


def test_good_migration_passes(used: str) -> None:
    assert findings(used, good) == []


def test_unused_column_may_be_dropped(used: str) -> None:
    assert findings(used, lambda: op.drop_column("users", "disabled_at"), contracts=True) == []
