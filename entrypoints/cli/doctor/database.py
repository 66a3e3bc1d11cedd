"""PostgreSQL: connection, version, schema, durability, and room for all connections."""

import time
from collections.abc import AsyncIterator

from sqlalchemy import text

from adapters.postgres.connection import Connection, Row
from adapters.postgres.database import POOL_SIZE, Database
from adapters.postgres.database_url import behind_pgbouncer
from adapters.postgres.errors import FAILURES
from application.ports import Clock
from entrypoints.cli.doctor.clocks import compare_clocks
from entrypoints.cli.doctor.findings import Finding
from entrypoints.schema import schema_of
from entrypoints.settings import Settings

PART = "database"
TESTED = 18
SLOW = 5.0
"""Milliseconds of a round trip above which logins, which need several, are slow."""

_FACTS = text("""
SELECT current_setting('server_version_num')::int / 10000 AS major,
       current_setting('server_version') AS version,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('fsync') AS fsync,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0) AS max_connections,
       (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user) AS for_the_role,
       (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()) AS for_the_database,
       current_setting('transaction_read_only') = 'on' AS read_only,
       current_setting('default_transaction_isolation') AS isolation,
       current_setting('statement_timeout') AS statement_timeout,
       current_setting('idle_in_transaction_session_timeout') AS idle_in_transaction_session_timeout
""")


async def check_database(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    database = Database(settings.database_url, pool_size=1, deadline=5, application="latchkey doctor")
    where = f"{database.server}/{database.name}"
    try:
        async with database.connection() as connection:
            [facts] = await connection.fetch(_FACTS)
            sent_at = clock()
            server_time = await connection.fetch_value(text("SELECT clock_timestamp()"))
            received_at = clock()
            schema, round_trip = await _schema(connection), await _round_trip(connection)
    except FAILURES as error:
        why = str(error) or "it does not answer"
        yield Finding.error(PART, f"{where} refuses the connection: {why}; see LATCHKEY_DATABASE_URL")
        return
    finally:
        await database.close()
    yield judge_version(facts["major"], facts["version"], where)
    if facts["read_only"]:
        yield Finding.error(PART, f"{where} does not accept writes (a replica?): use the primary")
    yield schema
    yield round_trip
    yield _durability(facts)
    if behind_pgbouncer(settings.database_url):
        yield _limits(facts)
    else:
        yield _connection_capacity(facts, settings)
    yield compare_clocks("PostgreSQL", server_time, sent_at=sent_at, received_at=received_at)


def judge_version(major: int, version: str, where: str) -> Finding:
    if major < TESTED:
        return Finding.warning(PART, f"PostgreSQL {version} at {where}: Latchkey is tested with {TESTED}")
    return Finding.ok(PART, f"PostgreSQL {version} at {where}")


async def _schema(connection: Connection) -> Finding:
    schema = await schema_of(connection)
    if schema.newer:
        return Finding.ok(PART, f"the schema is {schema.revision}, newer than this version and compatible with it")
    if schema.fits:
        return Finding.ok(PART, f"the schema is {schema.revision}, as this version needs it")
    state = "there is no schema" if schema.revision is None else f"the schema is {schema.revision}"
    return Finding.error(PART, f"{state}, this version needs {schema.expected}: run `make migrate`")


async def _round_trip(connection: Connection) -> Finding:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        await connection.execute(text("SELECT 1"))
        times.append((time.perf_counter() - began) * 1000)
    if (spent := min(times)) > SLOW:
        return Finding.warning(
            PART,
            f"a round trip takes {spent:.1f} ms, and a login takes several: move Latchkey closer to PostgreSQL",
        )
    return Finding.ok(PART, f"a round trip takes {spent:.1f} ms")


def _durability(facts: Row) -> Finding:
    if facts["synchronous_commit"] not in {"on", "remote_apply"}:
        return Finding.error(
            PART,
            f"synchronous_commit is {facts['synchronous_commit']}: a crash can lose logouts and mails that were"
            " already confirmed; set it to on",
        )
    if facts["fsync"] != "on":
        return Finding.error(PART, "fsync is off: a crash of the machine loses the database; set it to on")
    return Finding.ok(PART, "committed data survives a crash (synchronous_commit, fsync)")


def _limits(facts: Row) -> Finding:
    """Checks settings that our own connections set and PgBouncer does not pass on."""
    limits = ("statement_timeout", "idle_in_transaction_session_timeout")
    if facts["isolation"] != "read committed":
        return Finding.error(
            PART,
            f"default_transaction_isolation is {facts['isolation']}, and PgBouncer does not pass on another:"
            " concurrent requests get 503; set it to 'read committed' by ALTER ROLE or ALTER DATABASE",
        )
    lacking = [name for name in limits if facts[name] == "0"]
    if lacking:
        return Finding.warning(
            PART,
            f"{' and '.join(lacking)} of this role is off, and PgBouncer does not pass it on: a connection that is"
            " cut off keeps its locks; set them by ALTER ROLE (2s and 10s)",
        )
    return Finding.ok(PART, "PgBouncer manages the connections, and the server ends statements of lost connections")


def _connection_capacity(facts: Row, settings: Settings) -> Finding:
    limits = (facts["max_connections"], facts["for_the_role"], facts["for_the_database"])
    room = min(limit for limit in limits if limit is not None)
    needed = POOL_SIZE * (settings.processes + 1)
    apis = "an API process" if settings.processes == 1 else f"{settings.processes} API processes"
    sum_up = f"{apis} and a worker may open {needed} connections, {POOL_SIZE} each"
    if needed > room:
        return Finding.error(
            PART, f"{sum_up}, and there is room for {room}: raise max_connections, or lower LATCHKEY_PROCESSES"
        )
    return Finding.ok(PART, f"{sum_up}, and there is room for {room}")
