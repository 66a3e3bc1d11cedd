"""Refreshes against the same conditional UPDATE by asyncpg alone: both durable, with the same concurrency."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import uvloop

from tests.benchmarks.harness.crowd import Act, Caller, Crowd, crowd
from tests.benchmarks.harness.rig import BenchRig, bench_rig
from tests.benchmarks.harness.table import report
from tests.support.service import PASSWORD

ROUNDS, SECONDS, CLIENTS = 3, 3, 16

SESSION = """
INSERT INTO sessions (id, user_id, generation, floor, created_at, rotated_at, expires_at, user_agent, ip)
SELECT uuidv7(), id, 1, 0, now(), now(), now() + interval '7 days', 'Lynx', '203.0.113.7'
FROM users WHERE email LIKE 'raw%' RETURNING id
"""
ADVANCE = """
UPDATE sessions SET generation = $2 + 1, rotated_at = $3, expires_at = least($4, created_at + interval '30 days')
WHERE id = $1 AND generation = $2 AND ended_at IS NULL AND expires_at > $3 RETURNING *
"""


async def by_asyncpg(url: str, ids: list[UUID], generations: dict[UUID, int]) -> float:
    """Updates a second, with one connection for each session."""
    connections = [await asyncpg.connect(url) for _ in ids]
    until, times = time.perf_counter() + SECONDS, 0

    async def go_on(connection: asyncpg.Connection, session: UUID) -> None:
        nonlocal times
        advance = await connection.prepare(ADVANCE)
        while time.perf_counter() < until:
            now = datetime.now(UTC)
            moved = await advance.fetchrow(session, generations[session], now, now + timedelta(days=7))
            assert moved is not None
            generations[session] += 1
            times += 1

    await asyncio.gather(*map(go_on, connections, ids))
    for connection in connections:
        await connection.close()
    return times / SECONDS


SESSIONS = 40
"""Sessions of each client, used in turn, because the refreshes of one session are limited."""


def refresh_acts(pairs: Sequence[dict[str, str]]) -> Act:
    """One client, which stores the returned tokens."""
    turns = itertools.cycle(pairs)

    async def renew(caller: Caller) -> int:
        pair = next(turns)
        status, body = await caller.request("POST", "/v1/refresh", {"refresh_token": pair["refresh_token"]})
        if status == 200:
            pair.update(json.loads(body))
        return status

    return renew


async def pairs(url: str, emails: list[str]) -> list[dict[str, str]]:
    caller, result = Caller(url), list[dict[str, str]]()
    for email in emails:
        status, body = await caller.request("POST", "/v1/login", {"login": email, "password": PASSWORD})
        assert status == 200, body
        result.append(json.loads(body))
    caller.close()
    return result


def measure(rig: BenchRig, url: str) -> None:
    session_pairs = uvloop.run(pairs(url, rig.add_users("renewing", CLIENTS) * SESSIONS))
    acts = [refresh_acts(session_pairs[number::CLIENTS]) for number in range(CLIENTS)]
    rig.add_users("raw", CLIENTS)
    ids = [row["id"] for row in rig.run(lambda database: database.fetch(SESSION))]
    generations = dict.fromkeys(ids, 1)
    fsync = rig.run(lambda database: database.fetchval("SHOW fsync"))
    raw, crowds = list[float](), list[Crowd]()
    turns: tuple[Callable[[], None], ...] = (
        lambda: raw.append(uvloop.run(by_asyncpg(rig.database_url, ids, generations))),
        lambda: crowds.append(uvloop.run(crowd(url, acts, seconds=SECONDS))),
    )
    for _, turn in itertools.product(range(1 + ROUNDS), turns):
        turn()
    raw, crowds = raw[1:], crowds[1:]  # the first is a warm-up
    failures = "; ".join(session_pairs.failures for session_pairs in crowds if session_pairs.failures)
    note = (
        f"{CLIENTS} clients; load generator {max(session_pairs.load for session_pairs in crowds):.0%} of a core"
        + (failures and f"; {failures}")
    )
    report("asyncpg alone: the same UPDATE", raw, "/s", note=f"{CLIENTS} connections, fsync {fsync}")
    report("refreshes", [session_pairs.rate for session_pairs in crowds], "/s", against=raw, least=0.25, note=note)
    report("refreshes, p99", [session_pairs.p99 for session_pairs in crowds], "ms")


def main() -> None:
    with bench_rig() as rig:
        measure(rig, rig.service().url)


if __name__ == "__main__":
    main()
