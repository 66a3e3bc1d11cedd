"""Migrations on real PostgreSQL: up, down and up again, concurrently, and without blocking the running service."""

import asyncio
import io
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest
from alembic.config import CommandLine, Config
from sqlalchemy import make_url

from adapters.postgres.database import Database
from entrypoints.devserver import engines
from entrypoints.revisions import head
from entrypoints.schema import SchemaError, require_schema
from tests.support.migrations import REVISIONS, ROOT, tree_with
from tests.support.releases import HEAD as BEFORE

LOCK = 7235501094318843

T = TypeVar("T")


@pytest.fixture
def fresh(postgres: engines.Postgres) -> str:
    """An empty database."""

    async def create() -> None:
        admin = await asyncpg.connect(postgres.url)
        await admin.execute("DROP DATABASE IF EXISTS migrating WITH (FORCE)")
        await admin.execute("CREATE DATABASE migrating")
        await admin.close()

    asyncio.run(create())
    return postgres.url_of("migrating")


def alembic(url: str, *arguments: str, root: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "alembic", *arguments],
        cwd=root,
        env={"LATCHKEY_DATABASE_URL": url, "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def migrate(url: str, *arguments: str) -> str:
    """In this process, because starting one takes a second. Returns what Alembic prints."""
    printed, line = io.StringIO(), CommandLine()
    options = line.parser.parse_args(arguments)
    file, attributes = str(ROOT / "pyproject.toml"), {"database_url": url}
    config = Config(toml_file=file, stdout=printed, output_buffer=printed, cmd_opts=options, attributes=attributes)
    line.run_cmd(config, options)
    return printed.getvalue()


async def start_upgrade(url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", "upgrade", "head"),
        cwd=ROOT,
        env={"LATCHKEY_DATABASE_URL": url},
        stderr=asyncio.subprocess.DEVNULL,
    )


def run_on(url: str, ask: Callable[["asyncpg.Connection"], Awaitable[T]]) -> T:
    async def connect_and_run() -> T:
        connection = await asyncpg.connect(url)
        try:
            return await ask(connection)
        finally:
            await connection.close()

    return asyncio.run(connect_and_run())


def schema_of(url: str) -> list[tuple[object, ...]]:
    """Every column, index and constraint, for comparison."""
    questions = (
        "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 2",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        " ORDER BY 1",
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
        " AND conrelid <> COALESCE(to_regclass('alembic_version'), 0) ORDER BY 1",
    )

    async def ask(connection: "asyncpg.Connection") -> list[tuple[object, ...]]:
        return [tuple(row) for question in questions for row in await connection.fetch(question)]

    return run_on(url, ask)


def served_revisions(url: str) -> list[str]:
    """The revisions whose code the schema serves, as its comment lists them."""
    said: str | None = run_on(
        url, lambda connection: connection.fetchval("SELECT obj_description('alembic_version'::regclass, 'pg_class')")
    )
    return (said or "").split()


# -- up and down ------------------------------------------------------------------------------------------


def test_every_revision_can_be_upgraded_downgraded_and_upgraded_again(fresh: str) -> None:
    assert schema_of(fresh) == []
    for revision in REVISIONS:
        before = schema_of(fresh)
        migrate(fresh, "upgrade", revision)
        after = schema_of(fresh)
        assert after != before
        migrate(fresh, "downgrade", "-1")
        assert schema_of(fresh) == before
        migrate(fresh, "upgrade", revision)
        assert schema_of(fresh) == after
    migrate(fresh, "downgrade", "base")
    assert schema_of(fresh) == []


def test_migrated_schema_matches_the_code(fresh: str) -> None:
    migrate(fresh, "upgrade", "head")
    assert "No new upgrade operations detected" in migrate(fresh, "check")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
        ({"username": "nobody"}, 'password authentication failed for user "nobody"'),
        ({"password": "wrong"}, "password authentication failed for user"),
        ({"port": 1}, "Connect call failed"),
    ],
    ids=lambda it: next(iter(it)) if isinstance(it, dict) else "",
)
def test_unusable_database_is_reported_in_one_line(
    postgres: engines.Postgres, wrong: dict[str, Any], message: str
) -> None:
    url = make_url(postgres.url).set(**wrong)
    done = alembic(url.render_as_string(hide_password=False), "upgrade", "head")
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"The database at 127.0.0.1:{url.port} cannot be used, see LATCHKEY_DATABASE_URL: ")
    assert message in line


@pytest.mark.parametrize("path", ["public", "accounts"])
def test_role_that_does_not_own_the_database_gets_advice(postgres: engines.Postgres, fresh: str, path: str) -> None:
    async def prepare(connection: "asyncpg.Connection") -> None:
        await connection.execute('DROP ROLE IF EXISTS "A tenant"; CREATE ROLE "A tenant" LOGIN PASSWORD \'secret\'')
        await connection.execute(f"ALTER DATABASE migrating SET search_path = {path}")

    run_on(fresh, prepare)
    tenant_url = make_url(fresh).set(username="A tenant", password="secret").render_as_string(hide_password=False)
    done = alembic(tenant_url, "upgrade", "head")
    assert (done.returncode, done.stdout) == (1, "")
    message, *commands = done.stderr.splitlines()
    owner = make_url(fresh).username
    assert message.startswith(
        'The role "A tenant" may not create tables in the schema public of the database migrating'
    )
    assert f"belongs to {owner}" in message
    assert "alembic" not in message
    assert len(commands) == 2
    run_on(fresh, lambda connection: connection.execute("ALTER DATABASE migrating RESET search_path"))
    run_on(fresh, lambda connection: connection.execute("".join(commands)))
    migrate(tenant_url, "upgrade", "head")
    run_on(fresh, lambda connection: connection.execute(f'ALTER DATABASE migrating OWNER TO "{owner}"'))


def test_role_that_does_not_own_the_tables_gets_advice(postgres: engines.Postgres, fresh: str) -> None:
    migrate(fresh, "upgrade", "7c1d0e5a94b2")
    run_on(
        fresh,
        lambda connection: connection.execute(
            "DROP ROLE IF EXISTS other_tenant; CREATE ROLE other_tenant LOGIN PASSWORD 'secret';"
            "GRANT SELECT ON alembic_version TO other_tenant"
        ),
    )
    tenant_url = make_url(fresh).set(username="other_tenant", password="secret").render_as_string(hide_password=False)
    done = alembic(tenant_url, "upgrade", "head")
    assert (done.returncode, done.stdout) == (1, "")
    [message] = done.stderr.splitlines()
    owner = make_url(fresh).username
    assert f"its tables belong to {owner}. Run `make migrate` with a LATCHKEY_DATABASE_URL of {owner}." in message


def test_read_only_database_is_reported(fresh: str) -> None:
    run_on(
        fresh,
        lambda connection: connection.execute("ALTER DATABASE migrating SET default_transaction_read_only = on"),
    )
    done = alembic(fresh, "upgrade", "head")
    [line] = done.stderr.splitlines()
    assert line.startswith("The migration failed: the database does not accept writes.")


def test_wrong_setting_is_reported_in_one_line() -> None:
    done = alembic("mysql://127.0.0.1/accounts", "upgrade", "head")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == ["LATCHKEY_DATABASE_URL: not a PostgreSQL URL"]


def test_there_is_one_head(fresh: str) -> None:
    assert head() == REVISIONS[-1]
    assert len(alembic(fresh, "heads").stdout.splitlines()) == 1


def test_the_schema_serves_the_previous_release(fresh: str) -> None:
    """Its processes may be restarted during the rollout; `tests/rolling` tests their behaviour."""
    migrate(fresh, "upgrade", "head")
    assert BEFORE in served_revisions(fresh)
    assert served_revisions(fresh)[-1] == head()


def test_upgrade_of_a_current_database_changes_nothing(fresh: str) -> None:
    migrate(fresh, "upgrade", "head")
    once = schema_of(fresh)
    migrate(fresh, "upgrade", "head")
    assert schema_of(fresh) == once


def test_printed_statements_create_the_same_schema(fresh: str) -> None:
    script = migrate("postgresql://nobody@127.0.0.1:1/nowhere", "upgrade", "head", "--sql")
    migrate(fresh, "upgrade", "head")
    migrated, served = schema_of(fresh), served_revisions(fresh)
    migrate(fresh, "downgrade", "base")

    async def drop_and_run(connection: "asyncpg.Connection") -> None:
        await connection.execute("DROP TABLE alembic_version")
        # One by one, as psql does, because statements sent together are one transaction.
        for statement in script.strip().split(";\n\n"):
            await connection.execute(statement)

    run_on(fresh, drop_and_run)
    assert (schema_of(fresh), served_revisions(fresh)) == (migrated, served)
    assert "No new upgrade operations detected" in migrate(fresh, "check")


def test_provenance_is_derived_from_events_and_unknown_in_later_rows(fresh: str) -> None:
    """There are more events than one batch of the migration. Rows that 0.2.0 inserts later have no provenance."""
    migrate(fresh, "upgrade", "91c4be07d2a6")

    async def insert(connection: "asyncpg.Connection", email: str, *actions: str) -> None:
        row = "INSERT INTO users (id, email, password_hash, created_at) VALUES (gen_random_uuid(), $1, '', now())"
        user_id = await connection.fetchval(f"{row} RETURNING id", email)
        event = "INSERT INTO events (id, action, user_id, created_at, ip, user_agent, detail)"
        row = f"{event} VALUES (gen_random_uuid(), $1, $2, '2026-11-24', '', '', '')"
        await connection.executemany(row, [(action, user_id) for action in actions])

    async def before(connection: "asyncpg.Connection") -> None:
        await insert(connection, "registered", "registered", *["logged_in"] * 5000)
        await insert(connection, "created", "created", "logged_in")
        await insert(connection, "imported", "imported", "logged_in")
        await insert(connection, "forgotten")

    async def after(connection: "asyncpg.Connection") -> dict[str, tuple[str | None, str | None]]:
        await insert(connection, "later", "imported")
        rows = await connection.fetch("SELECT email, provenance, imported_at::date::text FROM users")
        return {email: tuple(values) for email, *values in rows}

    run_on(fresh, before)
    migrate(fresh, "upgrade", "head")
    assert run_on(fresh, after) == {
        "registered": ("self", None),
        "created": ("operator", None),
        "imported": ("import", "2026-11-24"),
        "forgotten": ("self", None),
        "later": (None, None),
    }


# -- concurrent deployments and requests ------------------------------------------------------------------


def test_concurrent_migrations_all_succeed(fresh: str) -> None:
    async def upgrade_three_times() -> list[int | None]:
        runs = [await start_upgrade(fresh) for _ in range(3)]
        return [await run.wait() for run in runs]

    assert asyncio.run(upgrade_three_times()) == [0, 0, 0]
    assert "No new upgrade operations detected" in migrate(fresh, "check")


def test_a_deployment_waits_for_another_longer_than_the_lock_timeout(fresh: str) -> None:
    """The lock timeout is 1.3 seconds; a migration may take longer, and a concurrent deployment must not fail."""

    async def hold(connection: "asyncpg.Connection") -> int | None:
        await connection.execute(f"SELECT pg_advisory_lock({LOCK})")
        second = await start_upgrade(fresh)
        asking = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'latchkey migrate'"
            " AND query LIKE '%pg_try_advisory_lock%' OR query LIKE '%pg_locks%'"
        )
        while not await connection.fetchval(asking):
            assert second.returncode is None
            await asyncio.sleep(0.05)
        await asyncio.sleep(3)
        assert second.returncode is None
        await connection.execute(f"SELECT pg_advisory_unlock({LOCK})")
        return await second.wait()

    assert run_on(fresh, hold) == 0


def test_migration_without_its_lock_gives_up_and_changes_nothing(fresh: str, tmp_path: Path) -> None:
    migrate(fresh, "upgrade", "head")
    before = schema_of(fresh)
    root = tree_with(
        tmp_path / "tree",
        planted="""
def upgrade():
    op.create_table("planted", sa.Column("id", sa.Integer))
    op.add_column("users", sa.Column("planted", sa.Text))
def downgrade(): ...
""",
    )

    async def block(connection: "asyncpg.Connection") -> str:
        async with connection.transaction():
            await connection.execute("SELECT count(*) FROM users")  # an open transaction, as of a report
            done = await asyncio.to_thread(alembic, fresh, "upgrade", "head", root=root)
            assert done.returncode == 1
            # No query waits behind a migration that has given up.
            await connection.execute("SELECT count(*) FROM users")
        return done.stderr

    output = run_on(fresh, block)
    assert output.count("\n") == 1
    assert output.startswith("The migration gave up: it waited a second for a lock")
    assert schema_of(fresh) == before
    assert alembic(fresh, "upgrade", "head", root=root).returncode == 0
    assert schema_of(fresh) != before


def test_half_built_index_is_rebuilt(fresh: str) -> None:
    """Caused here by a statement timeout; a killed deployment leaves the same state."""
    migrate(fresh, "upgrade", "7c1d0e5a94b2")

    async def interrupted(connection: "asyncpg.Connection") -> None:
        building = await asyncpg.connect(fresh)
        async with connection.transaction():
            await connection.execute("UPDATE mails SET note = ''")
            await building.execute("SET statement_timeout = 200")
            with pytest.raises(asyncpg.QueryCanceledError):
                await building.execute("CREATE INDEX CONCURRENTLY ix_mails_recipient ON mails (recipient)")
        await building.close()

    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    run_on(fresh, interrupted)
    assert run_on(fresh, lambda connection: connection.fetchval(invalid)) == 1
    migrate(fresh, "upgrade", "head")
    assert run_on(fresh, lambda connection: connection.fetchval(invalid)) == 0
    assert "No new upgrade operations detected" in migrate(fresh, "check")


def test_indexes_are_built_during_writes_and_another_migration(fresh: str) -> None:
    """A waiting migration must hold nothing that the running one waits for, or both would deadlock."""
    migrate(fresh, "upgrade", "7c1d0e5a94b2")

    async def both(connection: "asyncpg.Connection") -> list[int | None]:
        async with connection.transaction():
            await connection.execute("UPDATE sessions SET ip = ''")
            runs = [await start_upgrade(fresh) for _ in range(2)]
            other = await asyncpg.connect(fresh)
            while not await other.fetchval("SELECT count(*) FROM pg_stat_progress_create_index"):
                assert {run.returncode for run in runs} == {None}
                await asyncio.sleep(0.05)
            await other.execute("SET lock_timeout = '100ms'")
            await other.execute("UPDATE sessions SET ip = ''")  # other writes are not blocked
            await other.close()
            await asyncio.sleep(2)  # longer than the lock timeout
        return [await run.wait() for run in runs]

    assert run_on(fresh, both) == [0, 0]
    assert "No new upgrade operations detected" in migrate(fresh, "check")


@pytest.mark.parametrize(
    "default",
    [
        "default_transaction_isolation = 'repeatable read'",
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = 1",
        "lock_timeout = 1",
        "idle_in_transaction_session_timeout = 700",
        "idle_session_timeout = 700",
        "transaction_timeout = 700",
    ],
)
def test_a_migration_does_not_rely_on_defaults_of_the_database(fresh: str, default: str) -> None:
    run_on(fresh, lambda connection: connection.execute(f"ALTER DATABASE migrating SET {default}"))
    migrate(fresh, "upgrade", "head")
    run_on(fresh, lambda connection: connection.execute("ALTER DATABASE migrating RESET ALL"))
    assert "No new upgrade operations detected" in migrate(fresh, "check")


def test_a_waiting_migration_names_the_blocking_process(fresh: str) -> None:
    migrate(fresh, "upgrade", "7c1d0e5a94b2")

    async def wait(connection: "asyncpg.Connection") -> tuple[str, int, int]:
        holder = await asyncpg.connect(fresh, server_settings={"application_name": "an open console"})
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM users")
        await connection.execute(f"SELECT pg_advisory_lock({LOCK})")
        run = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alembic", "upgrade", "head"),
            cwd=ROOT,
            env={"LATCHKEY_DATABASE_URL": fresh},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert run.stdout is not None
        said = (await run.stdout.readline()).decode()
        await connection.execute(f"SELECT pg_advisory_unlock({LOCK})")
        said += (await run.stdout.readline()).decode()
        pids = connection.get_server_pid(), holder.get_server_pid()
        await holder.execute("ROLLBACK")
        await holder.close()
        assert await run.wait() == 0
        return said, *pids

    said, running, console = run_on(fresh, wait)
    first, second = said.splitlines()
    assert first.startswith(f"Another migration of this database is running: waiting for pid {running} (user ")
    assert second.startswith(f"The migration cannot go on: waiting for pid {console} (user ")
    assert "an open console, from 127.0.0.1, idle in transaction since" in second
    assert second.endswith(f"SELECT pg_terminate_backend({console}) would end it.")


# -- schema check at start --------------------------------------------------------------------------------


def schema_error(url: str, *, timeout: float = 0.0) -> str:
    """The error of the schema check; empty if there is none."""

    async def insist() -> str:
        database = Database(url, deadline=1.0)
        try:
            await require_schema(database, timeout=timeout)
        except SchemaError as error:
            return str(error)
        finally:
            await database.close()
        return ""

    return asyncio.run(insist())


def test_a_schema_at_the_head_is_accepted(fresh: str) -> None:
    migrate(fresh, "upgrade", "head")
    assert schema_error(fresh) == ""


def test_missing_schema_is_distinguished_from_another_one(fresh: str) -> None:
    missing = f"The database has no schema yet, this version needs {head()}. Run `make migrate`."
    assert schema_error(fresh) == missing
    migrate(fresh, "upgrade", "head")

    async def set_back(connection: "asyncpg.Connection") -> object:
        return await connection.execute("UPDATE alembic_version SET version_num = 'abc123'")

    run_on(fresh, set_back)
    assert (
        schema_error(fresh) == f"The database has the schema abc123, this version needs {head()}. Run `make migrate`."
    )
    migrate_back = run_on(fresh, lambda connection: connection.execute("DELETE FROM alembic_version"))
    assert migrate_back == "DELETE 1"
    assert schema_error(fresh) == missing


def test_migration_logs_the_revisions(fresh: str) -> None:
    last, before = REVISIONS[-1], REVISIONS[-2]
    assert migrate(fresh, "upgrade", "head") == f"Migrated the schema from revision base to {last}.\n"
    assert migrate(fresh, "upgrade", "head") == f"The schema is at revision {last}: nothing to do.\n"
    assert migrate(fresh, "downgrade", "-1") == f"Migrated the schema from revision {last} to {before}.\n"


ADDS = """
def upgrade(): op.add_column("users", sa.Column("planted", sa.Text))
def downgrade(): op.drop_column("users", "planted")
"""
TAKES_AWAY = """
serves_since = "adds"
def upgrade(): op.drop_column("users", "created_at")
def downgrade(): ...
"""


def test_newer_schema_is_accepted_if_it_serves_this_release(fresh: str, tmp_path: Path) -> None:
    """Processes of the previous release may be restarted during a rollout and after it."""
    newer = tree_with(tmp_path / "newer", adds=ADDS)
    assert alembic(fresh, "upgrade", "head", root=newer).returncode == 0
    assert served_revisions(fresh) == [*REVISIONS, "adds"]
    assert schema_error(fresh) == ""
    # An old release has nothing to migrate there, and does not fail.
    assert migrate(fresh, "upgrade", "head").endswith(
        "newer than this version and compatible with it: nothing to do.\n"
    )

    newest = tree_with(tmp_path / "newest", adds=ADDS, takes_away=TAKES_AWAY)
    assert alembic(fresh, "upgrade", "head", root=newest).returncode == 0
    assert served_revisions(fresh) == ["adds", "takes_away"]
    assert schema_error(fresh) == (
        f"The database has the schema takes_away, this version needs {head()}. Run `make migrate`."
    )
    assert alembic(fresh, "upgrade", "head").returncode != 0

    assert alembic(fresh, "downgrade", "-2", root=newest).returncode == 0
    assert served_revisions(fresh) == REVISIONS
    assert schema_error(fresh) == ""


def test_newer_schema_that_names_no_release_is_refused(fresh: str, tmp_path: Path) -> None:
    newer = tree_with(tmp_path / "newer", adds=ADDS)
    assert alembic(fresh, "upgrade", "head", root=newer).returncode == 0
    # Set by hand: the comment lists the revisions of another schema.
    run_on(fresh, lambda connection: connection.execute("UPDATE alembic_version SET version_num = 'abc123'"))
    assert "has the schema abc123" in schema_error(fresh)
    run_on(fresh, lambda connection: connection.execute("UPDATE alembic_version SET version_num = 'adds'"))
    assert schema_error(fresh) == ""
    run_on(fresh, lambda connection: connection.execute("COMMENT ON TABLE alembic_version IS NULL"))
    assert "has the schema adds" in schema_error(fresh)


@pytest.mark.parametrize("names", [(head(), "ffffffffffff"), ("ffffffffffff", head())], ids=["ours", "the other"])
def test_a_schema_with_two_revisions_is_refused_in_either_order(fresh: str, names: tuple[str, str]) -> None:
    migrate(fresh, "upgrade", "head")
    first, then = names
    run_on(fresh, lambda connection: connection.execute("DELETE FROM alembic_version"))
    run_on(fresh, lambda connection: connection.execute("INSERT INTO alembic_version VALUES ($1), ($2)", first, then))
    assert f"has the schema {head()} and ffffffffffff, this version needs {head()}" in schema_error(fresh)
    done = alembic(fresh, "upgrade", "head")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        ("DELETE FROM alembic_version", 'relation "mails" already exists'),
        ("ALTER TABLE alembic_version RENAME version_num TO v", "column alembic_version.version_num does not exist"),
        ("UPDATE alembic_version SET version_num = ''", "alembic_version says nothing"),
    ],
    ids=["emptied", "renamed", "nameless"],
)
def test_invalid_alembic_version_is_reported_in_one_line(fresh: str, spoilt: str, why: str) -> None:
    migrate(fresh, "upgrade", "head")
    run_on(fresh, lambda connection: connection.execute(spoilt))
    assert "Run `make migrate`." in schema_error(fresh)
    done = alembic(fresh, "upgrade", "head")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith(f"The migration failed: {why}. If alembic_version does not tell")
    assert "--purge" in done.stderr


def test_older_schema_is_refused_even_if_marked_as_serving(fresh: str) -> None:
    migrate(fresh, "upgrade", REVISIONS[-2])
    comment_sql = f"COMMENT ON TABLE alembic_version IS '{head()} {REVISIONS[-2]}'"
    run_on(fresh, lambda connection: connection.execute(comment_sql))
    assert schema_error(fresh).startswith(
        f"The database has the schema {REVISIONS[-2]}, this version needs {head()}."
    )
    migrate(fresh, "upgrade", "head")
    assert schema_error(fresh) == ""


def test_an_older_schema_is_refused(fresh: str) -> None:
    migrate(fresh, "upgrade", REVISIONS[-2])
    assert schema_error(fresh).startswith(
        f"The database has the schema {REVISIONS[-2]}, this version needs {head()}."
    )


@pytest.mark.parametrize("timeout", [0.0, 0.5])
def test_an_unreachable_database_is_reported_without_its_password(timeout: float) -> None:
    said = schema_error("postgresql://latchkey:hunter2@127.0.0.1:1/latchkey", timeout=timeout)
    assert said.startswith("The database at 127.0.0.1:1 cannot be used, see LATCHKEY_DATABASE_URL: ")
    assert "hunter2" not in said


def test_refused_connection_is_not_a_missing_schema(postgres: engines.Postgres) -> None:
    assert schema_error(postgres.url.replace("@", "x@")).endswith(
        'password authentication failed for user "latchkey"'
    )
    assert schema_error(postgres.url_of("nowhere")).endswith('database "nowhere" does not exist')


def test_silent_database_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        message = schema_error(f"postgresql://latchkey:hunter2@127.0.0.1:{port}/latchkey")
    assert (
        message == f"The database at 127.0.0.1:{port} cannot be used, see LATCHKEY_DATABASE_URL: it does not answer"
    )


def test_late_database_is_waited_for(tmp_path: Path) -> None:
    with engines.postgres(tmp_path / "late", durable=False) as late:
        migrate(late.url, "upgrade", "head")
        late.kill()

        async def both() -> None:
            database = Database(late.url, deadline=1.0)
            starting = asyncio.create_task(asyncio.to_thread(late.start))
            try:
                await require_schema(database, timeout=30)
            finally:
                await starting
                await database.close()

        asyncio.run(both())


@pytest.mark.parametrize("part", ["api", "worker"])
def test_no_process_starts_on_an_unknown_schema(fresh: str, part: str, tmp_path: Path) -> None:
    environ = {
        **os.environ,
        "LATCHKEY_ENV": "development",
        "LATCHKEY_DATABASE_URL": fresh,
        "LATCHKEY_REDIS_URL": "redis://127.0.0.1:1/0",
        "LATCHKEY_DATA_DIR": str(tmp_path),
        "LATCHKEY_MAIL_DIR": str(tmp_path / "mail"),
    }
    command = [sys.executable, "-m", f"entrypoints.{part}"]
    process = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert process.returncode == 1
    assert process.stderr.splitlines() == [
        "Latchkey cannot start.",
        f"The database has no schema yet, this version needs {head()}. Run `make migrate`.",
    ]
