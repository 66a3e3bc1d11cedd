"""Login with a passkey alone: the passkey says who the user is, and its signature that it is they."""

from dataclasses import replace
from functools import partial

import pytest

from domain.audit import EventType
from domain.challenge import ChallengePurpose
from domain.factor import FactorKind
from domain.outbox import MailKind
from domain.rate_limits import RATES, Limit
from domain.refusals import ErrorCode
from domain.tokens import TokenPair
from tests.support.authenticator import BACKUP_ELIGIBLE
from tests.support.factor_owner import factor_owner, interrupted
from tests.support.use_cases import ALICE, BOB, actions_of, queued_mails, refused, run_concurrently, session_of
from tests.support.world import World

pytestmark = pytest.mark.anyio

PASSKEY, TOTP = FactorKind.PASSKEY, FactorKind.TOTP


async def test_options_are_the_same_for_all_and_store_nothing(world: World) -> None:
    before = world.store.rows.copy()
    _, options = await world.passkey_login_options()
    assert world.store.rows == before
    await factor_owner(world, PASSKEY)
    _, later = await world.passkey_login_options()
    assert {**options, "challenge": ""} == {**later, "challenge": ""}
    assert options["challenge"] != later["challenge"]
    assert options["allowCredentials"] == []


async def test_passkey_logs_in_its_user(world: World) -> None:
    owner, other = await factor_owner(world, PASSKEY), await factor_owner(world, PASSKEY, email=BOB)
    for one in (owner, other):
        pair = await one.log_in_by_passkey()
        session = session_of(world, pair)
        assert (session.user_id, [method.value for method in session.authentication.methods]) == (
            one.user.id,
            ["pop", "user", "mfa"],
        )
        assert actions_of(world, one.user)[-1] is EventType.LOGGED_IN


async def test_challenge_logs_in_once(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    challenge, options = await world.passkey_login_options()
    login = partial(world.login_with_passkey, challenge=challenge)
    first, second = owner.authenticator.get(options), owner.authenticator.get(options)
    outcomes = await run_concurrently([partial(login, credential=first)] * 4)
    assert sum(isinstance(outcome, TokenPair) for outcome in outcomes) == 1
    for credential in (first, second):
        with refused(ErrorCode.CHALLENGE_INVALID):
            await login(credential=credential)


@pytest.mark.parametrize("purpose", [ChallengePurpose.LOGIN, ChallengePurpose.STEP_UP, ChallengePurpose.ADD_PASSKEY])
async def test_challenge_of_another_purpose_is_invalid(world: World, purpose: ChallengePurpose) -> None:
    owner = await factor_owner(world, PASSKEY)
    challenge = world.challenges.new(purpose, owner.stored)
    credential = owner.authenticator.get(world.passkeys.request_options(challenge.nonce))
    with refused(ErrorCode.CHALLENGE_INVALID):
        await world.login_with_passkey(challenge=world.challenges.sign(challenge), credential=credential)


async def test_removed_passkey_is_refused(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    (factor,) = await owner.factors()
    await world.remove_factor(owner.caller, factor.id)
    with refused(ErrorCode.FACTOR_INVALID):
        await owner.log_in_by_passkey()
    assert await world.log_in(ALICE)


async def test_passkey_that_is_removed_meanwhile_opens_no_session(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    (factor,) = await owner.factors()
    challenge, options = await world.passkey_login_options()
    credential = owner.authenticator.get(options)
    remove = partial(world.remove_factor, owner.caller, factor.id)
    login = replace(world.login_with_passkey, begin=interrupted(world, remove))
    with refused(ErrorCode.CHALLENGE_INVALID):
        await login(challenge=challenge, credential=credential)


async def test_rate_limit_counts_failed_passkey_logins_only(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    (rate,) = RATES[Limit.PASSKEY_LOGIN]
    for _ in range(rate.times + 1):
        await owner.log_in_by_passkey()
    _, options = await world.passkey_login_options()
    credential = owner.authenticator.get(options)
    for attempt in range(rate.times + 1):
        with refused(ErrorCode.CHALLENGE_INVALID if attempt < rate.times else ErrorCode.RATE_LIMITED):
            await world.login_with_passkey(challenge="forged", credential=credential)
    # Others of this network are not locked out.
    await owner.log_in_by_passkey()


async def test_disabled_user_is_refused_after_the_signature(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    world.store.rows.users[owner.user.id] = replace(owner.stored, disabled=True)
    with refused(ErrorCode.ACCOUNT_DISABLED):
        await owner.log_in_by_passkey()
    challenge, _ = await world.passkey_login_options()
    _, other_options = await world.passkey_login_options()
    with refused(ErrorCode.FACTOR_INVALID):
        await world.login_with_passkey(challenge=challenge, credential=owner.authenticator.get(other_options))


@pytest.mark.parametrize("synced", [False, True])
async def test_counter_that_goes_back_is_reported_for_device_bound_passkeys(world: World, *, synced: bool) -> None:
    owner = await factor_owner(world)
    owner.authenticator.synced = synced
    await owner.enrol(PASSKEY)
    owner.authenticator.synced = False  # it counts
    await owner.log_in_by_passkey()
    owner.authenticator.passkeys[0].sign_count = 0
    for _ in range(7):
        owner.authenticator.passkeys[0].sign_count = 0
        challenge, options = await world.passkey_login_options()
        assertion = owner.authenticator.assertion(options)
        if synced:
            assertion.data.flags |= BACKUP_ELIGIBLE
        await world.login_with_passkey(challenge=challenge, credential=assertion.json())
    events = actions_of(world, owner.user).count(EventType.PASSKEY_CLONED)
    mails = [mail.recipient for mail in queued_mails(world, MailKind.NEW_DEVICE)]
    # The mails are limited: the authenticator may be faulty.
    assert (events, mails) == ((0, []) if synced else (7, [ALICE] * 5))
