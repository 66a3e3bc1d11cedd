"""Pages of users: complete, and each user once."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.repositories import PageCursor
from domain.refusals import ErrorCode
from domain.role import Role
from tests.support.use_cases import ALICE, BOB, claim, refused
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio


@settings(max_examples=20, deadline=None)
@given(count=st.integers(0, 12), limit=st.integers(1, 13))
async def test_the_pages_together_contain_every_user_once(count: int, limit: int) -> None:
    world = World()
    made = sorted([(await world.user(f"user{n}@example.org")).id for n in range(count)])

    seen: list[UUID] = []
    after: PageCursor | None = None
    while True:
        page, after = await world.list_users(limit=limit, after=after)
        assert len(page) <= limit
        seen += [user.id for user in page]
        if after is None:
            break
        assert after == PageCursor(page[-1].id)

    assert seen == made


async def test_a_full_last_page_has_no_cursor(world: World) -> None:
    for n in range(4):
        await world.user(f"user{n}@example.org")
    page, after = await world.list_users(limit=4)
    assert (len(page), after) == (4, None)
    page, after = await world.list_users(limit=2)
    assert (len(page), after) == (2, PageCursor(page[-1].id))


async def test_a_user_created_between_pages_does_not_shift_others(world: World) -> None:
    made = [await world.user(f"user{n}@example.org") for n in range(3)]
    ids = sorted(user.id for user in made)
    first, after = await world.list_users(limit=2)
    async with world.begin() as work:
        await work.users.remove(ids[0], now=world.clock())
    second, _ = await world.list_users(limit=2, after=after)
    assert [user.id for user in (*first, *second)] == ids


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [ALICE, BOB, "carol@example.org"]),
        ("alice", [ALICE]),
        (" ALICE@ ", [ALICE]),
        ("qu", [BOB]),
        ("example", []),
        ("%", []),
        ("_", []),
        ("nobody", []),
    ],
)
async def test_a_query_is_the_start_of_an_address_or_username(world: World, query: str, expected: list[str]) -> None:
    await world.user(ALICE, username="wonder")
    await world.user(BOB, username="Queen")
    await claim(world, "carol@example.org", PASSWORD)
    page, _ = await world.list_users(query=query)
    assert sorted(user.email for user in page) == expected


@pytest.mark.parametrize("role", Role)
async def test_a_role_filter_matches_that_role_only(world: World, role: Role) -> None:
    for held in Role:
        await world.user(f"{held}@example.org", role=held)
    page, _ = await world.list_users(role=role)
    assert [user.role for user in page] == [role]


async def test_one_user_is_shown(world: World) -> None:
    user = await world.user(ALICE)
    assert await world.show_user(user.id) == user
    with refused(ErrorCode.NOT_FOUND):
        await world.show_user(UUID(int=0))
