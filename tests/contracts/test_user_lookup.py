"""Lookups of users without a unit of work are never older than the call."""

import asyncio
from functools import partial

import pytest

from adapters.memory.unit_of_work import MemoryStore
from adapters.memory.user_lookup import MemoryUserLookup
from adapters.postgres.database import Database
from adapters.postgres.user_lookup import PostgresUserLookup
from application.ports import UserLookup
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from tests.support.databases import database_at
from tests.support.statement_recorder import StatementRecorder
from tests.support.store_harness import StoreHarness, new_id, run_concurrently

pytestmark = pytest.mark.anyio


@pytest.fixture
def user_lookup(harness: StoreHarness, request: pytest.FixtureRequest) -> UserLookup:
    if isinstance(harness.store, MemoryStore):
        return MemoryUserLookup(harness.store)
    return PostgresUserLookup(request.getfixturevalue("database"))


async def test_user_is_found_with_all_fields(harness: StoreHarness, user_lookup: UserLookup) -> None:
    ada = await harness.user(username="ada")
    bob = await harness.user("bob@example.org", proven=False, role=Role.ADMIN)
    assert await user_lookup.user(ada.id) == await harness.load_user(ada.id) == ada
    assert await user_lookup.user(bob.id) == await harness.load_user(bob.id) == bob
    assert await user_lookup.user(new_id()) is None


async def test_lookup_sees_earlier_commits(harness: StoreHarness, user_lookup: UserLookup) -> None:
    user = await harness.user()
    for name in ("ada", "countess", "ada"):
        async with harness.begin() as work:
            await work.users.rename(user.id, name)
        found = await user_lookup.user(user.id)
        assert found is not None
        assert found.username == name
    async with harness.begin() as work:
        await work.users.remove(user.id, now=user.created_at)
    assert await user_lookup.user(user.id) is None


async def test_concurrent_lookups_each_get_their_own_user(harness: StoreHarness, user_lookup: UserLookup) -> None:
    users = [await harness.user(f"user{number}@example.org") for number in range(30)]
    asked = [user for user in users for _ in range(5)]
    found = await run_concurrently(partial(user_lookup.user, user.id) for user in asked)
    assert found == asked


async def test_concurrent_lookups_share_a_statement(database: Database) -> None:
    user_lookup = PostgresUserLookup(database)
    recorder = StatementRecorder(database)
    await asyncio.gather(*(user_lookup.user(new_id()) for _ in range(50)))
    assert len(recorder.take()) == 1


async def test_unavailable_database_is_a_refusal() -> None:
    async with database_at("postgresql://nobody@127.0.0.1:1/nowhere") as nowhere:
        with pytest.raises(Refusal) as refusal:
            await PostgresUserLookup(nowhere).user(new_id())
    assert refusal.value.code is ErrorCode.UNAVAILABLE


async def test_name_finds_its_verified_user_or_all_unverified_ones(
    harness: StoreHarness, user_lookup: UserLookup
) -> None:
    rivals = [await harness.user(username="Ada", proven=False) for _ in range(3)]
    assert (
        list(await user_lookup.candidates("ada@example.org")) == list(await user_lookup.candidates("aDA")) == rivals
    )
    proven = await harness.user(username="ada")
    await harness.user(username="ada", proven=False)
    assert (
        list(await user_lookup.candidates("ada@example.org")) == list(await user_lookup.candidates("ADA")) == [proven]
    )
    assert list(await user_lookup.candidates("bob@example.org")) == list(await user_lookup.candidates("bob")) == []


async def test_of_very_many_rivals_the_first_and_last_are_found(
    harness: StoreHarness, user_lookup: UserLookup
) -> None:
    rivals = [await harness.user(proven=False) for _ in range(103)]
    assert list(await user_lookup.candidates("ada@example.org")) == rivals[:50] + rivals[-50:]
