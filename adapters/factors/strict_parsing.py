"""Parses the parts of a WebAuthn credential, each in its only valid encoding.

py_webauthn accepts more: stray characters in base64, repeated names in JSON, bytes after CBOR. What it would skip or
repair is refused here, so that the library and this service cannot read the same credential differently.
"""

import json
from typing import Any

from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    encode_cbor,
    parse_authenticator_data,
    parse_cbor,
)
from webauthn.helpers.structs import AttestedCredentialData, AuthenticatorData

_HEAD = 37
"""Bytes of authenticator data before its optional parts."""
_CREDENTIAL_ID_LENGTHS = range(16, 1024)
"""WebAuthn Level 3, section 4 (Credential ID), and section 7.1, step 25."""
_MAP = 5
"""The major type of a CBOR map."""


def decode_base64url(text: str) -> bytes:
    """Decode base64url without padding."""
    data = base64url_to_bytes(text)
    if bytes_to_base64url(data) != text:
        raise ValueError("base64url")
    return data


def parse_client_data(encoded: bytes) -> dict[str, Any]:
    client_data: dict[str, Any] = json.loads(encoded.decode(), object_pairs_hook=_without_repetition)
    return client_data


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("repeated name")
    return dict(pairs)


def parse_attestation(encoded: bytes) -> AttestedCredentialData:
    """Parse an attestation object. Its format must be `none`, or `packed` without certificates (self attestation).

    Clients replace all other formats, since we ask for no attestation (WebAuthn Level 3, section 5.1.3). So the code
    that verifies certificates, and TPM and Android structures, is never reached.
    """
    attestation = parse_cbor(encoded)
    if encode_cbor(attestation) != encoded or attestation.keys() != {"fmt", "attStmt", "authData"}:
        raise ValueError("attestation object")
    if (attestation["fmt"], attestation["attStmt"].keys()) not in (("none", set()), ("packed", {"alg", "sig"})):
        raise ValueError("attestation format")
    attested = parse_data(attestation["authData"]).attested_credential_data
    if attested is None or len(attested.credential_id) not in _CREDENTIAL_ID_LENGTHS:
        raise ValueError("credential id")
    return attested


def parse_data(encoded: bytes) -> AuthenticatorData:
    """Parse authenticator data. A passkey that is backed up must be eligible for backup (section 6.1.3)."""
    data = parse_authenticator_data(encoded)
    attested, extensions = data.attested_credential_data, data.extensions or b""
    parts = encoded[:_HEAD]
    if attested is not None:
        length = len(attested.credential_id).to_bytes(2, "big")
        parts += attested.aaguid + length + attested.credential_id + attested.credential_public_key
    if parts + extensions != encoded or (extensions and extensions[0] >> 5 != _MAP):
        raise ValueError("authenticator data")
    if data.flags.bs and not data.flags.be:
        raise ValueError("backup state")
    return data
