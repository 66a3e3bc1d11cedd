"""Usernames among the proven: one holds a name, whatever its case, however many want it at once."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from domain.user import User
from tests.support.stage import Stage, Undo, at_once, claim

pytestmark = pytest.mark.anyio


def renaming(stage: Stage, user: User, name: str | None) -> Callable[[], Awaitable[User | None]]:
    async def rename() -> User | None:
        async with stage.begin() as work:
            return await work.users.rename(user.id, name)

    return rename


async def test_a_new_name_is_kept_and_the_old_one_is_free(stage: Stage) -> None:
    user, other = await stage.user(username="ada"), await stage.user("bob@example.org")
    for name in ("Countess", "COUNTESS", None, "ada"):
        assert await renaming(stage, user, name)() == replace(user, username=name)
        assert await stage.kept_user(user.id) == replace(user, username=name)
    await renaming(stage, user, None)()
    assert await renaming(stage, other, "ADA")() == replace(other, username="ADA")


async def test_a_name_that_somebody_proven_has_is_refused_and_nothing_else_is_lost(stage: Stage) -> None:
    await stage.user(username="ada")
    other = await stage.user("bob@example.org", username="bob")
    async with stage.begin() as work:
        assert await work.users.rename(other.id, "ADA") is None
        await work.users.add(added := claim("carol@example.org"))
    assert await stage.kept_user(other.id) == other
    assert await stage.kept_user(added.id) == added


async def test_nobody_is_renamed_who_is_not_there(stage: Stage) -> None:
    assert await renaming(stage, claim(), "ada")() is None


async def test_any_number_of_claims_may_share_a_name(stage: Stage) -> None:
    claims = [await stage.user(f"claim{number}@example.org", proven=False) for number in range(3)]
    renamed = await at_once(renaming(stage, user, "ada") for user in claims)
    assert [user and user.username for user in renamed] == ["ada"] * 3
    holder = await stage.user(username="other")
    assert await renaming(stage, holder, "Ada")() == replace(holder, username="Ada")


async def test_of_twenty_who_take_one_name_at_once_one_has_it(stage: Stage) -> None:
    users = [await stage.user(f"user{number}@example.org", username=f"user{number}") for number in range(20)]
    renamed = await at_once(renaming(stage, user, ("ada", "ADA")[place % 2]) for place, user in enumerate(users))
    assert len([user for user in renamed if user is not None]) == 1
    kept = [await stage.kept_user(user.id) for user in users]
    assert [user is not None and (user.username or "").lower() for user in kept].count("ada") == 1


async def test_an_exception_undoes_a_renaming(stage: Stage) -> None:
    user = await stage.user(username="ada")

    async def spoilt() -> None:
        async with stage.begin() as work:
            await work.users.rename(user.id, "countess")
            raise Undo

    with pytest.raises(Undo):
        await spoilt()
    assert await stage.kept_user(user.id) == user
