"""Token revocation by a client ends the session and is an event."""

import pytest

from domain.audit import EventType
from domain.client import Client
from domain.outbox import LinkPurpose
from domain.refusals import ErrorCode
from domain.session import EndReason
from tests.support.use_cases import ALICE, claim, error_code_of, link, refused
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(world: World) -> Client:
    made, _ = await world.add_client(name="billing")
    return made


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_either_token_ends_its_session_and_no_other(world: World, client: Client, kind: str) -> None:
    user = await world.user(ALICE)
    pair, other = await world.log_in(ALICE), await world.log_in(ALICE)
    await world.revoke(client, getattr(pair, kind))
    assert await error_code_of(world.authenticate(pair.access_token)) is ErrorCode.TOKEN_REVOKED
    assert await error_code_of(world.refresh(refresh_token=pair.refresh_token)) is ErrorCode.SESSION_ENDED
    assert await error_code_of(world.authenticate(other.access_token)) is None
    async with world.begin() as work:
        session = await work.sessions.by_id(pair.session_id)
    assert session is not None
    assert session.end_reason is EndReason.LOGOUT
    [event] = (await world.list_events(user.id, limit=1))[0]
    assert (event.action, event.actor_id, event.detail) == (EventType.SESSION_ENDED, None, f"by client {client.id}")


async def test_revoking_is_idempotent(world: World, client: Client) -> None:
    user = await world.user(ALICE)
    pair = await world.log_in(ALICE)
    for text in (pair.refresh_token, pair.refresh_token, pair.access_token):
        await world.revoke(client, text)
    page, _ = await world.list_events(user.id, limit=200)
    assert [event.action for event in page].count(EventType.SESSION_ENDED) == 1


async def test_a_refresh_token_that_has_been_replaced_ends_the_session_too(world: World, client: Client) -> None:
    await world.user(ALICE)
    pair = await world.log_in(ALICE)
    renewed = await world.refresh(refresh_token=pair.refresh_token)
    world.clock.advance(seconds=11)
    await world.revoke(client, pair.refresh_token)
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.authenticate(renewed.access_token)


async def test_an_invalid_token_changes_nothing(world: World, client: Client) -> None:
    made = await claim(world, ALICE, PASSWORD)
    pair = await world.log_in(ALICE)
    for text in (
        "",
        "x",
        "a.b.c",
        "é",
        link(world, made, LinkPurpose.VERIFY),
        pair.access_token[:-1],
        pair.refresh_token[:-1],
    ):
        await world.revoke(client, text)
    assert await error_code_of(world.authenticate(pair.access_token)) is None
    page, _ = await world.list_events(made.id, limit=200)
    assert EventType.SESSION_ENDED not in {event.action for event in page}


async def test_an_expired_access_token_revokes_nothing(world: World, client: Client) -> None:
    await world.user(ALICE)
    pair = await world.log_in(ALICE)
    world.clock.advance(seconds=600)
    await world.revoke(client, pair.access_token)
    assert await error_code_of(world.refresh(refresh_token=pair.refresh_token)) is None


async def test_tokens_of_a_deleted_user_revoke_nothing(world: World, client: Client) -> None:
    user = await world.user(ALICE)
    pair = await world.log_in(ALICE)
    async with world.begin() as work:
        await work.users.remove(user.id, now=world.clock())
    await world.revoke(client, pair.access_token)
    await world.revoke(client, pair.refresh_token)
    assert await error_code_of(world.authenticate(pair.access_token)) is ErrorCode.TOKEN_REVOKED
