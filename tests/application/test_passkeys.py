"""Passkeys: enrolment, and login by a passkey alone or as a second factor."""

from typing import Any

import pytest
from webauthn.helpers import bytes_to_base64url

from application.factors.check_factor import PresentedFactor
from application.factors.ports import Json
from domain.audit import EventType
from domain.authentication import AssuranceLevel
from domain.factor import ChangeKind, FactorKind, Passkey
from domain.outbox import MailKind
from domain.refusals import ErrorCode, Refusal
from domain.tokens import TokenPair
from domain.user import User
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.passkeys import authenticator, enrol_passkey, log_in_with_passkey, user_with_passkey
from tests.support.use_cases import ALICE, BOB, actions_of, queued_mails, refused
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def second_factor(world: World, email: str) -> tuple[str, Json]:
    """The challenge and the options for a passkey that the right password gets."""
    with pytest.raises(Refusal) as caught:
        await world.log_in(email)
    assert caught.value.code is ErrorCode.SECOND_FACTOR_REQUIRED
    extensions: Any = caught.value.extensions
    return extensions["challenge"], extensions["passkey_options"]


async def answer(world: World, challenge: str, credential: Json) -> TokenPair:
    return await world.login_with_factor(challenge=challenge, factor=PresentedFactor(passkey=credential))


def user_of(world: World, email: str) -> User:
    return next(user for user in world.store.rows.users.values() if user.email == email)


def stored_count(world: World) -> int:
    (factor,) = world.store.rows.factors.values()
    assert isinstance(factor.credential, Passkey)
    return factor.credential.sign_count


async def test_passkey_logs_in_alone(world: World) -> None:
    device = authenticator()
    enrolled = await user_with_passkey(world, ALICE, device)
    assert enrolled.factor.kind is FactorKind.PASSKEY
    assert enrolled.recovery_codes is not None
    assert len(enrolled.recovery_codes) == 10
    caller = await world.authenticate((await log_in_with_passkey(world, device)).access_token)
    assert (caller.user_id, caller.authentication.level) == (
        user_of(world, ALICE).id,
        AssuranceLevel.PHISHING_RESISTANT,
    )
    assert [method.value for method in caller.authentication.methods] == ["pop", "user", "mfa"]


async def test_passkey_login_needs_user_handle(world: World) -> None:
    device = authenticator()
    await user_with_passkey(world, ALICE, device)
    challenge, options = await world.passkey_login_options()
    assertion = device.assertion(options)
    assertion.user_handle = None
    with refused(ErrorCode.FACTOR_INVALID):
        await world.login_with_passkey(challenge=challenge, credential=assertion.json())

    challenge, options = await second_factor(world, ALICE)
    assertion = device.assertion(options)
    assertion.user_handle = None
    assert await answer(world, challenge, assertion.json())


@pytest.mark.parametrize("handle", ["other user", "unknown user"])
async def test_user_handle_of_another_user_is_refused(world: World, handle: str) -> None:
    device, other = authenticator(), authenticator()
    await user_with_passkey(world, ALICE, device)
    await user_with_passkey(world, BOB, other)
    foreign = {"other user": other.passkeys[0].user_handle, "unknown user": bytes(16)}[handle]
    for second in (False, True):
        challenge, options = await (second_factor(world, ALICE) if second else world.passkey_login_options())
        assertion = device.assertion(options)
        assertion.user_handle = foreign
        before = world.store.rows.copy()
        with refused(ErrorCode.FACTOR_INVALID):
            if second:
                await answer(world, challenge, assertion.json())
            else:
                await world.login_with_passkey(challenge=challenge, credential=assertion.json())
        assert world.store.rows == before


async def test_passkey_of_another_user_is_no_second_factor(world: World) -> None:
    device, thief = authenticator(), authenticator()
    await user_with_passkey(world, ALICE, device)
    await user_with_passkey(world, BOB, thief)
    own, alices = thief.passkeys[0], device.passkeys[0]
    for credential_id in (own.id, alices.id):
        for handle in (own.user_handle, alices.user_handle):
            challenge, options = await second_factor(world, ALICE)
            assertion = thief.assertion({**options, "allowCredentials": []})
            assertion.user_handle = handle
            credential = assertion.json()
            credential["id"] = credential["rawId"] = bytes_to_base64url(credential_id)
            before = world.store.rows.copy()
            with refused(ErrorCode.FACTOR_INVALID):
                await answer(world, challenge, credential)
            assert world.store.rows == before


async def test_unknown_passkey_is_refused(world: World) -> None:
    stranger = authenticator()
    await user_with_passkey(World(), ALICE, stranger)
    await user_with_passkey(world, ALICE, authenticator())
    with refused(ErrorCode.FACTOR_INVALID):
        await log_in_with_passkey(world, stranger)


async def test_credential_id_is_registered_once_for_all_users(world: World) -> None:
    device, other = authenticator(), authenticator()
    await user_with_passkey(world, ALICE, device)
    await world.user(BOB)
    caller = await world.caller(BOB)
    challenge, options = await world.passkey_options(caller)
    creation = other.creation(options)
    creation.data.credential_id = device.passkeys[0].id
    before = world.store.rows.copy()
    with refused(ErrorCode.FACTOR_EXISTS):
        await world.add_passkey(caller, challenge=challenge, credential=creation.json())
    assert world.store.rows == before
    assert await log_in_with_passkey(world, device)


async def test_options_exclude_passkeys_of_the_user(world: World) -> None:
    device = authenticator()
    await user_with_passkey(world, ALICE, device)
    caller = await world.authenticate((await log_in_with_passkey(world, device)).access_token)
    _, options = await world.passkey_options(caller)
    assert [one["id"] for one in options["excludeCredentials"]] == [bytes_to_base64url(device.passkeys[0].id)]
    await enrol_passkey(world, caller, authenticator())


async def test_challenge_expires_after_five_minutes(world: World) -> None:
    device = authenticator()
    await user_with_passkey(world, ALICE, device)
    challenge, options = await world.passkey_login_options()
    world.clock.advance(minutes=5)
    with refused(ErrorCode.CHALLENGE_EXPIRED):
        await world.login_with_passkey(challenge=challenge, credential=device.get(options))


async def test_challenge_of_another_purpose_is_refused(world: World) -> None:
    device = authenticator()
    await user_with_passkey(world, ALICE, device)
    challenge, options = await second_factor(world, ALICE)
    with refused(ErrorCode.CHALLENGE_INVALID):
        await world.login_with_passkey(challenge=challenge, credential=device.get(options))
    challenge, options = await world.passkey_login_options()
    with refused(ErrorCode.CHALLENGE_INVALID):
        await answer(world, challenge, device.get(options))


# -- the signature counter -----------------------------------------------------------------------------------


async def log_in_with_count(world: World, device: SoftwareAuthenticator, count: int) -> None:
    challenge, options = await world.passkey_login_options()
    assertion = device.assertion(options)
    assertion.data.sign_count = count
    await world.login_with_passkey(challenge=challenge, credential=assertion.json())


async def enrol_with_count(world: World, device: SoftwareAuthenticator, count: int) -> None:
    await world.user(ALICE)
    caller = await world.caller(ALICE)
    challenge, options = await world.passkey_options(caller)
    creation = device.creation(options)
    creation.data.sign_count = count
    await world.add_passkey(caller, challenge=challenge, credential=creation.json())


def reports_of_clones(world: World) -> int:
    """Each is an event, and a mail with a link to return to the state before."""
    points = [point for point in world.store.rows.undo_points.values() if point.kind is ChangeKind.PASSKEY_CLONED]
    mails = [
        mail for mail in queued_mails(world, MailKind.NEW_DEVICE) if mail.change_id in {one.id for one in points}
    ]
    events = actions_of(world, user_of(world, ALICE)).count(EventType.PASSKEY_CLONED)
    assert len(points) == len(mails) == events
    return events


@pytest.mark.parametrize("count", [0, 1, 4, 5])
async def test_counter_regress_is_an_event_and_a_mail(world: World, count: int) -> None:
    device = authenticator()
    await enrol_with_count(world, device, 1)
    await log_in_with_count(world, device, 5)
    assert reports_of_clones(world) == 0
    await log_in_with_count(world, device, count)
    assert reports_of_clones(world) == 1
    assert stored_count(world) == 5, "so that the next regress is noticed, too"
    await log_in_with_count(world, device, 6)
    assert reports_of_clones(world) == 1


@pytest.mark.parametrize("counts", [(0, 0, 0), (0, 0, 7, 8), (1, 2, 2**32 - 1)])
async def test_counter_that_never_goes_back_is_normal(world: World, counts: tuple[int, ...]) -> None:
    device = authenticator()
    await enrol_with_count(world, device, counts[0])
    for count in counts[1:]:
        await log_in_with_count(world, device, count)
        assert stored_count(world) == count
    assert reports_of_clones(world) == 0


async def test_counter_regress_of_synced_passkey_is_normal(world: World) -> None:
    device = authenticator(synced=True)
    await enrol_with_count(world, device, 3)
    for count in (9, 3, 3, 0):
        await log_in_with_count(world, device, count)
    assert reports_of_clones(world) == 0


async def test_backup_flags_may_change_after_registration(world: World) -> None:
    device = authenticator()
    await enrol_with_count(world, device, 0)
    device.synced = True
    await log_in_with_passkey(world, device)
    (factor,) = world.store.rows.factors.values()
    assert factor.passkey is not None
    assert (factor.passkey.backup_eligible, factor.passkey.backed_up) == (False, True)
