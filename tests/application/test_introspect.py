"""Introspection: only currently valid access tokens are active."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from uuid import UUID

import pytest

from adapters.memory.revocations import MemoryBlocklist
from adapters.revocations import CachedRevocationCheck
from domain.outbox import LinkPurpose
from domain.refusals import ErrorCode, unavailable
from domain.role import Role
from tests.support.use_cases import ALICE, claim, link, refused
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio


class UnavailableBlocklist(MemoryBlocklist):
    async def min_generations(self, sessions: Collection[UUID]) -> Mapping[UUID, int] | None:
        raise unavailable("The blocklist")


async def test_a_token_is_active_with_its_user_until_it_expires(world: World) -> None:
    user = await world.user(ALICE, role=Role.MODERATOR, username="alice")
    text = (await world.log_in(ALICE)).access_token
    world.clock.advance(seconds=599)
    assert await world.introspect(text) == (await world.authenticate(text), user)
    world.clock.advance(seconds=1)
    assert await world.introspect(text) is None


async def test_only_access_tokens_are_active(world: World) -> None:
    made = await claim(world, ALICE, PASSWORD)
    pair = await world.log_in(ALICE)
    for text in (
        "",
        "x",
        "a.b.c",
        "é",
        pair.refresh_token,
        link(world, made, LinkPurpose.VERIFY),
        pair.access_token + "=",
    ):
        assert await world.introspect(text) is None


async def test_a_token_is_inactive_as_soon_as_its_session_ends(world: World) -> None:
    user = await world.user(ALICE)
    admin = await world.create_user(email="admin@example.org", role=Role.ADMIN, verified=True, password=PASSWORD)
    assert admin is not None
    boss = await world.caller("admin@example.org")

    async def outlives(act: str) -> bool:
        text = (await world.log_in(ALICE)).access_token
        caller = await world.authenticate(text)
        if act == "logout":
            await world.logout(caller)
        elif act == "logout everywhere":
            await world.logout_everywhere(caller)
        elif act == "a new password":
            await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
            caller = await world.authenticate((await world.log_in(ALICE, OTHER_PASSWORD)).access_token)
            await world.change_password(caller, current_password=OTHER_PASSWORD, new_password=PASSWORD)
        elif act == "a role":
            await world.change_user(boss, user.id, role=Role.MODERATOR, disabled=None)
        elif act == "a ban":
            await world.change_user(boss, user.id, role=None, disabled=True)
            await world.change_user(boss, user.id, role=None, disabled=False)
        elif act == "the end":
            await world.delete_user(boss, user.id)
        return await world.introspect(text) is not None

    for act in ("logout", "logout everywhere", "a new password", "a role", "a ban", "the end"):
        assert not await outlives(act), act


async def test_introspection_shows_a_user_verified_since(world: World) -> None:
    made = await claim(world, ALICE, PASSWORD)
    text = (await world.log_in(ALICE)).access_token
    before = await world.introspect(text)
    await world.verify(token=link(world, made, LinkPurpose.VERIFY))
    after = await world.introspect(text)
    assert before is not None
    assert after is not None
    assert (before[0].verified, after[0].verified) == (False, True)
    assert before[0] == replace(after[0], verified=False)


async def test_without_blocklist_and_store_introspection_fails(world: World) -> None:
    await world.user(ALICE)
    text = (await world.log_in(ALICE)).access_token
    check = CachedRevocationCheck(UnavailableBlocklist(), world.revocation_store)
    introspect = replace(world.introspect, authenticate=replace(world.authenticate, revocations=check))
    with refused(ErrorCode.UNAVAILABLE):
        await introspect(text)
    assert await introspect("garbage") is None


async def test_the_token_of_a_user_deleted_since_is_inactive(world: World) -> None:
    user = await world.user(ALICE)
    text = (await world.log_in(ALICE)).access_token
    async with world.begin() as work:
        await work.users.remove(user.id, now=world.clock())
    assert await world.introspect(text) is None
