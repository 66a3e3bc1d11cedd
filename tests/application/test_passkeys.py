"""Passkeys: enrolment, and login by a passkey alone."""

import pytest

from domain.authentication import AssuranceLevel
from domain.factor import FactorKind
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.use_cases import ALICE
from tests.support.world import World

pytestmark = pytest.mark.anyio

ORIGIN = "https://accounts.example.org"


async def test_passkey_logs_in_alone(world: World) -> None:
    await world.user(ALICE)
    caller = await world.caller(ALICE)
    authenticator = SoftwareAuthenticator(origin=ORIGIN)
    challenge, options = await world.passkey_options(caller)
    enrolled = await world.add_passkey(caller, challenge=challenge, credential=authenticator.create(options))
    assert enrolled.factor.kind is FactorKind.PASSKEY
    assert enrolled.recovery_codes is not None
    assert len(enrolled.recovery_codes) == 10

    challenge, options = await world.passkey_login_options()
    pair = await world.login_with_passkey(challenge=challenge, credential=authenticator.get(options))
    assert (await world.authenticate(pair.access_token)).authentication.level is AssuranceLevel.PHISHING_RESISTANT
