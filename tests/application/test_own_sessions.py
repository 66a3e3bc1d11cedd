"""Listing and ending the caller's own sessions."""

from datetime import timedelta
from uuid import UUID

import pytest

from domain.audit import EventType
from domain.client_info import ClientInfo
from domain.refusals import ErrorCode
from domain.session import ENDED, EndReason
from tests.support.use_cases import (
    ALICE,
    BOB,
    REVOKED,
    actions_of,
    error_code_of,
    refused,
    run_concurrently,
    session_of,
    token_errors,
)
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio

HERE = ClientInfo(ip="192.0.2.7", user_agent="curl/8")


async def listed(world: World, email: str = ALICE) -> list[UUID]:
    """Uses a session that is ended again, so that it does not count."""
    caller = await world.caller(email)
    session_ids = [session.id for session in await world.list_sessions(caller)]
    await world.logout(caller)
    assert session_ids[0] == caller.session_id
    return session_ids[1:]


async def test_the_list_contains_active_sessions_newest_first(world: World) -> None:
    await world.user(ALICE)
    await world.user(BOB)
    pairs = []
    for _ in range(3):
        pairs.append(await world.log_in(ALICE))
        world.clock.advance(minutes=1)
    await world.log_in(BOB)
    assert await listed(world) == [pair.session_id for pair in reversed(pairs)]

    await world.logout(await world.authenticate(pairs[1].access_token))
    assert await listed(world) == [pairs[2].session_id, pairs[0].session_id]

    world.clock.advance(days=6)
    await world.refresh(refresh_token=pairs[2].refresh_token)
    world.clock.advance(days=1)
    assert await listed(world) == [pairs[2].session_id]


async def test_session_shows_client_of_login_and_time_of_last_refresh(world: World) -> None:
    await world.user(ALICE)
    opened_at = world.clock()
    pair = await world.login(login=ALICE, password=PASSWORD, client_info=HERE)
    world.clock.advance(hours=1)
    await world.refresh(
        refresh_token=pair.refresh_token, client_info=ClientInfo(ip="198.51.100.1", user_agent="Lynx")
    )
    _, session = await world.list_sessions(await world.caller())
    assert (session.created_at, session.rotated_at) == (opened_at, opened_at + timedelta(hours=1))
    assert session.client_info == HERE


async def test_ending_one_of_your_sessions_ends_no_other(world: World) -> None:
    alice = await world.user(ALICE)
    here, there, elsewhere = [await world.log_in(ALICE) for _ in range(3)]
    caller = await world.authenticate(here.access_token)

    await world.revoke_own_session(caller, there.session_id, client_info=HERE)

    assert await token_errors(world, there) == REVOKED
    assert [await token_errors(world, pair) for pair in (here, elsewhere)] == [(None, None)] * 2
    assert session_of(world, there).end_reason is EndReason.LOGOUT
    assert actions_of(world, alice).count(EventType.SESSION_ENDED) == 1
    [event] = [event for event in world.store.rows.events.values() if event.action is EventType.SESSION_ENDED]
    assert (event.actor_id, event.client_info, event.created_at) == (alice.id, HERE, world.clock())


async def test_ending_the_current_session_is_a_logout(world: World) -> None:
    await world.user(ALICE)
    pair = await world.log_in(ALICE)
    await world.revoke_own_session(await world.authenticate(pair.access_token), pair.session_id)
    assert await token_errors(world, pair) == REVOKED


async def test_a_session_of_another_user_is_not_found(world: World) -> None:
    await world.user(ALICE)
    await world.user(BOB)
    foreign_pair = await world.log_in(BOB)
    caller = await world.caller(ALICE)
    before, refusals = world.store.rows.copy(), []
    for session_id in (foreign_pair.session_id, UUID("01939c00-0000-7000-8000-000000000000")):
        with refused(ErrorCode.NOT_FOUND) as no:
            await world.revoke_own_session(caller, session_id)
        refusals.append(str(no.value))
    assert refusals[0] == refusals[1]
    assert world.store.rows == before
    assert world.blocklist.revoked == {}
    assert await token_errors(world, foreign_pair) == (None, None)


async def test_ending_an_ended_session_waits_until_its_revocation_is_published(world: World) -> None:
    alice = await world.user(ALICE)
    caller, other = await world.caller(), await world.caller()
    await world.revoke_own_session(caller, other.session_id)
    before = world.store.rows.copy()
    world.blocklist.revoked.clear()  # as if the first had not been published yet

    world.clock.advance(minutes=1)
    await world.revoke_own_session(caller, other.session_id)

    assert world.blocklist.revoked == {other.session_id: ENDED}
    assert world.store.rows == before
    assert actions_of(world, alice).count(EventType.SESSION_ENDED) == 1


async def test_ending_an_expired_session_is_no_event(world: World) -> None:
    alice = await world.user(ALICE)
    pair = await world.log_in()
    world.clock.advance(days=7)
    await world.revoke_own_session(await world.caller(), pair.session_id)
    assert EventType.SESSION_ENDED not in actions_of(world, alice)


async def test_concurrent_ends_of_a_session_succeed_with_one_event(world: World) -> None:
    alice = await world.user(ALICE)
    caller, pair = await world.caller(), await world.log_in()
    outcomes = await run_concurrently([lambda: world.revoke_own_session(caller, pair.session_id)] * 10)
    assert outcomes == [None] * 10
    assert actions_of(world, alice).count(EventType.SESSION_ENDED) == 1
    assert await error_code_of(world.refresh(refresh_token=pair.refresh_token)) is ErrorCode.SESSION_ENDED
