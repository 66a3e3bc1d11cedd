"""Redis has a revocation that PostgreSQL has lost: it is counted and logged."""

import logging
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.database import Database
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore
from adapters.redis.blocklist import RedisBlocklist
from adapters.redis.lost_revocations import LostRevocations
from domain.session import EndReason
from entrypoints.devserver import engines
from tests.support.store_harness import LATER, SpyingBlocklist, StoreHarness

if TYPE_CHECKING:
    from redis.asyncio import Redis

pytestmark = pytest.mark.anyio


async def test_lost_revocations_are_found_after_postgresql_was_restored(
    database: Database, engine: AsyncEngine, valkey: engines.Valkey, redis: "Redis", caplog: pytest.LogCaptureFixture
) -> None:
    revocation_store = PostgresRevocationStore(database)
    blocklist = RedisBlocklist(valkey.url, store=revocation_store, horizon=LATER - LATER.replace(minute=0))
    lost = LostRevocations(valkey.url, revocation_store)
    store = PostgresStore(database, blocklist=blocklist, nudge=lambda _: None)
    harness = StoreHarness(store, PostgresRenewals(database), revocation_store, SpyingBlocklist(), [])
    user = await harness.user()
    sessions = [await harness.session(user) for _ in range(3)]
    try:
        assert await lost.count() == 0
        for session in sessions[:2]:
            async with store.begin() as work:
                await work.sessions.end(session.id, now=LATER, reason=EndReason.LOGOUT)
        assert await redis.keys("{latchkey}:floor:*")
        with caplog.at_level(logging.ERROR):
            assert await lost.count() == 0
            assert caplog.records == []
            async with engine.begin() as connection:  # as a restore of the earlier state would
                await connection.execute(
                    text("UPDATE sessions SET ended_at = NULL WHERE id = :id"), {"id": sessions[0].id}
                )
                await connection.execute(text("DELETE FROM sessions WHERE id = :id"), {"id": sessions[1].id})
            assert [await lost.count(), await lost.count()] == [2, 2]
        assert [it.message for it in caplog.records] == ["revocations_lost"]
        assert lost.last_count == 2
    finally:
        await blocklist.close()
