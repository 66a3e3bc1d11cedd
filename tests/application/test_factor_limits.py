"""Limits of wrong codes, and what frees the owner when a thief of the password has used them up."""

import pytest

from application.factors.check_factor import PresentedFactor
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import FactorKind
from domain.rate_limits import Limit
from domain.refusals import ErrorCode, Refusal
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_owner import FactorOwner, factor_owner, on_another_device
from tests.support.passkeys import ORIGIN
from tests.support.use_cases import ALICE, error_code_of, refused, reset_by_mail
from tests.support.world import World

pytestmark = pytest.mark.anyio

PASSKEY, TOTP = FactorKind.PASSKEY, FactorKind.TOTP
THIEVES = [ClientInfo(ip=f"192.0.2.{number}") for number in range(12)]
WRONG = [PresentedFactor(totp="abcdef"), PresentedFactor(recovery_code="AAAA-BBBB-CCCC-DDDD-EEEE-FFFF")]


async def guess(
    owner: FactorOwner, factor: PresentedFactor, client_info: ClientInfo = UNKNOWN_CLIENT
) -> ErrorCode | None:
    """An answer to a new challenge."""
    asked = await owner.password_step(client_info)
    answer = owner.world.login_with_factor(challenge=asked["challenge"], factor=factor, client_info=client_info)
    return await error_code_of(answer)


async def use_up_day(owner: FactorOwner, factor: PresentedFactor = WRONG[0], *, times: int = 20) -> None:
    codes = [await guess(owner, factor, THIEVES[number // 5]) for number in range(times)]
    assert codes == [ErrorCode.FACTOR_INVALID] * times


@pytest.mark.parametrize("wrong", WRONG, ids=["totp", "recovery_code"])
async def test_sixth_code_from_a_network_within_five_minutes_is_refused(world: World, wrong: PresentedFactor) -> None:
    owner = await factor_owner(world, TOTP)
    assert [await guess(owner, wrong) for _ in range(5)] == [ErrorCode.FACTOR_INVALID] * 5
    assert await guess(owner, owner.present("totp")) is ErrorCode.RATE_LIMITED
    assert await guess(owner, owner.present("totp"), THIEVES[0]) is None
    world.clock.advance(minutes=5)
    assert await guess(owner, owner.present("totp")) is None


async def test_right_codes_are_not_counted(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    for _ in range(9):
        await owner.log_in("totp")
        await owner.log_in("recovery_code")


async def test_rate_limited_code_is_not_an_attempt_at_the_challenge(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    for _ in range(5):
        await guess(owner, WRONG[0])
    asked = await owner.password_step()
    for _ in range(6):
        with refused(ErrorCode.RATE_LIMITED):
            await world.login_with_factor(challenge=asked["challenge"], factor=WRONG[0])


@pytest.mark.parametrize("wrong", WRONG, ids=["totp", "recovery_code"])
async def test_21st_code_within_a_day_is_refused_from_any_network(world: World, wrong: PresentedFactor) -> None:
    owner = await factor_owner(world, TOTP)
    await use_up_day(owner, wrong)
    assert await guess(owner, wrong, THIEVES[5]) is ErrorCode.RATE_LIMITED
    assert await guess(owner, owner.present("totp"), THIEVES[6]) is ErrorCode.RATE_LIMITED
    world.clock.advance(days=1)
    assert await guess(owner, owner.present("totp"), THIEVES[6]) is None


@pytest.mark.parametrize("method", ["recovery_code", "passkey"])
async def test_what_cannot_be_guessed_works_beyond_the_daily_limit(world: World, method: str) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    await use_up_day(owner)
    await owner.log_in(method)


async def test_passkeys_are_not_counted(world: World) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    stranger = SoftwareAuthenticator(origin=ORIGIN)
    _, options = await world.passkey_options(owner.caller)
    stranger.create(on_another_device(options))
    for _ in range(30):
        asked = await owner.password_step()
        wrong = PresentedFactor(passkey=stranger.get({**asked["passkey_options"], "allowCredentials": []}))
        with refused(ErrorCode.FACTOR_INVALID):
            await world.login_with_factor(challenge=asked["challenge"], factor=wrong)
    assert await guess(owner, owner.present("totp")) is None


async def test_challenge_takes_five_attempts(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    stranger = SoftwareAuthenticator(origin=ORIGIN)
    _, options = await world.passkey_options(owner.caller)
    stranger.create(on_another_device(options))
    asked = await owner.password_step()
    wrong = PresentedFactor(passkey=stranger.get({**asked["passkey_options"], "allowCredentials": []}))
    right = owner.present("passkey", asked["passkey_options"])
    for _ in range(5):
        with refused(ErrorCode.FACTOR_INVALID):
            await world.login_with_factor(challenge=asked["challenge"], factor=wrong)
    with refused(ErrorCode.CHALLENGE_INVALID):
        await world.login_with_factor(challenge=asked["challenge"], factor=right)
    await owner.log_in("passkey")


async def test_reset_of_the_password_frees_the_owner(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    await use_up_day(owner)
    assert await guess(owner, owner.present("totp")) is ErrorCode.RATE_LIMITED
    await reset(owner, "a passphrase that the thief does not know")
    assert await guess(owner, owner.present("totp")) is None


async def test_mailbox_does_not_suffice_to_guess_codes(world: World) -> None:
    """A thief of the mailbox resets the password again and again. Only the first time gives new attempts."""
    owner = await factor_owner(world, TOTP)
    await use_up_day(owner)
    await reset(owner, "the first passphrase of a thief")
    world.clock.advance(minutes=5)
    await use_up_day(owner)
    for number in range(3):
        await reset(owner, f"another passphrase {number} of a thief")
        assert await guess(owner, WRONG[0], THIEVES[5 + number]) is ErrorCode.RATE_LIMITED


async def reset(owner: FactorOwner, password: str) -> None:
    await owner.world.request_reset(email=ALICE)
    await reset_by_mail(owner.world, ALICE, password)
    owner.password = password


async def test_wrong_codes_of_a_step_up_are_counted_too(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    for _ in range(5):
        with refused(ErrorCode.FACTOR_INVALID):
            await world.step_up.by_factor(owner.caller, factor=WRONG[0])
    with pytest.raises(Refusal) as limited:
        await owner.stepped_up("totp")
    assert (limited.value.code, limited.value.reason) == (ErrorCode.RATE_LIMITED, Limit.FACTOR)
