"""Checks the outbox: pending mails with their age and reason, and parked mails."""

from collections.abc import AsyncIterator
from datetime import timedelta

from sqlalchemy import text

from adapters.postgres.database import Database
from adapters.postgres.outbox_backlog import Backlog, PostgresBacklog
from application.ports import Clock
from domain.email import redact_emails
from entrypoints.cli.doctor.findings import Finding
from entrypoints.settings import Settings

PART = "mails"
LATE = timedelta(minutes=1)
"""Delay above which users may be waiting for a mail."""

_LATEST = text(
    "SELECT note, recipient FROM mails WHERE outcome IS NULL AND note <> '' ORDER BY created_at DESC LIMIT 1"
)


async def check_mails(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    database = Database(settings.database_url, pool_size=1, deadline=5, application="latchkey doctor")
    try:
        backlog = await PostgresBacklog(database, clock=clock).read()
        async with database.connection() as connection:
            latest = await connection.fetch_row(_LATEST)
    except Exception:  # the database check reports what is wrong
        return
    finally:
        await database.close()
    yield judge_backlog(backlog, "" if latest is None else redact_emails(latest["note"]))


def judge_backlog(backlog: Backlog, note: str) -> Finding:
    """`note` is the reason why one of them was delayed, if known."""
    why = f"; the latest note: {note}" if note else ""
    pending = (
        f"{backlog.pending} waiting, the oldest for {_format_age(backlog.oldest_age)}{why}"
        if backlog.pending
        else "no mail is waiting"
    )
    pending += f"; {backlog.parked} given up, see `mail list`" if backlog.parked else ""
    if backlog.lag > LATE:
        behind = f"due for {_format_age(backlog.lag)} and not attempted"
        return Finding.warning(PART, f"{pending}; {behind}: check that enough workers are running")
    if backlog.oldest_age > LATE:
        return Finding.warning(PART, f"{pending}; workers try, but it is not accepted: see LATCHKEY_SMTP_URL")
    return Finding.ok(PART, pending)


def _format_age(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
