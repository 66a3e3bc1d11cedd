"""Changing and removing the username."""

from functools import partial

import pytest

from domain.audit import EventType
from domain.client_info import ClientInfo
from domain.refusals import ErrorCode
from domain.role import Role
from tests.support.use_cases import ALICE, BOB, actions_of, claim, refused, run_concurrently
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio

HERE = ClientInfo(ip="192.0.2.7", user_agent="curl/8")


@pytest.mark.parametrize(("before", "after"), [(None, "queen"), ("queen", "Bee.2"), ("queen", None)])
async def test_a_username_can_be_set_changed_and_removed(world: World, before: str | None, after: str | None) -> None:
    alice = await world.user(ALICE, username=before)
    renamed = await world.change_username(await world.caller(), username=after, client_info=HERE)
    assert renamed.username == after
    assert await world.show_user(alice.id) == renamed
    event = list(world.store.rows.events.values())[-1]
    assert (event.action, event.user_id, event.actor_id) == (EventType.USERNAME_CHANGED, alice.id, alice.id)
    assert (event.client_info, event.detail) == (HERE, "")
    if after is not None:
        assert await world.login(login=after.upper(), password=PASSWORD)
    if before is not None:
        with refused(ErrorCode.INVALID_CREDENTIALS):
            await world.login(login=before, password=PASSWORD)


@pytest.mark.parametrize("name", [None, "queen"])
async def test_the_current_username_is_no_change_and_no_event(world: World, name: str | None) -> None:
    alice = await world.user(ALICE, username=name)
    caller = await world.caller()
    before = world.store.rows.copy()
    assert await world.change_username(caller, username=name) == alice
    assert world.store.rows == before


async def test_the_case_of_your_username_can_be_changed(world: World) -> None:
    alice = await world.user(ALICE, username="queen")
    assert (await world.change_username(await world.caller(), username="QUEEN")).username == "QUEEN"
    assert actions_of(world, alice)[-1] is EventType.USERNAME_CHANGED


@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 33, "a b", "ada@example.org", ".ada", "ada-", "ädä", "a\0da", "ａda"]
)
async def test_an_invalid_username_is_refused(world: World, name: str) -> None:
    await world.user(ALICE, username="queen")
    with refused(ErrorCode.USERNAME_INVALID, field="username"):
        await world.change_username(await world.caller(), username=name)


@pytest.mark.parametrize("name", ["queen", "QUEEN", "Queen"])
async def test_a_username_of_a_verified_user_is_taken_also_for_unverified_users(world: World, name: str) -> None:
    await world.user(ALICE, username="queen")
    await world.user(BOB)
    await claim(world, "carol@example.org", PASSWORD)
    before = world.store.rows.copy()
    for email in (BOB, "carol@example.org"):
        caller = await world.caller(email)
        before = world.store.rows.copy()
        with refused(ErrorCode.USERNAME_TAKEN, field="username"):
            await world.change_username(caller, username=name)
        assert world.store.rows == before


async def test_a_username_of_an_unverified_user_is_not_taken(world: World) -> None:
    await claim(world, "carol@example.org", PASSWORD, username="queen")
    await claim(world, "dave@example.org", PASSWORD)
    await world.user(ALICE)
    assert (await world.change_username(await world.caller("dave@example.org"), username="Queen")).username == "Queen"
    assert (await world.change_username(await world.caller(ALICE), username="queen")).username == "queen"


async def test_a_removed_username_is_free(world: World) -> None:
    await world.user(ALICE, username="queen")
    await world.user(BOB)
    await world.change_username(await world.caller(ALICE), username=None)
    assert (await world.change_username(await world.caller(BOB), username="Queen")).username == "Queen"


async def test_of_twenty_concurrent_renames_to_one_name_one_succeeds(world: World) -> None:
    callers = []
    for number in range(20):
        await world.user(f"user{number}@example.org")
        callers.append(await world.caller(f"user{number}@example.org"))
    outcomes = await run_concurrently(
        [partial(world.change_username, caller, username="queen") for caller in callers]
    )
    assert [getattr(outcome, "code", None) for outcome in outcomes].count(ErrorCode.USERNAME_TAKEN) == 19
    assert [user.username for user in world.store.rows.users.values()].count("queen") == 1


async def test_a_deleted_user_is_refused(world: World) -> None:
    alice = await world.user(ALICE)
    caller = await world.caller()
    async with world.begin() as work:
        await work.users.remove(alice.id, now=world.clock())
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.change_username(caller, username="queen")


async def test_a_reserved_name_is_refused_unless_an_operator_gave_it(world: World) -> None:
    await world.user(ALICE)
    caller = await world.caller(ALICE)
    for name in ("admin", "latchkey", "evil.tld"):
        with refused(ErrorCode.USERNAME_INVALID, field="username"):
            await world.change_username(caller, username=name)
        with refused(ErrorCode.USERNAME_INVALID, field="username"):
            await world.register(email=BOB, password=PASSWORD, username=name)
    assert await world.create_user(email=BOB, role=Role.MEMBER, verified=True, password=PASSWORD, username="support")
    holder = await world.caller(BOB)
    assert (await world.login(login="SUPPORT", password=PASSWORD)).access_token
    assert (await world.change_username(holder, username="Support")).username == "Support"
    assert (await world.change_username(holder, username="Support")).username == "Support"
