"""A user, looked up without a unit of work: as they are at a moment after the call."""

import asyncio
from functools import partial

import pytest

from adapters.memory.directory import MemoryDirectory
from adapters.memory.unit_of_work import MemoryStore
from adapters.postgres.database import Database
from adapters.postgres.directory import PostgresDirectory
from application.ports import Directory
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from tests.support.databases import database_at
from tests.support.stage import Stage, at_once, new_id
from tests.support.statement_recorder import Overheard

pytestmark = pytest.mark.anyio


@pytest.fixture
def directory(stage: Stage, request: pytest.FixtureRequest) -> Directory:
    if isinstance(stage.store, MemoryStore):
        return MemoryDirectory(stage.store)
    return PostgresDirectory(request.getfixturevalue("database"))


async def test_a_user_is_found_whole_and_nobody_else(stage: Stage, directory: Directory) -> None:
    ada = await stage.user(username="ada")
    bob = await stage.user("bob@example.org", proven=False, role=Role.ADMIN)
    assert await directory.user(ada.id) == await stage.kept_user(ada.id) == ada
    assert await directory.user(bob.id) == await stage.kept_user(bob.id) == bob
    assert await directory.user(new_id()) is None


async def test_it_sees_what_was_done_before_it_was_asked(stage: Stage, directory: Directory) -> None:
    user = await stage.user()
    for name in ("ada", "countess", "ada"):
        async with stage.begin() as work:
            await work.users.rename(user.id, name)
        found = await directory.user(user.id)
        assert found is not None
        assert found.username == name
    async with stage.begin() as work:
        await work.users.remove(user.id, now=user.created_at)
    assert await directory.user(user.id) is None


async def test_many_who_ask_at_once_each_hear_of_their_own(stage: Stage, directory: Directory) -> None:
    users = [await stage.user(f"user{number}@example.org") for number in range(30)]
    asked = [user for user in users for _ in range(5)]
    found = await at_once(partial(directory.user, user.id) for user in asked)
    assert found == asked


async def test_they_share_a_statement(database: Database) -> None:
    directory = PostgresDirectory(database)
    overheard = Overheard(database)
    await asyncio.gather(*(directory.user(new_id()) for _ in range(50)))
    assert len(overheard.taken()) == 1


async def test_a_database_that_is_gone_is_a_refusal() -> None:
    async with database_at("postgresql://nobody@127.0.0.1:1/nowhere") as nowhere:
        with pytest.raises(Refusal) as refusal:
            await PostgresDirectory(nowhere).user(new_id())
    assert refusal.value.code is ErrorCode.UNAVAILABLE


async def test_a_name_leads_to_its_verified_user_or_to_all_who_registered_it(
    stage: Stage, directory: Directory
) -> None:
    rivals = [await stage.user(username="Ada", proven=False) for _ in range(3)]
    assert list(await directory.candidates("ada@example.org")) == list(await directory.candidates("aDA")) == rivals
    proven = await stage.user(username="ada")
    await stage.user(username="ada", proven=False)
    assert list(await directory.candidates("ada@example.org")) == list(await directory.candidates("ADA")) == [proven]
    assert list(await directory.candidates("bob@example.org")) == list(await directory.candidates("bob")) == []


async def test_of_very_many_who_registered_a_name_the_first_and_the_last_are_found(
    stage: Stage, directory: Directory
) -> None:
    rivals = [await stage.user(proven=False) for _ in range(103)]
    assert list(await directory.candidates("ada@example.org")) == rivals[:50] + rivals[-50:]
