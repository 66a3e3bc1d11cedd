"""Runs one migration at a time, and names the sessions that it waits for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

LOCK_ID = 7235501094318843
REPORT_AFTER_SECONDS = 2.0
"""Seconds that a migration waits before it reports what it waits for."""

_HOLDER = text("""
SELECT pid, usename, application_name, client_addr, state, coalesce(xact_start, backend_start) AS since
FROM pg_stat_activity WHERE pid IN (
    SELECT pid FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = :turn
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
""")
_BLOCKERS = text("""
SELECT pid, usename, application_name, client_addr, state, coalesce(xact_start, backend_start) AS since
FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(:pid))
""")
_NEVER = text("SELECT set_config(name, '0', :local) FROM pg_settings WHERE name = ANY (CAST(:names AS text[]))")

Report = Callable[[str], None]


@asynccontextmanager
async def migration_turn(engine: AsyncEngine, *, pooled: bool, say: Report) -> AsyncIterator[AsyncConnection]:
    """Waits without limit while another deployment migrates.

    The lock has its own connection. It is a session lock outside of any transaction, because an index that is built
    concurrently waits for every transaction with a snapshot. For the same reason the lock is polled. Only PgBouncer,
    which gives each transaction another session, needs a transaction lock.
    """
    level, lock = ("READ COMMITTED", "xact_lock") if pooled else ("AUTOCOMMIT", "lock")
    ask = text(f"SELECT pg_try_advisory_{lock}({LOCK_ID})")
    async with engine.execution_options(isolation_level=level).connect() as connection:
        await never_time_out(connection, local=pooled)
        waiting = _WaitReport(_HOLDER, "Another migration of this database is running", say)
        while not (await connection.execute(ask)).scalar_one():
            await waiting.look(connection, turn=LOCK_ID)
            await connection.rollback()
            await asyncio.sleep(0.2)
        await never_time_out(connection, local=pooled)
        if pooled:
            # The portal of a query keeps its snapshot until the next statement of the transaction. SET takes none.
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
        yield connection


@asynccontextmanager
async def reporting_blockers(connection: AsyncConnection, *, pid: int, say: Report) -> AsyncIterator[None]:
    """During the block, reports on `connection` which sessions the session `pid` waits for."""

    async def look() -> None:
        waiting = _WaitReport(_BLOCKERS, "The migration cannot go on", say)
        while True:
            await asyncio.sleep(REPORT_AFTER_SECONDS / 4)
            await waiting.look(connection, pid=pid)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError, SQLAlchemyError, OSError):
            await looking


class _WaitReport:
    """Reports each session once, when it has blocked us for `REPORT_AFTER_SECONDS` seconds."""

    def __init__(self, question: Any, what: str, say: Report) -> None:
        self._question, self._what, self._say = question, what, say
        self._since: dict[int, float] = {}
        self._reported: set[int] = set()

    async def look(self, connection: AsyncConnection, **parameters: int) -> None:
        now = asyncio.get_running_loop().time()
        sessions = {row.pid: row for row in await connection.execute(self._question, parameters)}
        self._since = {pid: self._since.get(pid, now) for pid in sessions}
        for pid, row in sessions.items():
            if pid not in self._reported and now - self._since[pid] >= REPORT_AFTER_SECONDS:
                self._reported.add(pid)
                self._say(f"{self._what}: waiting for {_describe(row)}.")


def _describe(row: Any) -> str:
    """Leaves out the session's statement, which may contain personal data."""
    facts = [f"user {row.usename}", row.application_name, row.client_addr and f"from {row.client_addr}", row.state]
    since = "" if row.since is None else f" since {row.since.astimezone(UTC):%H:%M:%S} UTC"
    who = ", ".join(str(fact) for fact in facts if fact)
    return f"pid {row.pid} ({who}{since}); SELECT pg_terminate_backend({row.pid}) would end it"


_TIMEOUTS = (
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)


async def never_time_out(connection: AsyncConnection, *, local: bool) -> None:
    """Overrides the timeouts of server, database and role; with `local` in this transaction only."""
    await connection.execute(_NEVER, {"local": local, "names": list(_TIMEOUTS)})
