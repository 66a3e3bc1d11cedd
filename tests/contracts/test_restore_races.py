"""Undo links used at the same time, and an undo during an enrolment, on PostgreSQL. In memory, see
`tests/application/test_restore_factors.py`."""

import asyncio
from collections.abc import Awaitable
from uuid import UUID

import pytest

from adapters.postgres.database import Database
from domain.factor import FactorKind
from domain.outbox import LinkPurpose
from domain.refusals import Refusal
from domain.tokens import AccessToken
from tests.support.devices import Devices
from tests.support.use_cases import ALICE
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio

ROUNDS = 5


async def fresh_owner(world: World, number: int) -> tuple[str, Devices, AccessToken]:
    """The address, devices and token of a user with a passkey."""
    email = f"{number}.{ALICE}"
    await world.user(email)
    devices = Devices(world=world)
    caller = await world.authenticate((await world.log_in(email)).access_token)
    await devices.enrol(caller, FactorKind.PASSKEY)
    return email, devices, await devices.step_up(caller, PASSWORD)


async def factors_of(world: World, user_id: UUID) -> set[UUID]:
    async with world.begin() as work:
        return {factor.id for factor in await work.factors.by_user(user_id)}


async def undo_links(world: World, email: str) -> list[str]:
    """The newest first."""
    await world.deliver_mail(limit=100)
    letters = [letter for letter in world.mailer.letters if letter.recipient == email]
    tokens = [word.split("token=")[1] for one in reversed(letters) for word in one.text.split() if "token=" in word]
    return [token for token in tokens if world.follow_email_link.purpose(token) is LinkPurpose.RESTORE]


async def at_once(*acts: Awaitable[object]) -> list[object]:
    """The results, or the refusals."""
    outcomes = await asyncio.gather(*acts, return_exceptions=True)
    assert not [one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, Refusal)]
    return list(outcomes)


async def test_of_concurrent_undos_by_one_link_one_succeeds(database: Database) -> None:
    world = World(limited=False, database=database)
    for number in range(ROUNDS):
        email, _, caller = await fresh_owner(world, number)
        before = await factors_of(world, caller.user_id)
        await Devices(world=world).enrol(caller, FactorKind.TOTP)
        token = (await undo_links(world, email))[0]
        outcomes = await at_once(*(world.restore_email(token=token) for _ in range(8)))
        assert sum(not isinstance(one, Refusal) for one in outcomes) == 1
        assert await factors_of(world, caller.user_id) == before


async def test_concurrent_undos_by_two_links_lead_to_the_earlier_state(database: Database) -> None:
    world = World(limited=False, database=database)
    for number in range(ROUNDS):
        email, _, caller = await fresh_owner(world, number)
        before = await factors_of(world, caller.user_id)
        thief = Devices(world=world)
        for kind in (FactorKind.TOTP, FactorKind.PASSKEY):
            await thief.enrol(caller, kind)
        tokens = (await undo_links(world, email))[:2]
        outcomes = await at_once(*(world.restore_email(token=token) for token in tokens * 2))
        assert 1 <= sum(not isinstance(one, Refusal) for one in outcomes) <= 2
        assert await factors_of(world, caller.user_id) == before
        assert await thief.log_in_by_passkey() == []


async def test_no_factor_is_enrolled_during_an_undo(database: Database) -> None:
    world = World(limited=False, database=database)
    for number in range(ROUNDS):
        email, devices, caller = await fresh_owner(world, number)
        before = await factors_of(world, caller.user_id)
        await world.change_password(caller, current_password=PASSWORD, new_password="the password of a thief")
        token = (await undo_links(world, email))[0]
        thief = Devices(world=world)
        pair = await devices.log_in(email, "the password of a thief")
        thiefs_caller = await world.authenticate(pair.access_token)
        enrolments = [thief.enrol(thiefs_caller, FactorKind.PASSKEY) for _ in range(4)]
        await at_once(*enrolments, world.restore_email(token=token))
        assert await factors_of(world, caller.user_id) == before
        assert await thief.log_in_by_passkey() == []
