"""Sessions listed and ended by the operator."""

from uuid import UUID

import pytest

from domain.audit import EventType
from domain.refusals import ErrorCode
from tests.support.use_cases import ALICE, BOB, REVOKED, refused, token_errors
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def events_of(world: World, user_id: UUID) -> list[EventType]:
    page, _ = await world.list_events(user_id)
    return [event.action for event in page if event.actor_id is None]


async def test_active_sessions_are_listed_newest_first(world: World) -> None:
    await world.user(ALICE)
    await world.user(BOB)
    pairs = [await world.log_in(ALICE) for _ in range(3)]
    await world.log_in(BOB)
    await world.logout(await world.authenticate(pairs[1].access_token))
    listed = await world.operator_list_sessions(email=ALICE.upper())
    assert [session.id for session in listed] == [pairs[2].session_id, pairs[0].session_id]
    world.clock.advance(days=8)
    assert await world.operator_list_sessions(email=ALICE) == []


async def test_all_sessions_of_one_user_end_and_no_others(world: World) -> None:
    user = await world.user(ALICE)
    await world.user(BOB)
    pairs, other = [await world.log_in(ALICE), await world.log_in(ALICE)], await world.log_in(BOB)
    assert await world.operator_revoke_sessions(email=ALICE) == 2
    assert [await token_errors(world, pair) for pair in pairs] == [REVOKED, REVOKED]
    assert await token_errors(world, other) == (None, None)
    assert (await events_of(world, user.id))[0] is EventType.LOGGED_OUT_EVERYWHERE
    assert await world.operator_revoke_sessions(email=ALICE) == 0


async def test_a_session_ends_by_its_id_and_others_continue(world: World) -> None:
    user = await world.user(ALICE)
    one, other = await world.log_in(ALICE), await world.log_in(ALICE)
    assert await world.operator_revoke_session(session_id=one.session_id)
    assert await token_errors(world, one) == REVOKED
    assert await token_errors(world, other) == (None, None)
    assert not await world.operator_revoke_session(session_id=one.session_id)
    assert (await events_of(world, user.id)).count(EventType.SESSION_ENDED) == 1


async def test_an_unknown_user_is_not_found(world: World) -> None:
    for attempt in (world.operator_list_sessions, world.operator_revoke_sessions):
        with refused(ErrorCode.NOT_FOUND):
            await attempt(email=ALICE)
    with refused(ErrorCode.NOT_FOUND):
        await world.operator_revoke_session(session_id=UUID(int=1))
