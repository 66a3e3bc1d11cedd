"""The stage in each of its settings: every store plays the same part, and every test asks the same of it."""

from uuid import UUID

import pytest

from adapters.memory.memory_floors import MemoryFloors
from adapters.memory.memory_store import MemoryStore
from adapters.postgres.postgres_floors import PostgresFloors
from adapters.postgres.postgres_store import PostgresStore
from tests.contracts.stage import SpyingBlocklist, Stage


@pytest.fixture(params=["memory", "postgres"])
def stage(request: pytest.FixtureRequest) -> Stage:
    blocklist, nudged = SpyingBlocklist(), list[UUID]()
    if request.param == "postgres":
        engine = request.getfixturevalue("engine")
        postgres = PostgresStore(engine, blocklist=blocklist, nudge=nudged.extend)
        return Stage(postgres.begin, postgres.step, PostgresFloors(engine), blocklist, nudged)
    memory = MemoryStore(blocklist=blocklist, nudge=nudged.extend)
    return Stage(memory.begin, memory.step, MemoryFloors(memory), blocklist, nudged)
