"""Login with a second factor: the right password gets a challenge, and the factor that answers it a session."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from application.factors.check_factor import PresentedFactor
from domain.audit import EventType
from domain.authentication import AssuranceLevel
from domain.challenge import ChallengePurpose
from domain.factor import FactorKind
from domain.outbox import MailKind
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.tokens import TokenPair
from tests.support.factor_owner import FactorOwner, factor_owner, interrupted
from tests.support.use_cases import (
    ALICE,
    BOB,
    InterruptedHasher,
    actions_of,
    error_code_of,
    queued_mails,
    refused,
    run_concurrently,
    session_of,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

PASSKEY, TOTP = FactorKind.PASSKEY, FactorKind.TOTP
METHODS = ["totp", "recovery_code", "passkey"]


async def test_password_alone_opens_no_session(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    before = dict(world.store.rows.sessions)
    asked = await owner.password_step()
    assert (asked["factors"], asked["passkey_options"]) == (["totp", "recovery_code"], None)
    assert world.store.rows.sessions == before
    with refused(ErrorCode.INVALID_CREDENTIALS):
        await world.login(login=ALICE, password=OTHER_PASSWORD)


@pytest.mark.parametrize(
    ("method", "level", "amr"),
    [
        ("totp", AssuranceLevel.AAL2, ["pwd", "otp", "mfa"]),
        ("recovery_code", AssuranceLevel.AAL2, ["pwd", "recovery_code", "mfa"]),
        ("passkey", AssuranceLevel.PHISHING_RESISTANT, ["pwd", "pop", "user", "mfa"]),
    ],
)
async def test_factor_opens_a_session(world: World, method: str, level: AssuranceLevel, amr: list[str]) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    world.clock.advance(hours=1)
    pair = await owner.log_in(method)
    caller = await world.authenticate(pair.access_token)
    assert (caller.user_id, caller.authentication.level) == (owner.user.id, level)
    assert ([one.value for one in caller.authentication.methods], caller.authentication.at) == (amr, world.clock())
    assert EventType.LOGGED_IN in actions_of(world, owner.user)


async def test_refresh_keeps_level_and_time(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    pair = await owner.log_in("totp")
    at = world.clock()
    world.clock.advance(hours=3)
    renewed = await world.authenticate((await world.refresh(refresh_token=pair.refresh_token)).access_token)
    assert (renewed.authentication.level, renewed.authentication.at) == (AssuranceLevel.AAL2, at)


@pytest.mark.parametrize("method", METHODS)
async def test_challenge_works_once(world: World, method: str) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    asked = await owner.password_step()
    for code in (None, ErrorCode.CHALLENGE_INVALID):
        factor = owner.present(method, asked["passkey_options"])
        answer = world.login_with_factor(challenge=asked["challenge"], factor=factor)
        assert await error_code_of(answer) is code


@pytest.mark.parametrize("method", METHODS)
async def test_of_concurrent_answers_one_succeeds(world: World, method: str) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    asked = [await owner.password_step() for _ in range(4)]
    factors = [owner.present(method, asked[0]["passkey_options"])] * 4
    challenges = [asked[0]["challenge"]] * 4 if method == "passkey" else [one["challenge"] for one in asked]
    outcomes = await run_concurrently(
        [
            partial(world.login_with_factor, challenge=challenge, factor=factor)
            for challenge, factor in zip(challenges, factors, strict=True)
        ]
    )
    assert sum(isinstance(outcome, TokenPair) for outcome in outcomes) == 1


async def test_totp_code_works_once(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    code = PresentedFactor(totp=owner.totp_code())
    for expected in (None, ErrorCode.FACTOR_INVALID):
        asked = await owner.password_step()
        assert await error_code_of(world.login_with_factor(challenge=asked["challenge"], factor=code)) is expected


async def test_earlier_totp_code_is_refused_after_a_later_one(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    earlier = PresentedFactor(totp=owner.totp_code())
    await owner.log_in("totp")
    asked = await owner.password_step()
    with refused(ErrorCode.FACTOR_INVALID):
        await world.login_with_factor(challenge=asked["challenge"], factor=earlier)


async def test_code_of_the_enrolment_does_not_log_in(world: World) -> None:
    owner = FactorOwner(world=world, user=await world.user(ALICE), caller=await world.caller(ALICE))
    offered = await world.totp_options(owner.caller)
    code = owner.totp_code(offered.secret)
    await world.add_totp(owner.caller, challenge=offered.challenge, code=code)
    asked = await owner.password_step()
    with refused(ErrorCode.FACTOR_INVALID):
        await world.login_with_factor(challenge=asked["challenge"], factor=PresentedFactor(totp=code))


@pytest.mark.parametrize("typed", [str.lower, str.upper, lambda code: code.replace("-", "")])
async def test_recovery_code_works_once_in_any_case(world: World, typed: Any) -> None:
    owner = await factor_owner(world, TOTP)
    code = PresentedFactor(recovery_code=typed(owner.codes[0]))
    for expected in (None, ErrorCode.FACTOR_INVALID):
        asked = await owner.password_step()
        assert await error_code_of(world.login_with_factor(challenge=asked["challenge"], factor=code)) is expected
    assert EventType.RECOVERY_CODE_USED in actions_of(world, owner.user)
    assert len(queued_mails(world, MailKind.RECOVERY_CODE_USED)) == 1
    _, codes = await world.list_factors(owner.caller)
    assert codes is not None
    assert codes.left == 9


async def test_refused_login_uses_up_nothing(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    asked = await owner.password_step()
    await world.login_with_factor(challenge=asked["challenge"], factor=owner.present("totp"))
    code = owner.present("recovery_code")
    with refused(ErrorCode.CHALLENGE_INVALID):
        await world.login_with_factor(challenge=asked["challenge"], factor=code)
    assert not queued_mails(world, MailKind.RECOVERY_CODE_USED)
    again = await owner.password_step()
    await world.login_with_factor(challenge=again["challenge"], factor=code)


@pytest.mark.parametrize("method", METHODS)
async def test_factor_of_another_user_is_refused(world: World, method: str) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    stranger = await factor_owner(world, TOTP, PASSKEY, email=BOB)
    asked = await owner.password_step()
    options = {**asked["passkey_options"], "allowCredentials": []}
    with refused(ErrorCode.FACTOR_INVALID):
        await world.login_with_factor(challenge=asked["challenge"], factor=stranger.present(method, options))


@pytest.mark.parametrize(("seconds", "code"), [(299, None), (300, ErrorCode.CHALLENGE_EXPIRED)])
async def test_challenge_is_valid_for_five_minutes(world: World, seconds: int, code: ErrorCode | None) -> None:
    owner = await factor_owner(world, TOTP)
    asked = await owner.password_step()
    world.clock.advance(seconds=seconds)
    factor = owner.present("recovery_code")
    assert await error_code_of(world.login_with_factor(challenge=asked["challenge"], factor=factor)) is code


@pytest.mark.parametrize("purpose", [one for one in ChallengePurpose if one is not ChallengePurpose.LOGIN])
async def test_challenge_of_another_purpose_is_invalid(world: World, purpose: ChallengePurpose) -> None:
    """Otherwise the options of a step-up would stand for the right password."""
    owner = await factor_owner(world, TOTP)
    challenge = world.challenges.sign(world.challenges.new(purpose, owner.stored))
    with refused(ErrorCode.CHALLENGE_INVALID):
        await world.login_with_factor(challenge=challenge, factor=owner.present("totp"))


@pytest.mark.parametrize("change", ["password", "disabled", "deleted", "no_factor"])
async def test_challenge_is_invalid_after_a_change_of_the_account(world: World, change: str) -> None:
    owner = await factor_owner(world, TOTP)
    asked = await owner.password_step()
    code = owner.present("recovery_code")
    rows = world.store.rows
    if change == "password":
        await world.change_password(owner.caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    elif change == "disabled":
        rows.users[owner.user.id] = replace(owner.stored, disabled=True)
    elif change == "deleted":
        await world.delete_me(owner.caller, password=PASSWORD)
    else:
        (factor,) = await owner.factors()
        await world.remove_factor(owner.caller, factor.id)
    with refused(ErrorCode.CHALLENGE_INVALID):
        await world.login_with_factor(challenge=asked["challenge"], factor=code)


async def test_login_that_passed_the_password_before_an_enrolment_is_refused(world: World) -> None:
    owner = FactorOwner(world=world, user=await world.user(ALICE), caller=await world.caller(ALICE))
    hasher = InterruptedHasher(by=partial(owner.enrol, TOTP))
    login = replace(world.login, check=replace(world.check, hasher=hasher))
    with refused(ErrorCode.INVALID_CREDENTIALS):
        await login(login=ALICE, password=PASSWORD)
    await owner.password_step()


@pytest.mark.parametrize("method", METHODS)
async def test_factor_that_is_removed_meanwhile_opens_no_session(world: World, method: str) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    asked = await owner.password_step()
    factor = owner.present(method, asked["passkey_options"])
    admin = await factor_owner(world, email=BOB, role=Role.ADMIN)
    reset = partial(world.reset_factors, admin.caller, owner.user.id)
    login = replace(world.login_with_factor, begin=interrupted(world, reset))
    with refused(ErrorCode.FACTOR_INVALID):
        await login(challenge=asked["challenge"], factor=factor)


async def test_disabled_user_is_refused_before_the_factor(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    world.store.rows.users[owner.user.id] = replace(owner.stored, disabled=True)
    with refused(ErrorCode.ACCOUNT_DISABLED):
        await world.login(login=ALICE, password=PASSWORD)


async def test_removal_of_the_last_factor_leaves_a_login_by_password(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    (factor,) = await owner.factors()
    await world.remove_factor(owner.caller, factor.id)
    assert session_of(world, await world.log_in(ALICE)).authentication.level is AssuranceLevel.AAL1


async def test_secrets_are_in_no_repr_event_or_refusal(world: World) -> None:
    owner = FactorOwner(world=world, user=await world.user(ALICE), caller=await world.caller(ALICE))
    offered = await world.totp_options(owner.caller)
    added = await owner.enrol(TOTP)
    with pytest.raises(Refusal) as asked:
        await world.login(login=ALICE, password=PASSWORD)
    challenge, factor = str(asked.value.extensions["challenge"]), owner.present("totp")
    pair = await world.login_with_factor(challenge=challenge, factor=factor)
    shown = repr([offered, added, factor, asked.value, pair, world.challenges.new(ChallengePurpose.PASSKEY_LOGIN)])
    shown += repr(PresentedFactor(recovery_code=owner.codes[0])) + repr(list(world.store.rows.events.values()))
    shown += repr(list(world.store.rows.mails.values())) + repr(world.store.rows.factors)
    secrets = [offered.secret, offered.challenge, owner.secret, challenge, str(factor.totp), *owner.codes]
    assert [secret for secret in secrets if secret in shown] == []
