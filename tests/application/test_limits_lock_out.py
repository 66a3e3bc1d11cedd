"""Strangers use up the mail limits of a mailbox by requests for its sub-addresses."""

from contextlib import suppress
from functools import partial
from itertools import count

import pytest

from domain.client_info import ClientInfo
from domain.outbox import DeliveryOutcome
from domain.refusals import ErrorCode, Refusal
from tests.support.use_cases import ALICE, claim, error_code_of, reset_by_mail
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio
OWNER = ClientInfo(ip="198.51.100.20")
NUMBERS = count()


def stranger() -> ClientInfo:
    return ClientInfo(ip=f"2001:db8:0:{next(NUMBERS):x}::1")


async def fill(world: World, local: str, *, minutes: int) -> None:
    for minute in range(minutes):
        for _ in range(7):
            try:
                await world.request_reset(email=f"{local}+{minute}@example.org", client_info=stranger())
            except Refusal:
                break
        world.clock.advance(seconds=60)
    with suppress(Refusal):
        await world.request_reset(email=f"{local}+x@example.org", client_info=stranger())


@pytest.mark.parametrize("minutes", [1, 90])
async def test_owner_gets_a_link(world: World, minutes: int) -> None:
    await world.user(ALICE)
    await fill(world, ALICE.partition("@")[0], minutes=minutes)
    await world.request_reset(email=ALICE, client_info=OWNER)
    await world.deliver_mail(limit=1000)
    await reset_by_mail(world, ALICE, OTHER_PASSWORD)


async def test_reserved_link_to_a_sub_address_is_for_its_verified_user_only(world: World) -> None:
    verified, unverified = "alice+shop@example.org", "alice+other@example.org"
    user = await world.user(verified)
    await claim(world, unverified, PASSWORD)
    await fill(world, ALICE.partition("@")[0], minutes=90)
    await world.deliver_mail(limit=1000)
    for address, outcome in ((unverified, DeliveryOutcome.DROPPED), (verified, DeliveryOutcome.SENT)):
        await world.request_reset(email=address, client_info=stranger())
        await world.deliver_mail(limit=1000)
        newest = [mail for mail in world.store.rows.mails.values() if mail.recipient == address][-1]
        assert newest.outcome is outcome
    async with world.begin() as work:
        exported = await work.outbox.page(user, limit=10, after=None)
    assert [mail.recipient for mail in exported] == [verified]


async def test_owner_can_register_or_reset(world: World) -> None:
    await fill(world, ALICE.partition("@")[0], minutes=90)
    await world.register(email=ALICE, password=OTHER_PASSWORD, client_info=stranger())
    await world.request_reset(email=ALICE, client_info=OWNER)


async def test_owner_can_change_address(world: World) -> None:
    await world.user(ALICE)
    await fill(world, "new", minutes=90)
    pair = await world.login(login=ALICE, password=PASSWORD, client_info=OWNER)
    caller = await world.authenticate(pair.access_token)
    change = partial(world.change_email, caller, new_email="new@example.org", password=PASSWORD, client_info=OWNER)
    await change()
    assert await error_code_of(change()) is ErrorCode.RATE_LIMITED  # the reserve is one change in twenty minutes


async def test_unverified_user_has_no_reserve_for_changes_of_address(world: World) -> None:
    await claim(world, ALICE, PASSWORD)
    await fill(world, "new", minutes=90)
    caller = await world.authenticate((await world.log_in(ALICE)).access_token)
    change = world.change_email(caller, new_email="new@example.org", password=PASSWORD, client_info=OWNER)
    assert await error_code_of(change) is ErrorCode.RATE_LIMITED


async def test_password_of_a_stranger_is_removed_if_the_owner_was_refused(world: World) -> None:
    """The owner is refused after six registrations with one password, and presses one of the mails."""
    for _ in range(6):
        await world.register(email=ALICE, password=PASSWORD, client_info=stranger())
    with pytest.raises(Refusal):
        await world.register(email=ALICE, password=OTHER_PASSWORD, client_info=OWNER)
    await world.verify(token=await world.mailed_token(ALICE), client_info=OWNER)
    with pytest.raises(Refusal):
        await world.login(login=ALICE, password=PASSWORD, client_info=stranger())
