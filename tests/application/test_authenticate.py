"""Authenticate: the token, then the blocklist, then the store; if neither answers, the request is refused."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from adapters.memory.revocations import MemoryBlocklist, MemoryRevocationStore
from adapters.revocations import CachedRevocationCheck
from domain.outbox import LinkPurpose
from domain.refusals import ErrorCode, unavailable
from domain.role import Role
from tests.support.use_cases import ALICE, BOB, claim, error_code_of, link, refused
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio


class UnavailableStore(MemoryRevocationStore):
    async def min_generations(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        raise unavailable("The store")


class UnavailableBlocklist(MemoryBlocklist):
    async def min_generations(self, sessions: Collection[UUID]) -> Mapping[UUID, int] | None:
        raise unavailable("The blocklist")


class CountingStore(MemoryRevocationStore):
    calls = 0

    async def min_generations(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        self.calls += 1
        return await super().min_generations(sessions)


@pytest.mark.parametrize(("seconds", "code"), [(0, None), (599, None), (600, ErrorCode.TOKEN_EXPIRED)])
async def test_an_access_token_authenticates_for_ten_minutes(
    world: World, seconds: int, code: ErrorCode | None
) -> None:
    await world.user(ALICE)
    token = (await world.log_in(ALICE)).access_token
    world.clock.advance(seconds=seconds)
    assert await error_code_of(world.authenticate(token)) is code


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é", "." * 1000])
async def test_a_text_that_is_not_a_token_is_refused(world: World, text: str) -> None:
    with refused(ErrorCode.TOKEN_INVALID):
        await world.authenticate(text)


@pytest.mark.parametrize("held", Role)
@pytest.mark.parametrize("required", Role)
async def test_a_required_role_admits_it_and_higher_roles(world: World, held: Role, required: Role) -> None:
    await world.user(ALICE, role=held)
    token = (await world.log_in(ALICE)).access_token
    code = await error_code_of(world.authenticate(token, role=required))
    assert code is (None if list(Role).index(held) >= list(Role).index(required) else ErrorCode.ROLE_REQUIRED)


@pytest.mark.parametrize("role", Role)
async def test_an_unverified_caller_is_refused_whatever_role_was_granted(world: World, role: Role) -> None:
    await world.create_user(email=ALICE, role=Role.ADMIN, verified=False, password=PASSWORD)
    token = (await world.log_in(ALICE)).access_token
    assert await world.authenticate(token)
    with refused(ErrorCode.NOT_VERIFIED):
        await world.authenticate(token, role=role)


async def test_a_user_verified_since_passes_with_the_old_token(world: World) -> None:
    made = await claim(world, ALICE, PASSWORD)
    token = (await world.log_in(ALICE)).access_token
    await world.verify(token=link(world, made, LinkPurpose.VERIFY))

    caller = await world.authenticate(token, role=Role.MEMBER)

    assert caller.verified
    with refused(ErrorCode.ROLE_REQUIRED):
        await world.authenticate(token, role=Role.MODERATOR)


async def test_an_unverified_caller_who_was_deleted_is_refused(world: World) -> None:
    made = await claim(world, ALICE, PASSWORD)
    token = (await world.log_in(ALICE)).access_token
    async with world.begin() as work:
        await work.users.remove(made.id, now=world.clock())
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.authenticate(token, role=Role.MEMBER)


async def test_a_complete_blocklist_decides_without_the_store(world: World) -> None:
    await world.user(ALICE)
    token = (await world.log_in(ALICE)).access_token
    check = CachedRevocationCheck(world.blocklist, UnavailableStore(world.store))
    authenticate = replace(world.authenticate, revocations=check)
    assert await authenticate(token)

    await world.logout(await authenticate(token))
    with refused(ErrorCode.TOKEN_REVOKED):
        await authenticate(token)


async def test_an_incomplete_blocklist_falls_back_to_one_query_of_the_store(world: World) -> None:
    await world.user(ALICE)
    here, there = await world.log_in(ALICE), await world.log_in(ALICE)
    await world.logout(await world.authenticate(here.access_token))
    world.blocklist.revoked.clear()
    world.blocklist.complete = False
    store = CountingStore(world.store)
    authenticate = replace(world.authenticate, revocations=CachedRevocationCheck(world.blocklist, store))

    assert await error_code_of(authenticate(here.access_token)) is ErrorCode.TOKEN_REVOKED
    assert await error_code_of(authenticate(there.access_token)) is None
    assert store.calls == 2


async def test_a_session_unknown_to_the_store_counts_as_ended(world: World) -> None:
    await world.user(ALICE)
    token = (await world.log_in(ALICE)).access_token
    world.blocklist.complete = False
    world.store.rows.sessions.clear()
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.authenticate(token)


@pytest.mark.parametrize("blocklist", [MemoryBlocklist, UnavailableBlocklist])
async def test_without_blocklist_and_store_every_request_is_refused(
    world: World, blocklist: type[MemoryBlocklist]
) -> None:
    await world.user(ALICE)
    token = (await world.log_in(ALICE)).access_token
    silent = blocklist()
    silent.complete = False
    check = CachedRevocationCheck(silent, UnavailableStore(world.store))
    authenticate = replace(world.authenticate, revocations=check)
    with refused(ErrorCode.UNAVAILABLE) as no:
        await authenticate(token)
    assert no.value.retry_after is not None


@pytest.mark.parametrize("complete", [True, False])
async def test_a_role_change_takes_effect_at_the_next_request(world: World, complete: bool) -> None:
    user = await world.user(ALICE, role=Role.ADMIN)
    await world.user(BOB, role=Role.ADMIN)
    token = (await world.log_in(ALICE)).access_token
    await world.grant_role(email=user.email, role=Role.MEMBER)
    world.blocklist.complete = complete
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.authenticate(token)


async def test_a_login_after_a_role_change_works_at_once(world: World) -> None:
    await world.user(ALICE)
    await world.log_in(ALICE)
    await world.grant_role(email=ALICE, role=Role.MODERATOR)
    assert (await world.caller(ALICE)).role is Role.MODERATOR


async def test_me_shows_the_user_as_stored(world: World) -> None:
    user = await world.user(ALICE)
    caller = await world.caller(ALICE)
    assert await world.show_me(caller) == user
    async with world.begin() as work:
        await work.users.remove(user.id, now=world.clock())
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.show_me(caller)


async def test_repeating_a_refresh_does_not_extend_the_access_token(world: World) -> None:
    await world.user(ALICE)
    first = await world.log_in(ALICE)
    await world.refresh(refresh_token=first.refresh_token)
    refreshed_at = world.clock()
    world.clock.advance(seconds=9)
    again = await world.refresh(refresh_token=first.refresh_token)
    assert again.expires_in == 591
    assert (await world.authenticate(again.access_token)).expires_at == refreshed_at + timedelta(minutes=10)
