"""Fixtures that run each contract test on the memory store and on the PostgreSQL store."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.expired_rows import MemoryExpiredRows
from adapters.memory.revocations import MemoryRevocationStore
from adapters.memory.session_renewals import MemoryRenewals
from adapters.memory.unit_of_work import MemoryStore
from adapters.postgres.expired_rows import PostgresExpiredRows
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.tables import sessions
from adapters.postgres.unit_of_work import PostgresStore
from application.ports import ExpiredRows
from tests.support.store_harness import SpyingBlocklist, StoreHarness
from tests.support.world import StoppedClock

AdvanceTime = Callable[[timedelta], Awaitable[None]]


@pytest.fixture(params=["memory", "postgres"])
def harness(request: pytest.FixtureRequest, store_clock: StoppedClock) -> StoreHarness:
    blocklist, nudged = SpyingBlocklist(), list[UUID]()
    if request.param == "postgres":
        database = request.getfixturevalue("database")
        postgres = PostgresStore(database, blocklist=blocklist, nudge=nudged.extend)
        return StoreHarness(
            postgres, PostgresRenewals(database), PostgresRevocationStore(database), blocklist, nudged
        )
    memory = MemoryStore(blocklist=blocklist, nudge=nudged.extend, clock=store_clock)
    return StoreHarness(memory, MemoryRenewals(memory), MemoryRevocationStore(memory), blocklist, nudged)


@pytest.fixture
def expired_rows(harness: StoreHarness, request: pytest.FixtureRequest) -> ExpiredRows:
    """The purge of the same store."""
    if isinstance(harness.store, MemoryStore):
        return MemoryExpiredRows(harness.store)
    return PostgresExpiredRows(request.getfixturevalue("database"))


@pytest.fixture
def store_clock() -> StoppedClock:
    """The clock of the memory store."""
    return StoppedClock()


@pytest.fixture
def advance_time(harness: StoreHarness, store_clock: StoppedClock, request: pytest.FixtureRequest) -> AdvanceTime:
    """Lets time pass for the revocations in the store, and for nothing else."""
    stored = isinstance(harness.revocations, PostgresRevocationStore)
    engine: AsyncEngine | None = request.getfixturevalue("engine") if stored else None

    async def advance_time(much: timedelta) -> None:
        store_clock.now += much
        if engine is not None:
            async with engine.begin() as connection:
                await connection.execute(update(sessions).values(revoked_at=sessions.c.revoked_at - much))

    return advance_time
