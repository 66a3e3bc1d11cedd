"""Passkeys of a security key, used by a program with the client of python-fido2."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from fido2.client import DefaultClientDataCollector, Fido2Client
from fido2.webauthn import PublicKeyCredentialCreationOptions, PublicKeyCredentialRequestOptions

from tests.support.cose import EDDSA, ES256, RS256
from tests.support.passkeys import NEW_KEYS
from tests.support.security_key import SecurityKey
from tests.support.service import Service, code


def create(client: Fido2Client, options: dict[str, Any]) -> dict[str, Any]:
    return dict(client.make_credential(PublicKeyCredentialCreationOptions.from_dict(options)))


def sign_in(client: Fido2Client, options: dict[str, Any]) -> dict[str, Any]:
    return dict(client.get_assertion(PublicKeyCredentialRequestOptions.from_dict(options)).get_response(0))


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
def test_security_key_signs_in(service: Service, algorithm: int) -> None:
    member = service.member()
    origin = f"http://localhost:{urlsplit(service.url).port}"
    key = Fido2Client(SecurityKey(NEW_KEYS[algorithm]), DefaultClientDataCollector(origin))

    begun = member.post("/v1/factors/passkeys/options").json()
    credential = create(key, begun["options"])
    added = member.post("/v1/factors/passkeys", json={"challenge": begun["challenge"], "credential": credential})
    assert added.status_code == 201, added.text

    anyone = service.client()
    begun = anyone.post("/v1/login/passkey/options").json()
    body = {"challenge": begun["challenge"], "credential": sign_in(key, begun["options"])}
    pair = anyone.post("/v1/login/passkey", json=body)
    assert pair.status_code == 200, pair.text
    assert code(anyone.post("/v1/login/passkey", json=body)) == "challenge_invalid"
