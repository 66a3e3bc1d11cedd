"""A ceremony that is refused writes nothing."""

import pytest

from domain.refusals import ErrorCode, Refusal
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.forged_passkeys import ALL, Forgery
from tests.support.passkeys import NEW_KEYS, authenticator, log_in_with_passkey, user_with_passkey
from tests.support.use_cases import ALICE
from tests.support.world import World

pytestmark = pytest.mark.anyio

KINDS = sorted({forgery.kind for forgery in ALL})


@pytest.mark.parametrize("kind", KINDS)
async def test_forged_ceremony_writes_nothing(kind: str) -> None:
    world = World(limited=False)
    await world.user(ALICE)
    caller = await world.caller(ALICE)
    devices = {algorithm: authenticator(algorithm) for algorithm in NEW_KEYS}
    for algorithm, device in devices.items():
        await user_with_passkey(world, f"user{-algorithm}@example.org", device)
    for forgery in (one for one in ALL if one.kind == kind):
        before = world.store.rows.copy()
        if forgery.step == "login":
            outcome = await _login(world, forgery, devices[forgery.algorithm])
        else:
            challenge, options = await world.passkey_options(caller)
            credential = forgery.credential(authenticator(forgery.algorithm), options)
            with pytest.raises(Refusal) as caught:
                await world.add_passkey(caller, challenge=challenge, credential=credential)
            outcome = caught.value
        expected = ErrorCode.FACTOR_INVALID if forgery.reason is None else ErrorCode.PASSKEY_UNSUITABLE
        assert (outcome.code, outcome.reason) == (expected, forgery.reason), str(forgery)
        assert world.store.rows == before, str(forgery)
    for device in devices.values():
        await log_in_with_passkey(world, device)


async def _login(world: World, forgery: Forgery, device: SoftwareAuthenticator) -> Refusal:
    challenge, options = await world.passkey_login_options()
    with pytest.raises(Refusal) as caught:
        await world.login_with_passkey(challenge=challenge, credential=forgery.credential(device, options))
    return caught.value
