"""Enrolment of passkeys and TOTP: bound to the caller, fresh, once, and limited where the row is written."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from application.factors.check_factor import PresentedFactor
from application.factors.enrolment import EnrolledFactor
from domain.audit import EventType
from domain.factor import FactorKind
from domain.outbox import MailKind
from domain.refusals import ErrorCode
from domain.role import Role
from domain.session import EndReason
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_owner import FactorOwner, factor_owner, interrupted, on_another_device
from tests.support.passkeys import ORIGIN
from tests.support.use_cases import (
    ALICE,
    BOB,
    actions_of,
    claim,
    error_code_of,
    queued_mails,
    refused,
    run_concurrently,
    session_of,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

PASSKEY, TOTP = FactorKind.PASSKEY, FactorKind.TOTP
KINDS = [PASSKEY, TOTP]
Finish = Callable[[], Awaitable[EnrolledFactor]]


async def started(owner: FactorOwner, kind: FactorKind) -> Finish:
    """The second step of an enrolment, which can be repeated."""
    world, caller = owner.world, owner.caller
    if kind is PASSKEY:
        challenge, options = await world.passkey_options(caller)
        return partial(
            world.add_passkey,
            caller,
            challenge=challenge,
            credential=owner.authenticator.create(on_another_device(options)),
        )
    offered = await world.totp_options(caller)
    return partial(world.add_totp, caller, challenge=offered.challenge, code=owner.totp_code(offered.secret))


@pytest.mark.parametrize("kind", KINDS)
async def test_first_factor_comes_with_ten_recovery_codes(world: World, kind: FactorKind) -> None:
    owner = await factor_owner(world)
    added = await owner.enrol(kind, name="  My device ")
    assert (added.factor.kind, added.factor.name) == (kind, "My device")
    assert added.recovery_codes is not None
    assert len(set(added.recovery_codes)) == 10
    assert {len(code.replace("-", "")) for code in added.recovery_codes} == {24}
    assert owner.stored.factors == (kind,)
    assert EventType.FACTOR_ADDED in actions_of(world, owner.user)
    assert [mail.recipient for mail in queued_mails(world, MailKind.FACTOR_ADDED)] == [ALICE]


async def test_further_factor_keeps_the_recovery_codes(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    assert (await owner.enrol(PASSKEY)).recovery_codes is None
    assert (await owner.enrol(TOTP)).recovery_codes is None
    await owner.log_in("recovery_code")
    assert owner.stored.factors == (PASSKEY, TOTP)


async def test_options_store_nothing(world: World) -> None:
    owner = await factor_owner(world)
    before = world.store.rows.copy()
    await world.passkey_options(owner.caller)
    await world.totp_options(owner.caller)
    assert world.store.rows == before


async def test_totp_needs_one_right_code(world: World) -> None:
    owner = await factor_owner(world)
    offered = await world.totp_options(owner.caller)
    with refused(ErrorCode.FACTOR_INVALID):
        await world.add_totp(owner.caller, challenge=offered.challenge, code="abcdef")
    assert owner.stored.factors == ()
    await world.add_totp(owner.caller, challenge=offered.challenge, code=owner.totp_code(offered.secret))


async def test_secret_is_shown_again_until_it_is_enrolled(world: World) -> None:
    owner, other = await factor_owner(world), await factor_owner(world, email=BOB)
    offered = await world.totp_options(owner.caller)
    assert await world.totp_options.again(owner.caller, offered.challenge) == offered
    assert (await world.totp_options.again(other.caller, offered.challenge)).secret != offered.secret
    await world.add_totp(owner.caller, challenge=offered.challenge, code=owner.totp_code(offered.secret))
    assert (await world.totp_options.again(owner.caller, offered.challenge)).secret != offered.secret
    offered = await world.totp_options(owner.caller)
    world.clock.advance(minutes=6)
    assert (await world.totp_options.again(owner.caller, offered.challenge)).secret != offered.secret


async def test_enrolment_challenge_takes_five_attempts(world: World) -> None:
    owner = await factor_owner(world)
    offered = await world.totp_options(owner.caller)
    for _ in range(5):
        with refused(ErrorCode.FACTOR_INVALID):
            await world.add_totp(owner.caller, challenge=offered.challenge, code="abcdef")
    with refused(ErrorCode.CHALLENGE_INVALID):
        await world.add_totp(owner.caller, challenge=offered.challenge, code=owner.totp_code(offered.secret))


@pytest.mark.parametrize("kind", KINDS)
async def test_challenge_enrols_once(world: World, kind: FactorKind) -> None:
    owner = await factor_owner(world)
    finish = await started(owner, kind)
    outcomes = await run_concurrently([finish] * 3)
    assert sum(isinstance(outcome, EnrolledFactor) for outcome in outcomes) == 1
    assert len(await owner.factors()) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_used_challenge_is_invalid_for_a_fresh_caller_too(world: World, kind: FactorKind) -> None:
    owner = await factor_owner(world)
    finish = await started(owner, kind)
    owner.codes = (await finish()).recovery_codes or ()
    await owner.step_up("recovery_code")
    assert isinstance(finish, partial)
    with refused(ErrorCode.CHALLENGE_INVALID):
        await finish.func(owner.caller, **finish.keywords)


@pytest.mark.parametrize("kind", KINDS)
async def test_challenge_of_another_user_is_invalid(world: World, kind: FactorKind) -> None:
    owner, stranger = await factor_owner(world), await factor_owner(world, email=BOB)
    finish = await started(owner, kind)
    assert isinstance(finish, partial)
    with refused(ErrorCode.CHALLENGE_INVALID):
        await finish.func(stranger.caller, **finish.keywords)
    assert stranger.stored.factors == ()


@pytest.mark.parametrize("kind", KINDS)
async def test_second_enrolment_needs_the_first_factor(world: World, kind: FactorKind) -> None:
    """Both have passed the route. Otherwise a thief of the password could add a factor beside the owner's."""
    owner = await factor_owner(world)
    thief = FactorOwner(world=world, user=owner.user, caller=await world.caller(ALICE))
    finish = await started(thief, kind)
    await owner.enrol(TOTP)
    with refused(ErrorCode.STEP_UP_REQUIRED):
        await finish()
    assert len(await owner.factors()) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_old_token_enrols_nothing(world: World, kind: FactorKind) -> None:
    owner = await factor_owner(world)
    world.clock.advance(seconds=301)
    finish = await started(owner, kind)
    with refused(ErrorCode.STEP_UP_REQUIRED):
        await finish()


@pytest.mark.parametrize("kind", KINDS)
async def test_unverified_user_enrols_nothing(world: World, kind: FactorKind) -> None:
    """Otherwise a stranger could plant a factor in an account that the owner of the mailbox will verify."""
    user = await claim(world, ALICE, PASSWORD)
    owner = FactorOwner(world=world, user=user, caller=await world.caller(ALICE))
    finish = await started(owner, kind)
    with refused(ErrorCode.NOT_VERIFIED):
        await finish()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("password", ErrorCode.TOKEN_REVOKED),
        ("logout", ErrorCode.TOKEN_REVOKED),
        ("role", ErrorCode.TOKEN_REVOKED),
        ("deleted", ErrorCode.TOKEN_REVOKED),
        ("disabled", ErrorCode.ACCOUNT_DISABLED),
    ],
)
async def test_change_of_the_account_during_the_enrolment_ends_it(
    world: World, kind: FactorKind, change: str, code: ErrorCode
) -> None:
    owner = await factor_owner(world)
    finish = await started(owner, kind)

    async def act() -> None:
        if change == "password":
            await world.change_password(owner.caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
        elif change == "logout":
            await world.logout(owner.caller)
        elif change == "role":
            async with world.begin() as work:
                await work.sessions.revoke_access_tokens(owner.user.id)
        elif change == "deleted":
            await world.delete_me(owner.caller, password=PASSWORD)
        else:
            world.store.rows.users[owner.user.id] = replace(owner.stored, disabled=True)

    assert isinstance(finish, partial)
    use_case: Any = finish.func
    meanwhile = replace(use_case, begin=interrupted(world, act))
    with refused(code):
        await meanwhile(*finish.args, **finish.keywords)
    assert world.store.rows.factors == {}


async def test_change_of_the_password_ends_a_challenge(world: World) -> None:
    owner = await factor_owner(world)
    finish = await started(owner, TOTP)
    pair = await world.change_password(owner.caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    assert isinstance(finish, partial)
    with refused(ErrorCode.CHALLENGE_INVALID):
        await finish.func(await world.authenticate(pair.access_token), **finish.keywords)


async def test_eleventh_passkey_is_refused_where_it_is_written(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    finishes = [await started(owner, PASSKEY) for _ in range(12)]
    codes = [await error_code_of(finish()) for finish in finishes]
    assert codes == [None] * 9 + [ErrorCode.FACTOR_LIMIT] * 3
    assert len(await owner.factors()) == 10
    await owner.enrol(TOTP)
    await owner.step_up("passkey")
    await world.remove_factor(owner.caller, (await owner.factors())[0].id)
    await owner.enrol(PASSKEY)


async def test_passkey_is_registered_once_also_after_its_removal(world: World) -> None:
    owner = await factor_owner(world)
    finish = await started(owner, PASSKEY)
    added = await finish()
    await owner.step_up("passkey")
    for removed in (False, True):
        if removed:
            await world.remove_factor(owner.caller, added.factor.id)
        challenge, options = await world.passkey_options(owner.caller)
        creation = SoftwareAuthenticator(origin=ORIGIN).creation(options)
        creation.data.credential_id = owner.authenticator.passkeys[0].id
        with refused(ErrorCode.FACTOR_EXISTS):
            await world.add_passkey(owner.caller, challenge=challenge, credential=creation.json())


async def test_second_totp_replaces_the_first(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    former = owner.secret
    other = await owner.log_in("totp")
    await owner.enrol(TOTP)
    assert [one.kind for one in await owner.factors()] == [TOTP]
    assert session_of(world, other).end_reason is EndReason.FACTOR_REMOVED
    assert actions_of(world, owner.user)[-2:] == [EventType.FACTOR_REMOVED, EventType.FACTOR_ADDED]
    asked = await owner.password_step()
    with refused(ErrorCode.FACTOR_INVALID):
        factor = PresentedFactor(totp=owner.totp_code(former))
        await world.login_with_factor(challenge=asked["challenge"], factor=factor)
    await owner.log_in("totp")
    await world.authenticate((await owner.stepped_up("totp")).access_token)


@pytest.mark.parametrize("kind", KINDS)
async def test_enrolment_is_closed_during_an_upgrade(world: World, kind: FactorKind) -> None:
    owner = await factor_owner(world)
    finish = await started(owner, kind)
    world.store.rows.enrolment_open = False
    for attempt in (finish(), started(owner, kind)):
        assert await error_code_of(attempt) is ErrorCode.UNAVAILABLE
    # Processes of the previous release cannot read the events of these.
    owner.caller = await world.caller()
    assert await error_code_of(world.step_up.by_password(owner.caller, password=PASSWORD)) is ErrorCode.UNAVAILABLE
    await world.user(BOB, role=Role.ADMIN)
    admin = await world.caller(BOB)
    for act in (
        world.reset_factors(admin, owner.user.id),
        world.invite(admin, email="guest@example.org"),
        world.add_client(name="billing", caller=admin),
    ):
        assert await error_code_of(act) is ErrorCode.UNAVAILABLE
    await world.add_client(name="billing")  # an operator has no events
    assert await world.open_enrolment()
    await finish()


@pytest.mark.parametrize("name", ["x" * 101, "a\nb", "\x00"])
async def test_name_that_cannot_be_shown_is_refused(world: World, name: str) -> None:
    owner = await factor_owner(world)
    with refused(ErrorCode.MALFORMED, field="name"):
        await owner.enrol(TOTP, name=name)
