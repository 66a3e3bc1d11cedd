"""A WebAuthn authenticator and its client, in software.

`create` and `get` answer the JSON of options with the JSON of a credential, as a browser does. `creation` and
`assertion` return the response before it is signed and encoded, so that a test can change any part of it.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from tests.support.cose import PrivateKey, algorithm_of, cose_key, sign

Json = dict[str, Any]

USER_PRESENT, USER_VERIFIED, BACKUP_ELIGIBLE, BACKED_UP, ATTESTED, EXTENDED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80


@dataclass(kw_only=True)
class StoredPasskey:
    id: bytes
    rp_id: str
    key: PrivateKey
    user_handle: bytes
    sign_count: int = 0


@dataclass(kw_only=True)
class AuthenticatorData:
    """WebAuthn Level 3, section 6.1. Flags and contents need not agree."""

    rp_id: str
    flags: int
    sign_count: int
    aaguid: bytes = b""
    credential_id: bytes = b""
    public_key: bytes = b""
    extensions: bytes = b""

    def __bytes__(self) -> bytes:
        head = sha256(self.rp_id.encode()).digest() + bytes([self.flags]) + self.sign_count.to_bytes(4, "big")
        size = len(self.credential_id).to_bytes(2, "big") if self.credential_id else b""
        return head + self.aaguid + size + self.credential_id + self.public_key + self.extensions


@dataclass(kw_only=True)
class Response:
    """`client_data_json`, `authenticator_data` and `given_signature` replace what follows from the other fields."""

    passkey: StoredPasskey
    client_data: Json
    data: AuthenticatorData
    client_data_json: bytes | None = None
    authenticator_data: bytes | None = None
    given_signature: bytes | None = None
    extension_results: Json = field(default_factory=dict)

    def signed_parts(self) -> tuple[bytes, bytes]:
        client_data = self.client_data_json
        if client_data is None:
            client_data = json.dumps(self.client_data, separators=(",", ":")).encode()
        data = self.authenticator_data
        return client_data, bytes(self.data) if data is None else data

    def signature(self) -> bytes:
        if self.given_signature is not None:
            return self.given_signature
        client_data, data = self.signed_parts()
        return sign(self.passkey.key, data + sha256(client_data).digest())

    def credential(self, credential_id: bytes, response: Json) -> Json:
        encoded = bytes_to_base64url(credential_id)
        results = self.extension_results
        return {
            **{"id": encoded, "rawId": encoded, "type": "public-key", "authenticatorAttachment": "platform"},
            **{"clientExtensionResults": results, "response": response},
        }


@dataclass(kw_only=True)
class Creation(Response):
    format: str = "none"
    statement: Json = field(default_factory=dict)

    def json(self) -> Json:
        client_data, data = self.signed_parts()
        attestation = cbor2.dumps({"fmt": self.format, "attStmt": self.statement, "authData": data})
        public = self.passkey.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        response: Json = {
            **{
                "clientDataJSON": bytes_to_base64url(client_data),
                "attestationObject": bytes_to_base64url(attestation),
            },
            **{"authenticatorData": bytes_to_base64url(data), "transports": ["internal", "hybrid"]},
            **{"publicKey": bytes_to_base64url(public), "publicKeyAlgorithm": algorithm_of(self.passkey.key)},
        }
        return self.credential(self.data.credential_id, response)


@dataclass(kw_only=True)
class Assertion(Response):
    user_handle: bytes | None

    def json(self) -> Json:
        client_data, data = self.signed_parts()
        response: Json = {
            **{"clientDataJSON": bytes_to_base64url(client_data), "authenticatorData": bytes_to_base64url(data)},
            "signature": bytes_to_base64url(self.signature()),
            **({} if self.user_handle is None else {"userHandle": bytes_to_base64url(self.user_handle)}),
        }
        return self.credential(self.passkey.id, response)


@dataclass(kw_only=True)
class SoftwareAuthenticator:
    """`new_key` makes the key of a passkey: ES256, EdDSA or RS256. `synced` passkeys have no signature counter."""

    origin: str
    new_key: Callable[[], PrivateKey] = lambda: generate_private_key(SECP256R1())
    synced: bool = False
    passkeys: list[StoredPasskey] = field(default_factory=list)

    def create(self, options: Mapping[str, Any]) -> Json:
        return self.creation(options).json()

    def get(self, options: Mapping[str, Any]) -> Json:
        return self.assertion(options).json()

    def creation(self, options: Mapping[str, Any]) -> Creation:
        excluded = {one["id"] for one in options.get("excludeCredentials", [])}
        assert not any(bytes_to_base64url(one.id) in excluded for one in self.passkeys), "InvalidStateError"
        rp_id = self._rp_id(options["rp"]["id"])
        key, handle = self.new_key(), base64url_to_bytes(options["user"]["id"])
        accepted = [one["alg"] for one in options["pubKeyCredParams"]]
        assert algorithm_of(key) in accepted, "NotSupportedError"
        passkey = StoredPasskey(id=os.urandom(32), rp_id=rp_id, key=key, user_handle=handle)
        self.passkeys.append(passkey)
        data = self._data(passkey)
        data.flags |= ATTESTED
        data.aaguid, data.credential_id, data.public_key = bytes(16), passkey.id, cose_key(key)
        return Creation(
            passkey=passkey,
            client_data=self._client_data("webauthn.create", options),
            data=data,
            extension_results={"credProps": {"rk": True}} if "credProps" in options.get("extensions", {}) else {},
        )

    def assertion(self, options: Mapping[str, Any]) -> Assertion:
        """By the newest passkey that the options allow."""
        rp_id = self._rp_id(options["rpId"])
        allowed = {one["id"] for one in options.get("allowCredentials") or []}
        usable = [one for one in self.passkeys if one.rp_id == rp_id]
        usable = [one for one in usable if not allowed or bytes_to_base64url(one.id) in allowed]
        assert usable, "NotAllowedError"
        passkey = usable[-1]
        return Assertion(
            passkey=passkey,
            client_data=self._client_data("webauthn.get", options),
            data=self._data(passkey),
            user_handle=passkey.user_handle,
        )

    def _data(self, passkey: StoredPasskey) -> AuthenticatorData:
        passkey.sign_count += not self.synced
        flags = USER_PRESENT | USER_VERIFIED | (BACKUP_ELIGIBLE | BACKED_UP if self.synced else 0)
        return AuthenticatorData(rp_id=passkey.rp_id, flags=flags, sign_count=passkey.sign_count)

    def _client_data(self, kind: str, options: Mapping[str, Any]) -> Json:
        return {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}

    def _rp_id(self, rp_id: str) -> str:
        assert f".{urlsplit(self.origin).hostname}".endswith(f".{rp_id}"), "SecurityError"
        return rp_id
