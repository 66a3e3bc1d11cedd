"""Cost of hot queries with a million users and three million sessions, against ten thousand users: aim, at most 1.5
times. Also the memory of an API process."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.revocations import MemoryBlocklist
from adapters.postgres.database import Database
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore
from adapters.postgres.user_lookup import PostgresUserLookup
from adapters.uuid7 import uuid7
from application.profile.show_me import ShowMe
from domain.audit import AuditEvent, EventType
from domain.role import Role
from domain.session import EndReason, Lifetimes, Session
from domain.tokens import AccessToken
from entrypoints.devserver import engines
from tests.benchmarks.harness.explain import explain_statements, rolling_back
from tests.benchmarks.harness.rig import resident_mib
from tests.benchmarks.harness.table import report
from tests.entrypoints.conftest import migrate
from tests.support.sql import sql_engine
from tests.support.statement_recorder import RecordingDatabase

FEW, MANY, EACH = 10_000, 1_000_000, 3
ROUNDS, TIMES, EXPLAINED = 3, 150, 25
PENDING = "pending revocations"
"""Usually there are none."""
LIFETIMES = Lifetimes()

USERS = """
INSERT INTO users (id, email, username, password_hash, role, verified_at, created_at, provenance)
SELECT uuidv7(), 'user' || n || '@example.org', CASE WHEN n % 2 = 0 THEN 'name' || n END, 'hash', 'member',
       CASE WHEN n % 20 > 0 THEN now() END, now(), 'self'
FROM generate_series(1, CAST(:many AS integer)) n
"""
# One session of every user, then the next of every user, so that those of one user are not adjacent. One in ten has
# ended, a thousand of these just now.
SESSIONS = """
INSERT INTO sessions (id, user_id, generation, floor, created_at, rotated_at, expires_at, ended_at, raised_at,
                      end_reason, user_agent, ip)
SELECT uuidv7(), users.id, 1, 0, now(), now(), now() + interval '7 days', over, over,
       CASE WHEN over IS NOT NULL THEN 'logout' END, 'Lynx', '203.0.113.' || n % 256
FROM users CROSS JOIN LATERAL (SELECT substr(email, 5, strpos(email, '@') - 5)::integer AS n) numbered
CROSS JOIN LATERAL (SELECT CASE WHEN n <= 1000 AND :turn = 1 THEN now()
                                WHEN n % 10 = :turn THEN now() - interval '1 day' END AS over) ended
"""
SAMPLE = """
SELECT sessions.id AS session, users.id AS user, email, username FROM users JOIN sessions ON user_id = users.id
WHERE email = ANY(SELECT 'user' || 2 * (1000 + n * :step) || '@example.org' FROM generate_series(1, :some) n)
AND ended_at IS NULL AND verified_at IS NOT NULL ORDER BY random()
"""


@dataclass(frozen=True, slots=True)
class SampleUser:
    session: UUID
    user: UUID
    email: str
    username: str


Query = Callable[[SampleUser], Awaitable[object]]


async def _reset_generation(engine: AsyncEngine, user: SampleUser) -> None:
    """Reset the session. The statement is not recorded."""
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.execute("UPDATE sessions SET generation = 1 WHERE id = $1", user.session)


def queries(database: Database, engine: AsyncEngine, *, keep: bool = True) -> dict[str, Query]:
    """The queries as use cases run them, with commit, or rolled back."""
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None, deadline=30)
    begin = store.begin if keep else rolling_back(store.begin)
    revocations, me = PostgresRevocationStore(database), ShowMe(user_lookup=PostgresUserLookup(database))
    renewals = PostgresRenewals(database)

    def now() -> datetime:
        return datetime.now(UTC)

    async def by_address(sample: SampleUser) -> object:
        async with begin() as work:
            return await work.users.by_email(sample.email)

    async def by_username(sample: SampleUser) -> object:
        async with begin() as work:
            return await work.users.by_username(sample.username)

    async def in_known_network(sample: SampleUser) -> object:
        async with begin() as work:
            return await work.sessions.has_session_in_network(sample.email, "203.0.113.0/24", now=now())

    async def open_session(sample: SampleUser) -> object:
        session = Session.opened(id=uuid7(), user_id=sample.user, now=now(), lifetimes=LIFETIMES)
        async with begin() as work:
            event = AuditEvent.of(EventType.LOGGED_IN, sample.user, id=uuid7(), now=now(), by=sample.user)
            user = await work.sessions.open(session, credential_version=1, event=event)
            await work.sessions.evict_oldest(session, most=LIFETIMES.sessions)
            return user

    async def evict_sessions(sample: SampleUser) -> object:
        session = Session.opened(id=uuid7(), user_id=sample.user, now=now(), lifetimes=LIFETIMES)
        async with begin() as work:
            event = AuditEvent.of(EventType.LOGGED_IN, sample.user, id=uuid7(), now=now(), by=sample.user)
            await work.sessions.open(session, credential_version=1, event=event)
            return await work.sessions.evict_oldest(session, most=1)

    async def refresh(sample: SampleUser) -> object:
        moved = await renewals.advance(sample.session, generation=1, now=now(), lifetimes=LIFETIMES)
        if not keep:
            await _reset_generation(engine, sample)
        return moved

    async def show_me(sample: SampleUser) -> object:
        token = AccessToken(
            user_id=sample.user,
            session_id=sample.session,
            generation=1,
            role=Role.MEMBER,
            verified=True,
            issued_at=now(),
            expires_at=now() + timedelta(minutes=10),
        )
        return await me(token)

    async def end_session(sample: SampleUser) -> object:
        async with begin() as work:
            return await work.sessions.end(sample.session, now=now(), reason=EndReason.LOGOUT)

    return {
        "login: a user by address": by_address,
        "login: a user by username": by_username,
        "login: is the network known": in_known_network,
        "login: opening a session": open_session,
        "me": show_me,
        "refresh": refresh,
        "minimum generation of a session": lambda sample: revocations.min_generations([sample.session]),
        "recent revocations": lambda _: revocations.revoked(within=timedelta(hours=1)),
        PENDING: lambda _: revocations.pending(),
        "logout": end_session,
        "login: sessions are evicted": evict_sessions,
    }


@dataclass(frozen=True, slots=True)
class FilledDatabase:
    """`people` are the users of the queries, in any order."""

    database: Database
    engine: AsyncEngine
    people: list[SampleUser]


async def fill(url: str, users: int) -> FilledDatabase:
    engine = sql_engine(url)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(USERS), {"many": users})
        for turn in range(1, EACH + 1):
            await connection.execute(text(SESSIONS), {"turn": turn})
        await connection.execute(text("VACUUM ANALYZE users, sessions, events"))
        await connection.execute(text("CHECKPOINT"))
        step = (users // 2 - 1100) // (ROUNDS * TIMES)
        rows = await connection.execute(text(SAMPLE), {"step": step, "some": ROUNDS * TIMES})
        people = [SampleUser(row.session, row.user, row.email, row.username) for row in rows]
    return FilledDatabase(RecordingDatabase(url, deadline=600), engine, people)


async def compare_latency(few: FilledDatabase, many: FilledDatabase) -> None:
    databases = [(queries(database.database, database.engine), database.people) for database in (few, many)]
    for name in databases[0][0]:
        medians: tuple[list[float], list[float]] = ([], [])
        for turn in range(ROUNDS):
            times: tuple[list[float], list[float]] = ([], [])
            for number in range(turn * TIMES, (turn + 1) * TIMES):
                # In turns, so that other load of the machine affects both.
                for durations, (asks, people) in zip(times, databases, strict=True):
                    began = time.perf_counter()
                    answer = await asks[name](people[number])
                    durations.append((time.perf_counter() - began) * 1000)
                    assert answer or name == PENDING, f"{name}: {answer}"
            for medians_of_database, durations in zip(medians, times, strict=True):
                medians_of_database.append(statistics.median(durations))
        report(f"growth: {name}", medians[1], "ms", against=medians[0], most=1.5, note="as a caller sees it")
    for database in (few, many):
        await database.database.close()
        await database.engine.dispose()


async def compare_execution_time(few: FilledDatabase, many: FilledDatabase) -> None:
    """The same as PostgreSQL reports it (EXPLAIN ANALYZE)."""
    databases = [
        (database, queries(database.database, database.engine, keep=False), database.people)
        for database in (few, many)
    ]
    for name in databases[0][1]:
        medians: tuple[list[float], list[float]] = ([], [])
        pages: tuple[list[float], list[float]] = ([], [])
        for turn in range(ROUNDS):
            times: tuple[list[float], list[float]] = ([], [])
            for index in range(turn * EXPLAINED, (turn + 1) * EXPLAINED):
                for durations, read, (database, asks, people) in zip(times, pages, databases, strict=True):
                    milliseconds, blocks = await explain_statements(
                        database.database, database.engine, partial(asks[name], people[index])
                    )
                    durations.append(milliseconds)
                    read.append(blocks)
            for medians_of_database, durations in zip(medians, times, strict=True):
                medians_of_database.append(statistics.median(durations))
        note = f"in PostgreSQL alone; {statistics.median(pages[1]):.0f} pages, and {statistics.median(pages[0]):.0f}"
        report(f"growth: {name}", medians[1], "ms", against=medians[0], most=1.5, note=note)


async def measure(urls: list[str]) -> None:
    began = time.perf_counter()
    few, many = [await fill(url, users) for url, users in zip(urls, (FEW, MANY), strict=True)]
    note = f"{MANY:,} users and {MANY * EACH:,} sessions, and {FEW:,} and {FEW * EACH:,}"
    report("growth: filling both databases", [time.perf_counter() - began], "s", note=note)
    await compare_execution_time(few, many)
    await compare_latency(few, many)


def main() -> None:
    with TemporaryDirectory(prefix="latchkey-bench-") as name, ExitStack() as stack:
        folder, urls = Path(name), []
        for size in ("few", "many"):
            postgres = stack.enter_context(engines.postgres(folder / size, durable=False))
            migrate(postgres.url)
            urls.append(postgres.url)
        asyncio.run(measure(urls))
        few, many = [
            resident_mib(folder / f"api{n}", url, stack.enter_context(engines.valkey(folder / f"valkey{n}")).url)
            for n, url in enumerate(urls)
        ]
        report("growth: memory of an API process", [many], "MiB", against=[few], most=1.1, note="started on each")


if __name__ == "__main__":
    main()
