"""Time of a page of users with a million users against a hundred thousand: aim, at most three times."""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from adapters.memory.revocations import MemoryBlocklist
from adapters.postgres.database import Database
from adapters.postgres.unit_of_work import PostgresStore
from application.administration.list_events import ListEvents
from application.administration.list_users import ListUsers
from domain.role import Role
from entrypoints.devserver import engines
from tests.benchmarks.harness.table import report
from tests.support.sql import sql_engine

FEW, MANY = 100_000, 1_000_000
ROUNDS = 40
USERS = """
INSERT INTO users (id, email, username, password_hash, role, verified_at, created_at, provenance)
SELECT uuidv7(), 'user' || n || '@example.org', CASE WHEN n % 2 = 0 THEN 'name' || n END, 'hash',
       CASE WHEN n % 10000 = 0 THEN 'admin' WHEN n % 1000 = 0 THEN 'moderator' ELSE 'member' END,
       CASE WHEN n % 20 > 0 THEN now() END, now(), 'self'
FROM generate_series(1, CAST(:many AS integer)) n
"""
EVENTS = """
INSERT INTO events (id, action, user_id, created_at, ip, user_agent, detail)
SELECT uuidv7(), 'logged_in', id, now(), '203.0.113.7', 'Lynx', '' FROM users
"""
EVENTS_OF_BUSY_USER = """
INSERT INTO events (id, action, user_id, created_at, ip, user_agent, detail)
SELECT uuidv7(), 'logged_in', id, now(), '203.0.113.7', 'Lynx', '' FROM users, generate_series(1, 10000)
WHERE email = 'user1@example.org'
"""
SELECT_BUSY_USER = "SELECT id FROM users WHERE email = 'user1@example.org'"

Page = Callable[[], Awaitable[object]]


async def pages(database: Database) -> dict[str, Page]:
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None)
    users, events = ListUsers(begin=store.begin), ListEvents(begin=store.begin)
    async with database.connection() as connection:
        busy: UUID = await connection.fetch_value(text(SELECT_BUSY_USER))
    middle = UUID(int=busy.int + (1 << 82))

    async def deep() -> object:
        """The cursor after ten pages."""
        after = None
        for _ in range(10):
            _, after = await users(query="user5", limit=50, after=after)
        return after

    return {
        "the first page of all": lambda: users(),
        "the page of one role": lambda: users(role=Role.ADMIN),
        "a prefix that many have": lambda: users(query="user1"),
        "a prefix that all have, and a role": lambda: users(query="user", role=Role.MODERATOR),
        "a username that half have": lambda: users(query="name"),
        "one address": lambda: users(query="user77777@example.org"),
        "no match": lambda: users(query="zebra"),
        "ten pages of a prefix": deep,
        "the events of a busy user": lambda: events(busy),
        "the events of a user behind a cursor": lambda: events(busy, after=middle),
    }


async def compare(few: str, many: str) -> dict[str, tuple[float, float]]:
    """The median milliseconds of both, measured in turns, so that other load of the machine affects both."""
    databases = [Database(url, deadline=600) for url in (few, many)]
    queries = [await pages(database) for database in databases]
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in queries[0]}
    for _ in range(ROUNDS):
        for name, both in times.items():
            for durations, queries_of_database in zip(both, queries, strict=True):
                began = time.perf_counter()
                await queries_of_database[name]()
                durations.append((time.perf_counter() - began) * 1000)
    for database in databases:
        await database.close()
    return {
        name: (statistics.median(few_durations), statistics.median(many_durations))
        for name, (few_durations, many_durations) in times.items()
    }


async def fill(url: str, users: int) -> None:
    engine = sql_engine(url)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(USERS), {"many": users})
        await connection.execute(text(EVENTS_OF_BUSY_USER))
        await connection.execute(text(EVENTS))
        for table in ("users", "events"):
            await connection.execute(text(f"VACUUM ANALYZE {table}"))


async def measure(urls: list[str]) -> None:
    for url, users in zip(urls, (FEW, MANY), strict=True):
        await fill(url, users)
    print(f"{'':38}{FEW:>12,}{MANY:>12,}{'ratio':>8}")
    worst, medians = "", await compare(*urls)
    for name, (time_of_few, time_of_many) in medians.items():
        print(f"{name:38}{time_of_few:>9.2f} ms{time_of_many:>9.2f} ms{time_of_many / time_of_few:>8.2f}")
        if not worst or time_of_many / time_of_few > medians[worst][1] / medians[worst][0]:
            worst = name
    note = f"to {FEW:,}; of {len(medians)} this grows most: {worst}"
    report(
        f"slowest page among {MANY:,} users",
        [medians[worst][1]],
        "ms",
        against=[medians[worst][0]],
        most=3,
        note=note,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        urls = []
        for name in ("few", "many"):
            postgres = stack.enter_context(engines.postgres(Path(folder) / name, durable=False))
            migrate = [sys.executable, "-m", "alembic", "upgrade", "head"]
            subprocess.run(migrate, env={**os.environ, "LATCHKEY_DATABASE_URL": postgres.url}, check=True)
            urls.append(postgres.url)
        asyncio.run(measure(urls))


if __name__ == "__main__":
    main()
