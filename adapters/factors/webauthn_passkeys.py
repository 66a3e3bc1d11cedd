"""Passkeys (WebAuthn Level 3) by py_webauthn, with the checks that it leaves to its callers."""

import json
from collections.abc import Sequence
from uuid import UUID

import webauthn
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.options_to_json_dict import options_to_json_dict
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from adapters.factors.cose_keys import ALGORITHMS, check_public_key
from adapters.factors.strict_parsing import decode_base64url, parse_attestation, parse_client_data, parse_data
from application.factors.ports import Assertion, Json, Passkeys
from domain.challenge import LIFETIME
from domain.factor import Passkey, passkey_unsuitable
from domain.refusals import Refusal, factor_invalid
from domain.user import User

_TIMEOUT = int(LIFETIME.total_seconds() * 1000)
_LONGEST = 16_384
"""Characters of a credential's fields together; that of a security key with a certificate has about 3,000."""


class WebauthnPasskeys(Passkeys):
    """`rp_id` is the domain that passkeys belong to, and `origins` are those of the pages that may use them."""

    def __init__(self, *, rp_id: str, rp_name: str, origins: Sequence[str]) -> None:
        self._rp_id = rp_id
        self._rp_name = rp_name
        self._origins = list(origins)

    def creation_options(self, user: User, nonce: bytes, *, exclude: Sequence[bytes]) -> Json:
        options = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._rp_name,
            user_id=user.id.bytes,
            user_name=user.username or user.email,
            user_display_name=user.username or user.email,
            challenge=nonce,
            timeout=_TIMEOUT,
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_descriptors(exclude),
            supported_pub_key_algs=ALGORITHMS,
        )
        # Asks the browser to say whether the passkey is discoverable.
        return {**options_to_json_dict(options), "extensions": {"credProps": True}}

    def request_options(self, nonce: bytes, *, allow: Sequence[bytes] = ()) -> Json:
        options = webauthn.generate_authentication_options(
            rp_id=self._rp_id,
            challenge=nonce,
            timeout=_TIMEOUT,
            allow_credentials=_descriptors(allow),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json_dict(options)

    def verify_registration(self, credential: Json, nonce: bytes) -> Passkey:
        try:
            self._check_client_data(credential, nonce)
            attested = parse_attestation(decode_base64url(credential["response"]["attestationObject"]))
            check_public_key(attested.credential_public_key)
            verified = webauthn.verify_registration_response(
                credential=dict(credential),
                expected_challenge=nonce,
                expected_rp_id=self._rp_id,
                expected_origin=self._origins,
                supported_pub_key_algs=ALGORITHMS,
            )
            if verified.credential_id != decode_base64url(credential["rawId"]):
                raise ValueError("credential id")
            results = credential.get("clientExtensionResults") or {}
            discoverable = (results.get("credProps") or {}).get("rk") is not False
        except Refusal:
            raise
        except Exception:
            # The library raises many kinds of errors for malformed input; all mean the same to the caller.
            raise factor_invalid() from None
        if not verified.user_verified:
            raise passkey_unsuitable("not_verified")
        if not discoverable:
            raise passkey_unsuitable("not_discoverable")
        return Passkey(
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            backup_eligible=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
            backed_up=verified.credential_backed_up,
        )

    def credential_id(self, credential: Json) -> bytes:
        try:
            return decode_base64url(credential["rawId"])
        except Exception:
            raise factor_invalid() from None

    def verify_assertion(self, credential: Json, nonce: bytes, passkey: Passkey, *, user_id: UUID) -> Assertion:
        try:
            self._check_client_data(credential, nonce)
            response = credential["response"]
            if parse_data(decode_base64url(response["authenticatorData"])).flags.at:
                raise ValueError("attested credential in an assertion")
            decode_base64url(response["signature"])
            handle = response.get("userHandle")
            if handle is not None and decode_base64url(handle) != user_id.bytes:
                raise ValueError("user handle")
            verified = webauthn.verify_authentication_response(
                credential=dict(credential),
                expected_challenge=nonce,
                expected_rp_id=self._rp_id,
                expected_origin=self._origins,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,  # the use case judges the counter
                require_user_verification=True,
            )
            if self.credential_id(credential) != passkey.credential_id:
                raise ValueError("credential id")
        except Exception:
            raise factor_invalid() from None
        return Assertion(
            sign_count=verified.new_sign_count,
            backed_up=verified.credential_backed_up,
            names_user=handle is not None,
        )

    def _check_client_data(self, credential: Json, nonce: bytes) -> None:
        """Check what the library does not: the size of all, the exact text of the challenge, and that the page was
        not in a frame of another site."""
        if len(json.dumps(credential)) > _LONGEST:
            raise ValueError("size")
        client_data = parse_client_data(decode_base64url(credential["response"]["clientDataJSON"]))
        if client_data["challenge"] != bytes_to_base64url(nonce):
            raise ValueError("challenge")
        if client_data.get("crossOrigin", False) is not False or "topOrigin" in client_data:
            raise ValueError("cross-origin")


def _descriptors(credential_ids: Sequence[bytes]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=credential_id) for credential_id in credential_ids]
