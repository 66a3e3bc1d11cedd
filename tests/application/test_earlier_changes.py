"""The mail after "This was not me" names the earlier changes that stay, each with a link of its own."""

import re
from datetime import timedelta

import pytest

from domain.factor import FactorKind
from domain.outbox import LinkPurpose
from domain.tokens import AccessToken
from tests.support.devices import Devices
from tests.support.use_cases import ALICE, reset_by_mail
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

TOKEN = re.compile(r"token=([A-Za-z0-9._~-]+)")


async def newest_links(world: World, purpose: LinkPurpose) -> list[str]:
    """Those in the newest mail to the owner."""
    await world.deliver_mail(limit=100)
    text = [letter.text for letter in world.mailer.letters if letter.recipient == ALICE][-1]
    return [token for token in TOKEN.findall(text) if world.follow_email_link.purpose(token) is purpose]


async def enrol(world: World, caller: AccessToken, kind: FactorKind, *, devices: Devices | None = None) -> Devices:
    world.clock.advance(minutes=1)
    devices = devices or Devices(world=world)
    await devices.enrol(caller, kind)
    return devices


async def test_mail_after_the_newest_link_leads_to_the_state_before_the_thief(world: World) -> None:
    await world.user(ALICE)
    caller = await world.caller()
    thief = await enrol(world, caller, FactorKind.PASSKEY)
    world.clock.advance(days=3)
    pair = (await thief.log_in_by_passkey())[0]
    await enrol(world, await world.authenticate(pair.access_token), FactorKind.TOTP, devices=thief)
    await world.follow_email_link(token=(await newest_links(world, LinkPurpose.RESTORE))[0])
    assert await thief.log_in_by_passkey()  # the newest link undoes the newest change only

    (earlier,) = await newest_links(world, LinkPurpose.RESTORE)
    await world.follow_email_link(token=earlier)

    assert await newest_links(world, LinkPurpose.RESTORE) == []
    assert await thief.log_in_by_passkey() == []
    await reset_by_mail(world, ALICE, OTHER_PASSWORD)
    assert await world.log_in(ALICE, OTHER_PASSWORD)


async def test_owners_earlier_factor_is_named_and_stays(world: World) -> None:
    await world.user(ALICE)
    caller = await world.caller()
    owner = await enrol(world, caller, FactorKind.PASSKEY)
    world.clock.advance(days=3)
    pair = (await owner.log_in_by_passkey())[0]
    await enrol(world, await world.authenticate(pair.access_token), FactorKind.TOTP)
    await world.follow_email_link(token=(await newest_links(world, LinkPurpose.RESTORE))[0])
    assert len(await newest_links(world, LinkPurpose.RESTORE)) == 1
    assert "A passkey was added to your account on 1 March 2026 at 12:01 UTC." in world.mailer.letters[-1].text
    assert await owner.log_in_by_passkey()


async def test_change_that_a_link_no_longer_undoes_is_not_named(world: World) -> None:
    """It is older than seven days."""
    await world.user(ALICE)
    owner = await enrol(world, await world.caller(), FactorKind.PASSKEY)
    world.clock.now += timedelta(days=7)
    pair = (await owner.log_in_by_passkey())[0]
    await enrol(world, await world.authenticate(pair.access_token), FactorKind.TOTP)
    await world.follow_email_link(token=(await newest_links(world, LinkPurpose.RESTORE))[0])
    assert await newest_links(world, LinkPurpose.RESTORE) == []


async def test_factor_that_the_owner_has_removed_is_named_for_its_recovery_codes(world: World) -> None:
    """Those of the first factor stay with the second one, and the thief has them."""
    await world.user(ALICE)
    caller = await world.caller()
    thief = await enrol(world, caller, FactorKind.PASSKEY)
    caller = await thief.step_up(caller)
    await enrol(world, caller, FactorKind.TOTP)
    (passkey,) = [one for one in (await world.list_factors(caller))[0] if one.kind is FactorKind.PASSKEY]
    world.clock.advance(seconds=20)
    await world.remove_factor(caller, passkey.id)
    world.clock.advance(minutes=2)
    code = Devices(world=world, codes=thief.codes[:1])
    await code.log_in(ALICE, PASSWORD)
    await world.follow_email_link(token=(await newest_links(world, LinkPurpose.RESTORE))[0])
    assert len(await newest_links(world, LinkPurpose.RESTORE)) == 3


async def test_recovery_codes_of_a_thief_are_named(world: World) -> None:
    await world.user(ALICE)
    caller = await world.caller()
    owner = await enrol(world, caller, FactorKind.PASSKEY)
    world.clock.advance(days=8)
    caller = await world.authenticate((await owner.log_in_by_passkey())[0].access_token)
    await world.replace_recovery_codes(caller)
    world.clock.advance(minutes=1)
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    await world.follow_email_link(token=(await newest_links(world, LinkPurpose.RESTORE))[0])
    (codes,) = await newest_links(world, LinkPurpose.RESTORE)
    await world.follow_email_link(token=codes)
    assert await newest_links(world, LinkPurpose.RESTORE) == []
