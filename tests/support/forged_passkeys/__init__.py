"""Several hundred ceremonies of WebAuthn, each valid except for one change."""

from tests.support.forged_passkeys import (
    attestation,
    authenticator_data,
    client_data,
    fields,
    public_keys,
    signatures,
)
from tests.support.forged_passkeys.twist import Twist

ALL: list[Twist] = [
    *client_data.TWISTS,
    *authenticator_data.TWISTS,
    *attestation.TWISTS,
    *public_keys.TWISTS,
    *fields.TWISTS,
    *signatures.TWISTS,
]

__all__ = ["ALL", "Twist"]
