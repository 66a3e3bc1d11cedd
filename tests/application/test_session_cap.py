"""The limit of sessions: a new session ends the oldest, which is an event."""

from dataclasses import replace
from functools import partial

import pytest

from domain.audit import EventType
from domain.client_info import ClientInfo
from domain.session import EndReason
from domain.tokens import TokenPair
from tests.support.use_cases import ALICE, BOB, REVOKED, actions_of, run_concurrently, session_of, token_errors
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio


@pytest.fixture
def world() -> World:
    """A world with at most three sessions for each user."""
    made = World()
    few = replace(made.lifetimes, sessions=3)
    made.login = replace(made.login, open_session=replace(made.open_session, lifetimes=few))
    made.change_password = replace(made.change_password, lifetimes=few)
    return made


async def entered(world: World, count: int, email: str = ALICE) -> list[TokenPair]:
    pairs = []
    for _ in range(count):
        world.clock.advance(seconds=1)
        pairs.append(await world.log_in(email))
    return pairs


async def test_the_oldest_sessions_are_evicted_however_recently_used(world: World) -> None:
    alice = await world.user(ALICE)
    await world.user(BOB)
    (stranger,) = await entered(world, 1, BOB)
    oldest, *others = await entered(world, 3)
    oldest = await world.refresh(refresh_token=oldest.refresh_token)
    assert EventType.SESSION_EVICTED not in actions_of(world, alice)

    others += await entered(world, 1)
    assert await token_errors(world, oldest) == REVOKED
    assert [await token_errors(world, pair) for pair in (*others, stranger)] == [(None, None)] * 4
    assert session_of(world, oldest).end_reason is EndReason.EVICTED
    assert actions_of(world, alice)[-2:] == [EventType.LOGGED_IN, EventType.SESSION_EVICTED]
    event = list(world.store.rows.events.values())[-1]
    assert event.actor_id == alice.id


async def test_ended_sessions_do_not_count(world: World) -> None:
    alice = await world.user(ALICE)
    expired, ended, lasting = await entered(world, 3)
    await world.logout(await world.authenticate(ended.access_token))
    world.clock.advance(days=6)
    lasting = await world.refresh(refresh_token=lasting.refresh_token)
    world.clock.advance(days=1)
    young = await entered(world, 2)
    assert [await token_errors(world, pair) for pair in young] == [(None, None)] * 2
    assert session_of(world, lasting).ended_at is None
    assert session_of(world, expired).ended_at is None
    assert EventType.SESSION_EVICTED not in actions_of(world, alice)


async def test_a_lowered_cap_applies_from_the_next_login(world: World) -> None:
    alice = await world.user(ALICE)
    pairs = await entered(world, 3)
    one = replace(world.open_session, lifetimes=replace(world.lifetimes, sessions=1))
    world.login = replace(world.login, open_session=one)
    (last,) = await entered(world, 1)
    assert [await token_errors(world, pair) for pair in pairs] == [REVOKED] * 3
    assert await token_errors(world, last) == (None, None)
    assert actions_of(world, alice).count(EventType.SESSION_EVICTED) == 3


async def test_password_change_leaves_one_session(world: World) -> None:
    alice = await world.user(ALICE)
    pairs = await entered(world, 3)
    caller = await world.authenticate(pairs[-1].access_token)
    last = await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    assert [await token_errors(world, pair) for pair in pairs] == [REVOKED] * 3
    assert await token_errors(world, last) == (None, None)
    assert EventType.SESSION_EVICTED not in actions_of(world, alice)  # they ended for another reason


async def test_of_twenty_concurrent_logins_only_the_cap_remains(world: World) -> None:
    alice = await world.user(ALICE)
    places = [ClientInfo(ip=f"192.0.2.{number}") for number in range(20)]
    pairs = await run_concurrently(
        [partial(world.login, login=ALICE, password=PASSWORD, client_info=place) for place in places]
    )
    alive = [
        pair for pair in pairs if isinstance(pair, TokenPair) and await token_errors(world, pair) == (None, None)
    ]
    assert len(alive) == 3
    assert actions_of(world, alice).count(EventType.SESSION_EVICTED) == 17
