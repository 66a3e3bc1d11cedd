"""Rotation of the keys that encrypt TOTP secrets, and what works when a key is lost."""

from dataclasses import replace
from uuid import UUID

import pytest

from application.factors.check_factor import PresentedFactor
from application.factors.operate import BATCH
from application.factors.ports import totp_context
from domain.factor import FactorKind, Totp
from domain.refusals import ErrorCode, Refusal
from tests.support.factor_owner import factor_owner
from tests.support.use_cases import BOB, refused
from tests.support.world import World

pytestmark = pytest.mark.anyio

PASSKEY, TOTP = FactorKind.PASSKEY, FactorKind.TOTP
NEW = b"n" * 64


async def test_codes_are_accepted_in_each_step_of_a_rotation(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    [old] = world.encryption_keys
    for keys in ([old], [old, NEW], [NEW, old]):
        world.encryption_keys[:] = keys
        await owner.log_in("totp")
    bob = await factor_owner(world, TOTP, email=BOB)
    assert await world.reencrypt_secrets() == (1, [])
    await owner.log_in("totp")
    world.encryption_keys[:] = [NEW]
    assert await world.reencrypt_secrets() == (0, [])
    for one in (owner, bob):
        await one.log_in("totp")


async def test_enrolment_continues_while_keys_rotate(world: World) -> None:
    owner = await factor_owner(world)
    [old] = world.encryption_keys
    offered = await world.totp_options(owner.caller)
    world.encryption_keys[:] = [NEW, old]
    await world.reencrypt_secrets()
    code = owner.totp_code(offered.secret)
    await world.add_totp(owner.caller, challenge=offered.challenge, code=code)
    # It is stored under the newest key, so the old one may go.
    world.encryption_keys[:] = [NEW]
    owner.secret = offered.secret
    await owner.log_in("totp")


async def test_removed_factor_is_reencrypted_for_its_undo(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    [old] = world.encryption_keys
    await world.operator_reset_factors(who=owner.user.email)
    world.encryption_keys[:] = [NEW, old]
    assert await world.reencrypt_secrets() == (1, [])
    world.encryption_keys[:] = [NEW]
    await owner.undo()
    await owner.log_in("totp")


async def test_lost_key_leaves_passkeys_and_recovery_codes(world: World) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    [totp] = [one for one in await owner.factors() if one.kind is TOTP]
    kept = list(world.encryption_keys)
    world.encryption_keys[:] = [NEW]
    asked = await owner.password_step()
    answers = []
    for code in (owner.totp_code(), "000000"):
        with pytest.raises(Refusal) as caught:
            await world.login_with_factor(challenge=asked["challenge"], factor=PresentedFactor(totp=code))
        answers.append((caught.value.code, caught.value.detail))
    assert answers == [(ErrorCode.FACTOR_INVALID, answers[0][1])] * 2
    with refused(ErrorCode.FACTOR_INVALID):
        await owner.stepped_up("totp")
    assert await world.reencrypt_secrets() == (0, [totp])
    for method in ("recovery_code", "passkey"):
        await owner.log_in(method)
    await owner.log_in_by_passkey()
    # With the key, the app works again.
    world.encryption_keys[:] = [NEW, *kept]
    await owner.log_in("totp")


@pytest.mark.parametrize("method", ["passkey", "recovery_code"])
async def test_app_is_set_up_again_after_its_key_is_lost(world: World, method: str) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    world.encryption_keys[:] = [NEW]
    pair = await owner.log_in(method)
    owner.caller = await world.authenticate(pair.access_token)
    await owner.enrol(TOTP)
    await owner.log_in("totp")
    assert await world.reencrypt_secrets() == (
        0,
        [one for one in world.store.rows.factors.values() if one.removed_in],
    )


async def test_all_pages_of_secrets_are_reencrypted(world: World) -> None:
    owner = await factor_owner(world, TOTP)
    [old] = world.encryption_keys
    [factor] = world.store.rows.factors.values()
    count = 2 * BATCH
    for number in range(1, count):
        id = UUID(int=factor.id.int + number)
        secret = world.secret_box.encrypt(b"x" * 20, context=totp_context(owner.user.id, id))
        credential = Totp(encrypted_secret=secret, last_step=0)
        world.store.rows.factors[id] = replace(factor, id=id, credential=credential)
    world.encryption_keys[:] = [NEW, old]
    assert await world.reencrypt_secrets() == (count, [])
    world.encryption_keys[:] = [NEW]
    assert await world.reencrypt_secrets() == (0, [])
