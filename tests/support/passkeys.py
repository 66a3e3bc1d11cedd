"""Users with passkeys, for tests of use cases."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from application.factors.enrolment import EnrolledFactor
from domain.tokens import AccessToken, TokenPair
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.cose import EDDSA, ES256, RS256, PrivateKey
from tests.support.forging import RSA
from tests.support.world import World

RP_ID, ORIGIN = "example.org", "https://accounts.example.org"
"""Of `World`."""

NEW_KEYS: dict[int, Callable[[], PrivateKey]] = {
    ES256: lambda: generate_private_key(SECP256R1()),
    EDDSA: Ed25519PrivateKey.generate,
    RS256: lambda: RSA,  # to generate one takes long
}


def authenticator(algorithm: int = ES256, *, synced: bool = False) -> SoftwareAuthenticator:
    return SoftwareAuthenticator(origin=ORIGIN, new_key=NEW_KEYS[algorithm], synced=synced)


async def enrol_passkey(world: World, caller: AccessToken, device: SoftwareAuthenticator) -> EnrolledFactor:
    challenge, options = await world.passkey_options(caller)
    return await world.add_passkey(caller, challenge=challenge, credential=device.create(options))


async def user_with_passkey(world: World, email: str, device: SoftwareAuthenticator) -> EnrolledFactor:
    """A verified user whose only factor is a passkey on that device."""
    await world.user(email)
    return await enrol_passkey(world, await world.caller(email), device)


async def log_in_with_passkey(world: World, device: SoftwareAuthenticator) -> TokenPair:
    challenge, options = await world.passkey_login_options()
    return await world.login_with_passkey(challenge=challenge, credential=device.get(options))
