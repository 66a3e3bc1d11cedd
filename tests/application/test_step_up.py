"""Step-up: a short token for a recent authentication, which the session does not inherit."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import jwt
import pytest

from application.factors.check_factor import PresentedFactor
from domain.audit import EventType
from domain.authentication import AssuranceLevel
from domain.factor import FactorKind
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.tokens import AccessToken, SteppedUpToken
from tests.support.factor_owner import FactorOwner, factor_owner, interrupted
from tests.support.use_cases import (
    ALICE,
    BOB,
    InterruptedHasher,
    actions_of,
    error_code_of,
    refused,
    run_concurrently,
    session_of,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

PASSKEY, TOTP = FactorKind.PASSKEY, FactorKind.TOTP


async def fresh(world: World, caller: AccessToken) -> ErrorCode | None:
    return await error_code_of(world.require_fresh(caller))


async def test_old_login_is_not_fresh_and_a_step_up_is(world: World) -> None:
    owner = await factor_owner(world)
    assert await fresh(world, owner.caller) is None
    world.clock.advance(seconds=300)
    assert await fresh(world, owner.caller) is None
    world.clock.advance(seconds=1)
    with pytest.raises(Refusal) as stale:
        await world.require_fresh(owner.caller)
    assert stale.value.code is ErrorCode.STEP_UP_REQUIRED
    assert stale.value.extensions == {"acr_values": "aal1", "max_age": 300}
    stepped = await world.step_up.by_password(owner.caller, password=PASSWORD)
    assert (stepped.expires_in, stepped.authentication.at) == (300, world.clock())
    assert await fresh(world, await world.authenticate(stepped.access_token)) is None
    assert actions_of(world, owner.user)[-1] is EventType.STEPPED_UP


@pytest.mark.parametrize(
    ("kinds", "method", "level", "is_fresh"),
    [
        ([TOTP], "password", AssuranceLevel.AAL1, False),
        ([TOTP], "totp", AssuranceLevel.AAL2, True),
        ([TOTP], "recovery_code", AssuranceLevel.AAL2, True),
        ([PASSKEY], "password", AssuranceLevel.AAL1, False),
        ([TOTP, PASSKEY], "totp", AssuranceLevel.AAL2, False),
        ([TOTP, PASSKEY], "recovery_code", AssuranceLevel.AAL2, True),
        ([TOTP, PASSKEY], "passkey", AssuranceLevel.PHISHING_RESISTANT, True),
    ],
)
async def test_only_the_strongest_means_is_fresh(
    world: World, kinds: list[FactorKind], method: str, level: AssuranceLevel, *, is_fresh: bool
) -> None:
    owner = await factor_owner(world, *kinds)
    owner.caller = await world.authenticate((await owner.log_in("recovery_code")).access_token)
    world.clock.advance(minutes=6)
    if method == "password":
        stepped = await world.step_up.by_password(owner.caller, password=PASSWORD)
    else:
        stepped = await owner.stepped_up(method)
    caller = await world.authenticate(stepped.access_token)
    assert caller.authentication.level is level
    assert await fresh(world, caller) == (None if is_fresh else ErrorCode.STEP_UP_REQUIRED)


async def test_passkey_login_does_not_lend_its_level_to_a_code(world: World) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    owner.caller = await world.authenticate((await owner.log_in_by_passkey()).access_token)
    world.clock.advance(minutes=6)
    caller = await world.authenticate((await owner.stepped_up("totp")).access_token)
    assert caller.authentication.level is AssuranceLevel.AAL2


async def test_elevation_is_not_in_the_session(world: World) -> None:
    """Otherwise the next renewal would elevate a thief of the refresh token."""
    owner = await factor_owner(world, PASSKEY)
    pair = await owner.log_in("passkey")
    owner.caller = await world.authenticate(pair.access_token)
    before = session_of(world, pair)
    world.clock.advance(minutes=6)
    await owner.step_up("passkey")
    assert session_of(world, pair) == before
    renewed = await world.authenticate((await world.refresh(refresh_token=pair.refresh_token)).access_token)
    assert renewed.authentication == before.authentication
    assert await fresh(world, renewed) is ErrorCode.STEP_UP_REQUIRED


async def test_stepped_up_token_expires_with_its_freshness(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    stepped = await owner.stepped_up("totp")
    world.clock.advance(seconds=299)
    await world.authenticate(stepped.access_token)
    world.clock.advance(seconds=1)
    with refused(ErrorCode.TOKEN_EXPIRED):
        await world.authenticate(stepped.access_token)


async def test_stepped_up_token_does_not_outlive_its_session(world: World) -> None:
    owner = await factor_owner(world)
    pair = await world.log_in(ALICE)
    owner.caller = await world.authenticate(pair.access_token)
    row = session_of(world, pair)
    world.store.rows.sessions[row.id] = replace(row, expires_at=world.clock() + timedelta(seconds=60))
    stepped = await world.step_up.by_password(owner.caller, password=PASSWORD)
    assert stepped.expires_in == 60


async def test_step_ups_within_a_second_have_different_ids(world: World) -> None:
    owner = await factor_owner(world)
    stepped = [await world.step_up.by_password(owner.caller, password=PASSWORD) for _ in range(2)]
    ids = {jwt.decode(one.access_token, options={"verify_signature": False})["jti"] for one in stepped}
    assert len(ids) == 2
    for one in stepped:
        await world.authenticate(one.access_token)


@pytest.mark.parametrize("change", ["logout", "password", "role"])
async def test_end_of_the_session_revokes_the_stepped_up_token(world: World, change: str) -> None:
    owner = await factor_owner(world, TOTP)
    stepped = await owner.stepped_up("totp")
    if change == "logout":
        await world.logout(owner.caller)
    elif change == "password":
        await world.change_password(owner.caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    else:
        await world.grant_role(email=ALICE, role=Role.MODERATOR)
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.authenticate(stepped.access_token)


async def test_session_that_ends_during_the_step_up_gets_no_token(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    end = partial(world.logout, owner.caller)
    hasher = InterruptedHasher(by=end)
    with refused(ErrorCode.TOKEN_REVOKED):
        await replace(world.step_up, check=replace(world.check, hasher=hasher)).by_password(
            owner.caller, password=PASSWORD
        )
    owner.caller = await world.authenticate((await owner.log_in("totp")).access_token)
    code = owner.present("recovery_code")
    step_up = replace(world.step_up, begin=interrupted(world, partial(world.logout, owner.caller)))
    with refused(ErrorCode.TOKEN_REVOKED):
        await step_up.by_factor(owner.caller, factor=code)
    asked = await owner.password_step()
    await world.login_with_factor(challenge=asked["challenge"], factor=code)  # it was not used up


@pytest.mark.parametrize("method", ["totp", "recovery_code", "passkey"])
async def test_of_concurrent_step_ups_one_succeeds(world: World, method: str) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    challenge, options, _, _ = await world.step_up_options(owner.caller)
    factor = owner.present(method, options)
    step_up = partial(world.step_up.by_factor, owner.caller, factor=factor, challenge=challenge)
    outcomes = await run_concurrently([step_up] * 4)
    assert sum(isinstance(outcome, SteppedUpToken) for outcome in outcomes) == 1


async def test_code_of_a_login_does_not_step_up(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    await owner.log_in("totp")
    code = PresentedFactor(totp=owner.totp_code())
    asked = await owner.password_step()
    await world.login_with_factor(challenge=asked["challenge"], factor=code)
    with refused(ErrorCode.FACTOR_INVALID):
        await world.step_up.by_factor(owner.caller, factor=code)


async def test_passkey_needs_the_callers_own_challenge(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    stranger = await factor_owner(world, PASSKEY, email=BOB)
    challenge, options, _, _ = await world.step_up_options(stranger.caller)
    factor = owner.present("passkey", {**options, "allowCredentials": []})
    for given in (challenge, None):
        with refused(ErrorCode.CHALLENGE_INVALID):
            await world.step_up.by_factor(owner.caller, factor=factor, challenge=given)


async def test_login_challenge_does_not_step_up(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    asked = await owner.password_step()
    factor = owner.present("passkey", asked["passkey_options"])
    with refused(ErrorCode.CHALLENGE_INVALID):
        await world.step_up.by_factor(owner.caller, factor=factor, challenge=asked["challenge"])


async def test_options_are_the_callers_own(world: World) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    await factor_owner(world, PASSKEY, email=BOB)
    _, options, factors, has_codes = await world.step_up_options(owner.caller)
    assert (len(options["allowCredentials"]), {one.kind for one in factors}, has_codes) == (1, {TOTP, PASSKEY}, True)


async def test_disabled_and_deleted_users_do_not_step_up(world: World) -> None:
    owner = await factor_owner(world)
    world.store.rows.users[owner.user.id] = replace(owner.stored, disabled=True)
    with refused(ErrorCode.ACCOUNT_DISABLED):
        await world.step_up.by_password(owner.caller, password=PASSWORD)
    del world.store.rows.users[owner.user.id]
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.step_up.by_password(owner.caller, password=PASSWORD)


async def test_wrong_password_is_refused(world: World) -> None:
    owner = await factor_owner(world)
    with refused(ErrorCode.INVALID_CREDENTIALS, field="password"):
        await world.step_up.by_password(owner.caller, password=OTHER_PASSWORD)


async def test_accounts_without_a_factor_notice_nothing(world: World) -> None:
    without, owner = await factor_owner(world), await factor_owner(world, TOTP, email=BOB)
    world.clock.advance(hours=1)
    await world.require_fresh(without.caller, only_with_factor=True)
    with refused(ErrorCode.STEP_UP_REQUIRED):
        await world.require_fresh(owner.caller, only_with_factor=True)


async def test_password_change_keeps_how_the_person_authenticated(world: World) -> None:
    """A new session after the password alone must not count as one with a factor, and the other way round."""
    owner = await factor_owner(world, TOTP)
    caller = await world.authenticate((await owner.log_in("totp")).access_token)
    login = caller.authentication
    world.clock.advance(seconds=60)
    pair = await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    assert session_of(world, pair).authentication == login


async def test_password_change_does_not_keep_a_step_up(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    owner.caller = await world.authenticate((await owner.log_in("totp")).access_token)
    login = owner.caller.authentication
    world.clock.advance(minutes=9)
    stepped_up = await owner.step_up("totp")
    pair = await world.change_password(stepped_up, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    assert session_of(world, pair).authentication == login


async def test_password_change_does_not_elevate_a_session_without_factor(world: World) -> None:
    owner = await factor_owner(world)
    earlier = FactorOwner(world=world, user=owner.user, caller=await world.caller(ALICE))
    await owner.enrol(TOTP)
    earlier.secret = owner.secret
    await earlier.step_up("totp")
    pair = await world.change_password(earlier.caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    assert session_of(world, pair).authentication.level is AssuranceLevel.AAL1
    assert await fresh(world, await world.authenticate(pair.access_token)) is ErrorCode.STEP_UP_REQUIRED
