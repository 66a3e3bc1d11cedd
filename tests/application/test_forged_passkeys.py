"""A ceremony that is refused writes nothing."""

import pytest

from domain.refusals import ErrorCode, Refusal
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.forged_passkeys import ALL, Twist
from tests.support.passkeys import NEW_KEYS, authenticator, log_in_with_passkey, user_with_passkey
from tests.support.use_cases import ALICE
from tests.support.world import World

pytestmark = pytest.mark.anyio

KINDS = sorted({twist.kind for twist in ALL})


@pytest.mark.parametrize("kind", KINDS)
async def test_forged_ceremony_writes_nothing(kind: str) -> None:
    world = World(limited=False)
    await world.user(ALICE)
    caller = await world.caller(ALICE)
    devices = {algorithm: authenticator(algorithm) for algorithm in NEW_KEYS}
    for algorithm, device in devices.items():
        await user_with_passkey(world, f"user{-algorithm}@example.org", device)
    for twist in (one for one in ALL if one.kind == kind):
        before = world.store.rows.copy()
        if twist.step == "login":
            outcome = await _login(world, twist, devices[twist.algorithm])
        else:
            challenge, options = await world.passkey_options(caller)
            credential = twist.credential(authenticator(twist.algorithm), options)
            with pytest.raises(Refusal) as caught:
                await world.add_passkey(caller, challenge=challenge, credential=credential)
            outcome = caught.value
        expected = ErrorCode.FACTOR_INVALID if twist.reason is None else ErrorCode.PASSKEY_UNSUITABLE
        assert (outcome.code, outcome.reason) == (expected, twist.reason), str(twist)
        assert world.store.rows == before, str(twist)
    for device in devices.values():
        await log_in_with_passkey(world, device)


async def _login(world: World, twist: Twist, device: SoftwareAuthenticator) -> Refusal:
    challenge, options = await world.passkey_login_options()
    with pytest.raises(Refusal) as caught:
        await world.login_with_passkey(challenge=challenge, credential=twist.credential(device, options))
    return caught.value
