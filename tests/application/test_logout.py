"""Logout: when the call returns, no token of the session works."""

import pytest

from domain.refusals import ErrorCode
from domain.session import EndReason
from tests.support.use_cases import ALICE, BOB, REVOKED, refused, session_of, token_errors
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def test_a_logout_ends_the_current_session_only(world: World) -> None:
    await world.user(ALICE)
    here, there = await world.log_in(ALICE), await world.log_in(ALICE)

    await world.logout(await world.authenticate(here.access_token))

    assert await token_errors(world, here) == REVOKED
    assert await token_errors(world, there) == (None, None)
    assert (session_of(world, here).end_reason, session_of(world, here).ended_at) == (
        EndReason.LOGOUT,
        world.clock(),
    )


async def test_a_logout_ends_every_generation_of_the_session(world: World) -> None:
    await world.user(ALICE)
    first = await world.log_in(ALICE)
    second = await world.refresh(refresh_token=first.refresh_token)
    await world.logout(await world.authenticate(first.access_token))
    assert [await token_errors(world, pair) for pair in (first, second)] == [REVOKED, REVOKED]


async def test_logout_everywhere_ends_every_session_of_the_user(world: World) -> None:
    await world.user(ALICE)
    await world.user(BOB)
    pairs = [await world.log_in(ALICE) for _ in range(3)]
    stranger = await world.log_in(BOB)

    await world.logout_everywhere(await world.authenticate(pairs[0].access_token))

    assert [await token_errors(world, pair) for pair in pairs] == [REVOKED] * 3
    assert {session_of(world, pair).end_reason for pair in pairs} == {EndReason.LOGOUT_ALL}
    assert await token_errors(world, stranger) == (None, None)
    assert await world.log_in(ALICE)


async def test_first_end_reason_is_stored(world: World) -> None:
    await world.user(ALICE)
    pair = await world.log_in(ALICE)
    caller = await world.authenticate(pair.access_token)
    await world.logout(caller)
    ended_at = world.clock()
    world.clock.advance(minutes=1)
    await world.logout(caller)
    await world.logout_everywhere(caller)
    assert (session_of(world, pair).end_reason, session_of(world, pair).ended_at) == (EndReason.LOGOUT, ended_at)


async def test_after_a_logout_the_access_token_is_refused(world: World) -> None:
    await world.user(ALICE)
    pair = await world.log_in(ALICE)
    await world.logout(await world.authenticate(pair.access_token))
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.authenticate(pair.access_token)


async def test_logout_on_other_devices_keeps_the_current_session(world: World) -> None:
    await world.user(ALICE)
    here, there = await world.log_in(ALICE), await world.log_in(ALICE)
    await world.logout_everywhere(await world.authenticate(here.access_token), keep_current=True)
    assert await token_errors(world, here) == (None, None)
    assert await token_errors(world, there) == REVOKED
