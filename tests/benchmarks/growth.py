"""What callers wait for, among a million users with three million sessions and among ten thousand: aim, at most half
as much again. And that an API process is no larger for it."""

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
from adapters.postgres.directory import PostgresDirectory
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore
from adapters.uuid7 import uuid7
from application.profile.show_me import ShowMe
from domain.audit import AuditEvent, EventType
from domain.role import Role
from domain.session import EndReason, Lifetimes, Session
from domain.tokens import AccessToken
from entrypoints.devserver import engines
from tests.benchmarks.harness.explained import explained, rolled_back
from tests.benchmarks.harness.house import resident
from tests.benchmarks.harness.table import report
from tests.entrypoints.conftest import migrate
from tests.support.sql import sql_engine
from tests.support.statement_recorder import RecordingDatabase

FEW, MANY, EACH = 10_000, 1_000_000, 3
ROUNDS, TIMES, TOLD = 3, 150, 25
NONE = "the floors not published yet"
"""Of which there are none as a rule."""
LIFETIMES = Lifetimes()

USERS = """
INSERT INTO users (id, email, username, password_hash, role, verified_at, created_at, provenance)
SELECT uuidv7(), 'user' || n || '@example.org', CASE WHEN n % 2 = 0 THEN 'name' || n END, 'hash', 'member',
       CASE WHEN n % 20 > 0 THEN now() END, now(), 'self'
FROM generate_series(1, CAST(:many AS integer)) n
"""
# A session of everybody, and then the next of everybody: nobody's lie side by side. One in ten is over, and was
# revoked, a thousand of these just now.
SESSIONS = """
INSERT INTO sessions (id, user_id, generation, floor, created_at, rotated_at, expires_at, ended_at, raised_at,
                      end_reason, user_agent, ip)
SELECT uuidv7(), users.id, 1, 0, now(), now(), now() + interval '7 days', over, over,
       CASE WHEN over IS NOT NULL THEN 'logout' END, 'Lynx', '203.0.113.' || n % 256
FROM users CROSS JOIN LATERAL (SELECT substr(email, 5, strpos(email, '@') - 5)::integer AS n) numbered
CROSS JOIN LATERAL (SELECT CASE WHEN n <= 1000 AND :turn = 1 THEN now()
                                WHEN n % 10 = :turn THEN now() - interval '1 day' END AS over) ended
"""
SOME = """
SELECT sessions.id AS session, users.id AS user, email, username FROM users JOIN sessions ON user_id = users.id
WHERE email = ANY(SELECT 'user' || 2 * (1000 + n * :step) || '@example.org' FROM generate_series(1, :some) n)
AND ended_at IS NULL AND verified_at IS NOT NULL ORDER BY random()
"""


@dataclass(frozen=True, slots=True)
class Somebody:
    session: UUID
    user: UUID
    email: str
    username: str


Ask = Callable[[Somebody], Awaitable[object]]


async def _back(engine: AsyncEngine, who: Somebody) -> None:
    """To where the session stood, unheard by whoever listens to the engine."""
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.execute("UPDATE sessions SET generation = 1 WHERE id = $1", who.session)


def asking(database: Database, engine: AsyncEngine, *, keep: bool = True) -> dict[str, Ask]:
    """Each as the use cases ask it, commit and all; or else with nothing of it kept."""
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None, deadline=30)
    begin = store.begin if keep else rolled_back(store.begin)
    floors, me = PostgresRevocationStore(database), ShowMe(directory=PostgresDirectory(database))
    renewals = PostgresRenewals(database)

    def now() -> datetime:
        return datetime.now(UTC)

    async def by_address(who: Somebody) -> object:
        async with begin() as work:
            return await work.users.by_email(who.email)

    async def by_username(who: Somebody) -> object:
        async with begin() as work:
            return await work.users.by_username(who.username)

    async def at_home(who: Somebody) -> object:
        async with begin() as work:
            return await work.sessions.has_session_in_network(who.email, "203.0.113.0/24", now=now())

    async def opened(who: Somebody) -> object:
        session = Session.opened(id=uuid7(), user_id=who.user, now=now(), lifetimes=LIFETIMES)
        async with begin() as work:
            event = AuditEvent.of(EventType.LOGGED_IN, who.user, id=uuid7(), now=now(), by=who.user)
            user = await work.sessions.open(session, credential_version=1, event=event)
            await work.sessions.evict_oldest(session, most=LIFETIMES.sessions)
            return user

    async def evicting(who: Somebody) -> object:
        session = Session.opened(id=uuid7(), user_id=who.user, now=now(), lifetimes=LIFETIMES)
        async with begin() as work:
            event = AuditEvent.of(EventType.LOGGED_IN, who.user, id=uuid7(), now=now(), by=who.user)
            await work.sessions.open(session, credential_version=1, event=event)
            return await work.sessions.evict_oldest(session, most=1)

    async def refreshed(who: Somebody) -> object:
        moved = await renewals.advance(who.session, generation=1, now=now(), lifetimes=LIFETIMES)
        if not keep:
            await _back(engine, who)
        return moved

    async def shown(who: Somebody) -> object:
        token = AccessToken(
            user_id=who.user,
            session_id=who.session,
            generation=1,
            role=Role.MEMBER,
            verified=True,
            issued_at=now(),
            expires_at=now() + timedelta(minutes=10),
        )
        return await me(token)

    async def ended(who: Somebody) -> object:
        async with begin() as work:
            return await work.sessions.end(who.session, now=now(), reason=EndReason.LOGOUT)

    return {
        "login: a user by address": by_address,
        "login: a user by username": by_username,
        "login: is somebody at home": at_home,
        "login: a session is opened": opened,
        "me": shown,
        "refresh": refreshed,
        "the floor of a session": lambda who: floors.min_generations([who.session]),
        "the floors raised lately": lambda _: floors.revoked(within=timedelta(hours=1)),
        NONE: lambda _: floors.pending(),
        "logout": ended,
        "login: sessions are evicted": evicting,
    }


@dataclass(frozen=True, slots=True)
class Filled:
    """`people` are those who will be asked about, in any order."""

    database: Database
    engine: AsyncEngine
    people: list[Somebody]


async def filled(url: str, users: int) -> Filled:
    engine = sql_engine(url)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(USERS), {"many": users})
        for turn in range(1, EACH + 1):
            await connection.execute(text(SESSIONS), {"turn": turn})
        await connection.execute(text("VACUUM ANALYZE users, sessions, events"))
        await connection.execute(text("CHECKPOINT"))
        step = (users // 2 - 1100) // (ROUNDS * TIMES)
        rows = await connection.execute(text(SOME), {"step": step, "some": ROUNDS * TIMES})
        people = [Somebody(row.session, row.user, row.email, row.username) for row in rows]
    return Filled(RecordingDatabase(url, deadline=600), engine, people)


async def timed(few: Filled, many: Filled) -> None:
    houses = [(asking(it.database, it.engine), it.people) for it in (few, many)]
    for name in houses[0][0]:
        medians: tuple[list[float], list[float]] = ([], [])
        for turn in range(ROUNDS):
            times: tuple[list[float], list[float]] = ([], [])
            for number in range(turn * TIMES, (turn + 1) * TIMES):
                # In turns, so that whatever else the machine does disturbs both.
                for found, (asks, people) in zip(times, houses, strict=True):
                    began = time.perf_counter()
                    answer = await asks[name](people[number])
                    found.append((time.perf_counter() - began) * 1000)
                    assert answer or name == NONE, f"{name}: {answer}"
            for one, found in zip(medians, times, strict=True):
                one.append(statistics.median(found))
        report(f"growth: {name}", medians[1], "ms", against=medians[0], most=1.5, note="as a caller sees it")
    for it in (few, many):
        await it.database.close()
        await it.engine.dispose()


async def told(few: Filled, many: Filled) -> None:
    """The same by PostgreSQL's own account."""
    houses = [(it, asking(it.database, it.engine, keep=False), it.people) for it in (few, many)]
    for name in houses[0][1]:
        medians: tuple[list[float], list[float]] = ([], [])
        pages: tuple[list[float], list[float]] = ([], [])
        for turn in range(ROUNDS):
            times: tuple[list[float], list[float]] = ([], [])
            for who in range(turn * TOLD, (turn + 1) * TOLD):
                for found, read, (it, asks, people) in zip(times, pages, houses, strict=True):
                    milliseconds, blocks = await explained(it.database, it.engine, partial(asks[name], people[who]))
                    found.append(milliseconds)
                    read.append(blocks)
            for one, found in zip(medians, times, strict=True):
                one.append(statistics.median(found))
        note = f"in PostgreSQL alone; {statistics.median(pages[1]):.0f} pages, and {statistics.median(pages[0]):.0f}"
        report(f"growth: {name}", medians[1], "ms", against=medians[0], most=1.5, note=note)


async def measure(urls: list[str]) -> None:
    began = time.perf_counter()
    few, many = [await filled(url, users) for url, users in zip(urls, (FEW, MANY), strict=True)]
    note = f"{MANY:,} users and {MANY * EACH:,} sessions, and {FEW:,} and {FEW * EACH:,}"
    report("growth: both are made", [time.perf_counter() - began], "s", note=note)
    await told(few, many)
    await timed(few, many)


def main() -> None:
    with TemporaryDirectory(prefix="latchkey-bench-") as name, ExitStack() as running:
        folder, urls = Path(name), []
        for size in ("few", "many"):
            postgres = running.enter_context(engines.postgres(folder / size, durable=False))
            migrate(postgres.url)
            urls.append(postgres.url)
        asyncio.run(measure(urls))
        few, many = [
            resident(folder / f"api{n}", url, running.enter_context(engines.valkey(folder / f"valkey{n}")).url)
            for n, url in enumerate(urls)
        ]
        report("growth: an API process", [many], "MiB", against=[few], most=1.1, note="started anew on each")


if __name__ == "__main__":
    main()
