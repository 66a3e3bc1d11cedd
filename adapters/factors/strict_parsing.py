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
_STRINGS, _ARRAY, _MAP, _TAG = (2, 3), 4, 5, 6
"""Major types of CBOR (RFC 8949 section 3.1)."""
_ATTESTED, _EXTENSIONS = 0x40, 0x80
"""Flags of authenticator data: a key, or extensions follow."""


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
    _end_of_cbor(encoded, 0)
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
    _refuse_tags(encoded)
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


def _refuse_tags(encoded: bytes) -> None:
    """Check the key and the extensions in authenticator data (section 6.1), before they are decoded."""
    flags, position = encoded[32], _HEAD
    if flags & _ATTESTED:
        position = _end_of_cbor(encoded, 55 + int.from_bytes(encoded[53:55], "big"))
    if flags & _EXTENSIONS:
        _end_of_cbor(encoded, position)


def _end_of_cbor(encoded: bytes, position: int) -> int:
    """The end of the CBOR item at `position` (RFC 8949 section 3). Raises ValueError or IndexError, also for a tag:
    WebAuthn has none, and cbor2 would run its decoder, for example compile a regular expression."""
    items = 1
    while items:
        major, info = encoded[position] >> 5, encoded[position] & 31
        if major == _TAG or info > 27:
            raise ValueError("tag or indefinite length")
        size = 1 << (info - 24) if info >= 24 else 0
        argument = int.from_bytes(encoded[position + 1 : position + 1 + size], "big") if size else info
        position += 1 + size + (argument if major in _STRINGS else 0)
        items += {_ARRAY: argument, _MAP: 2 * argument}.get(major, 0) - 1
        if position > len(encoded) or items > len(encoded):
            raise ValueError("too short")
    return position
