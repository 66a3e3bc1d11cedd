"""Usernames of verified users are unique, regardless of case and under concurrent changes."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from domain.user import User
from tests.support.store_harness import Rollback, StoreHarness, claim, run_concurrently

pytestmark = pytest.mark.anyio


def renaming(harness: StoreHarness, user: User, name: str | None) -> Callable[[], Awaitable[User | None]]:
    async def rename() -> User | None:
        async with harness.begin() as work:
            return await work.users.rename(user.id, name)

    return rename


async def test_new_username_is_stored_and_the_old_one_is_free(harness: StoreHarness) -> None:
    user, other = await harness.user(username="ada"), await harness.user("bob@example.org")
    for name in ("Countess", "COUNTESS", None, "ada"):
        assert await renaming(harness, user, name)() == replace(user, username=name)
        assert await harness.load_user(user.id) == replace(user, username=name)
    await renaming(harness, user, None)()
    assert await renaming(harness, other, "ADA")() == replace(other, username="ADA")


async def test_verified_username_is_refused_and_the_work_continues(harness: StoreHarness) -> None:
    await harness.user(username="ada")
    other = await harness.user("bob@example.org", username="bob")
    async with harness.begin() as work:
        assert await work.users.rename(other.id, "ADA") is None
        await work.users.add(added := claim("carol@example.org"))
    assert await harness.load_user(other.id) == other
    assert await harness.load_user(added.id) == added


async def test_unknown_user_cannot_be_renamed(harness: StoreHarness) -> None:
    assert await renaming(harness, claim(), "ada")() is None


async def test_unverified_users_may_share_a_username(harness: StoreHarness) -> None:
    claims = [await harness.user(f"claim{number}@example.org", proven=False) for number in range(3)]
    renamed = await run_concurrently(renaming(harness, user, "ada") for user in claims)
    assert [user and user.username for user in renamed] == ["ada"] * 3
    holder = await harness.user(username="other")
    assert await renaming(harness, holder, "Ada")() == replace(holder, username="Ada")


async def test_of_twenty_concurrent_renames_to_one_name_one_succeeds(harness: StoreHarness) -> None:
    users = [await harness.user(f"user{number}@example.org", username=f"user{number}") for number in range(20)]
    renamed = await run_concurrently(
        renaming(harness, user, ("ada", "ADA")[place % 2]) for place, user in enumerate(users)
    )
    assert len([user for user in renamed if user is not None]) == 1
    users_now = [await harness.load_user(user.id) for user in users]
    assert [user is not None and (user.username or "").lower() for user in users_now].count("ada") == 1


async def test_an_exception_undoes_a_rename(harness: StoreHarness) -> None:
    user = await harness.user(username="ada")

    async def roll_back() -> None:
        async with harness.begin() as work:
            await work.users.rename(user.id, "countess")
            raise Rollback

    with pytest.raises(Rollback):
        await roll_back()
    assert await harness.load_user(user.id) == user
