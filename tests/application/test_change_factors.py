"""Rename and remove a factor, and replace the recovery codes."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from application.factors.check_factor import PresentedFactor
from domain.audit import EventType
from domain.factor import FactorKind
from domain.outbox import MailKind
from domain.refusals import ErrorCode
from domain.session import EndReason
from tests.support.factor_owner import FactorOwner, factor_owner, interrupted
from tests.support.use_cases import ALICE, BOB, actions_of, error_code_of, queued_mails, refused, session_of
from tests.support.world import World

pytestmark = pytest.mark.anyio

PASSKEY, TOTP = FactorKind.PASSKEY, FactorKind.TOTP
Change = Callable[[FactorOwner], Awaitable[object]]


async def remove(owner: FactorOwner) -> None:
    await owner.world.remove_factor(owner.caller, (await owner.factors())[0].id)


async def new_codes(owner: FactorOwner) -> None:
    await owner.world.replace_recovery_codes(owner.caller)


@pytest.mark.parametrize("change", [remove, new_codes])
async def test_change_needs_a_fresh_token(world: World, change: Change) -> None:
    owner = await factor_owner(world, TOTP)
    before = await owner.factors()
    world.clock.advance(minutes=6)
    with refused(ErrorCode.STEP_UP_REQUIRED):
        await change(owner)
    owner.caller = await world.authenticate(
        (await world.step_up.by_password(owner.caller, password=owner.password)).access_token
    )
    with refused(ErrorCode.STEP_UP_REQUIRED):
        await change(owner)
    assert await owner.factors() == before


@pytest.mark.parametrize("name", ["remove_factor", "replace_recovery_codes"])
async def test_change_is_refused_if_the_session_ends_meanwhile(world: World, name: str) -> None:
    """Such as by the owner's undo: a thief's request in flight must not act after it."""
    owner = await factor_owner(world, TOTP)
    (factor,) = await owner.factors()
    end = partial(world.logout, owner.caller)
    use_case = replace(getattr(world, name), begin=interrupted(world, end))
    arguments = [factor.id] if name == "remove_factor" else []
    with refused(ErrorCode.TOKEN_REVOKED):
        await use_case(owner.caller, *arguments)
    assert await owner.factors() == [factor]


async def test_removal_ends_every_other_session(world: World) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    others = [await owner.log_in(method) for method in ("totp", "passkey", "recovery_code")]
    await world.remove_factor(owner.caller, (await owner.factors())[0].id)
    assert [session_of(world, pair).end_reason for pair in others] == [EndReason.FACTOR_REMOVED] * 3
    assert world.store.rows.sessions[owner.caller.session_id].end_reason is None
    assert actions_of(world, owner.user)[-1] is EventType.FACTOR_REMOVED
    assert [mail.recipient for mail in queued_mails(world, MailKind.FACTOR_REMOVED)] == [ALICE]


async def test_removed_factor_does_not_log_in(world: World) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    for factor in await owner.factors():
        if factor.kind is TOTP:
            await world.remove_factor(owner.caller, factor.id)
    asked = await owner.password_step()
    assert asked["factors"] == ["passkey", "recovery_code"]
    with refused(ErrorCode.FACTOR_INVALID):
        await world.login_with_factor(challenge=asked["challenge"], factor=owner.present("totp"))


async def test_recovery_codes_go_with_the_last_factor(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    former = owner.codes[0]
    await remove(owner)
    assert await world.list_factors(owner.caller) == ([], None)
    assert owner.stored.factors == ()
    owner.caller = await world.caller(ALICE)
    added = await owner.enrol(TOTP)
    assert added.recovery_codes is not None
    asked = await owner.password_step()
    with refused(ErrorCode.FACTOR_INVALID):
        await world.login_with_factor(challenge=asked["challenge"], factor=PresentedFactor(recovery_code=former))


async def test_new_recovery_codes_end_earlier_ones(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    former = owner.codes[0]
    owner.codes = await world.replace_recovery_codes(owner.caller)
    assert len(set(owner.codes)) == 10
    asked = await owner.password_step()
    with refused(ErrorCode.FACTOR_INVALID):
        await world.login_with_factor(challenge=asked["challenge"], factor=PresentedFactor(recovery_code=former))
    await owner.log_in("recovery_code")
    assert EventType.RECOVERY_CODES_REPLACED in actions_of(world, owner.user)
    assert len(queued_mails(world, MailKind.FACTOR_ADDED)) == 2


async def test_last_recovery_code_is_no_longer_offered_after_its_use(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    for _ in range(10):
        await owner.log_in("recovery_code")
        world.clock.advance(minutes=1)
    assert (await owner.password_step())["factors"] == ["totp"]
    _, _, _, has_codes = await world.step_up_options(owner.caller)
    assert not has_codes


async def test_account_without_a_factor_has_no_recovery_codes(world: World) -> None:
    owner = await factor_owner(world)
    with refused(ErrorCode.NOT_FOUND):
        await new_codes(owner)


async def test_lost_passkey_is_removed_with_a_recovery_code(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    owner.caller = await world.authenticate((await owner.log_in("recovery_code")).access_token)
    await remove(owner)
    await world.log_in(ALICE)


async def test_factor_of_another_user_is_not_found(world: World) -> None:
    owner, stranger = await factor_owner(world, TOTP), await factor_owner(world, TOTP, email=BOB)
    (factor,) = await owner.factors()
    for factor_id in (factor.id, UUID(int=1)):
        with refused(ErrorCode.NOT_FOUND):
            await world.remove_factor(stranger.caller, factor_id)
        with refused(ErrorCode.NOT_FOUND):
            await world.rename_factor(stranger.caller, factor_id, name="mine")
    assert await owner.factors() == [factor]


async def test_factor_is_renamed(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    (factor,) = await owner.factors()
    renamed = await world.rename_factor(owner.caller, factor.id, name=" Telefon ☎ ")
    assert renamed == replace(factor, name="Telefon ☎")
    for name in ("", "  ", "x" * 101, "a\tb"):
        assert await error_code_of(world.rename_factor(owner.caller, factor.id, name=name)) is ErrorCode.MALFORMED


async def test_used_recovery_code_stays_used_after_an_undo(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    used = owner.codes[0]
    await owner.log_in("recovery_code")
    owner.codes = await world.replace_recovery_codes(owner.caller)
    await owner.undo()
    async with world.begin() as work:
        codes = await work.factors.recovery_codes(owner.user.id)
        assert codes is not None
        assert codes.left == 9
    asked = await owner.password_step()
    with refused(ErrorCode.FACTOR_INVALID):
        await world.login_with_factor(challenge=asked["challenge"], factor=PresentedFactor(recovery_code=used))
