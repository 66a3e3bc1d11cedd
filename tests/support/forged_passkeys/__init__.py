"""Several hundred ceremonies of WebAuthn, each valid except for one change."""

from tests.support.forged_passkeys import (
    attestation,
    authenticator_data,
    client_data,
    fields,
    public_keys,
    signatures,
)
from tests.support.forged_passkeys.forgery import Forgery

ALL: list[Forgery] = [
    *client_data.FORGERIES,
    *authenticator_data.FORGERIES,
    *attestation.FORGERIES,
    *public_keys.FORGERIES,
    *fields.FORGERIES,
    *signatures.FORGERIES,
]

__all__ = ["ALL", "Forgery"]
