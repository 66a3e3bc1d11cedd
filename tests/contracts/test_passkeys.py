"""Verification of passkeys: what is refused, and what must not be refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import cbor2
import pytest
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from adapters.factors.strict_parsing import parse_attestation, parse_data
from adapters.factors.webauthn_passkeys import WebauthnPasskeys
from adapters.uuid7 import uuid7
from domain.refusals import ErrorCode, Refusal
from domain.user import User
from tests.support.authenticator import BACKED_UP, BACKUP_ELIGIBLE, EXTENDED
from tests.support.cose import EDDSA, ES256, RS256, algorithm_of
from tests.support.forged_passkeys import ALL, Forgery
from tests.support.forged_passkeys.forgery import client_data, client_data_bytes, flags
from tests.support.forging import NOW
from tests.support.passkeys import NEW_KEYS, ORIGIN, RP_ID, authenticator

PASSKEYS = WebauthnPasskeys(rp_id=RP_ID, rp_name="Latchkey", origins=["https://www.example.org:444", ORIGIN])
USER = User.registered(id=uuid7(), email="alice@example.org", username=None, password_hash="x", now=NOW)
NONCE = bytes(range(32))
CREATION, REQUEST = PASSKEYS.creation_options(USER, NONCE, exclude=[]), PASSKEYS.request_options(NONCE)


@pytest.mark.parametrize("forgery", [forgery for forgery in ALL if forgery.step == "registration"], ids=str)
def test_forged_registration_is_refused(forgery: Forgery) -> None:
    credential = forgery.credential(authenticator(forgery.algorithm), CREATION)
    with pytest.raises(Refusal) as caught:
        PASSKEYS.verify_registration(credential, NONCE)
    expected = ErrorCode.FACTOR_INVALID if forgery.reason is None else ErrorCode.PASSKEY_UNSUITABLE
    assert (caught.value.code, caught.value.reason) == (expected, forgery.reason)


@pytest.mark.parametrize("forgery", [forgery for forgery in ALL if forgery.step == "login"], ids=str)
def test_forged_assertion_is_refused(forgery: Forgery) -> None:
    device = authenticator(forgery.algorithm)
    passkey = PASSKEYS.verify_registration(device.create(CREATION), NONCE)
    credential = forgery.credential(device, REQUEST)
    with pytest.raises(Refusal) as caught:
        PASSKEYS.verify_assertion(credential, NONCE, passkey, user_id=USER.id)
    assert (caught.value.code, caught.value.reason) == (ErrorCode.FACTOR_INVALID, None)


def self_attestation(response: Any) -> None:
    response.format, response.statement = "packed", {"alg": algorithm_of(response.passkey.key), "sig": b""}
    response.statement["sig"] = response.signature()


TOLERATED: dict[str, Callable[[Any], None]] = {
    "as it is": lambda _: None,
    "crossOrigin missing": lambda response: response.client_data.pop("crossOrigin"),
    "unknown member of the client data": client_data(other_keys_can_be_added_here="do not compare with a template"),
    "token binding of earlier versions": client_data(tokenBinding={"status": "supported"}),
    "other order of the client data": client_data_bytes(
        lambda body: json.dumps(dict(sorted(json.loads(body).items()))).encode()
    ),
    "synchronized": flags(lambda old: old | BACKUP_ELIGIBLE | BACKED_UP),
    "not synchronized yet": flags(lambda old: old | BACKUP_ELIGIBLE),
    "reserved flags": flags(lambda old: old | 0x22),
    "extensions": flags(lambda old: old | EXTENDED, extensions=cbor2.dumps({"credProtect": 2, "hmac-secret": True})),
    "no extension results": lambda response: response.extension_results.clear(),
    "counter of 0": lambda response: setattr(response.data, "sign_count", 0),
    "largest counter": lambda response: setattr(response.data, "sign_count", 2**32 - 1),
    "second origin": client_data(origin="https://www.example.org:444"),
}


@pytest.mark.parametrize("algorithm", NEW_KEYS)
@pytest.mark.parametrize("change", TOLERATED.values(), ids=TOLERATED)
def test_valid_ceremony_is_accepted(change: Callable[[Any], None], algorithm: int) -> None:
    device = authenticator(algorithm)
    creation = device.creation(CREATION)
    change(creation)
    passkey = PASSKEYS.verify_registration(creation.json(), NONCE)
    assertion = device.assertion(REQUEST)
    change(assertion)
    verified = PASSKEYS.verify_assertion(assertion.json(), NONCE, passkey, user_id=USER.id)
    assert (passkey.credential_id, passkey.sign_count) == (creation.passkey.id, creation.data.sign_count)
    assert passkey.backup_eligible == bool(creation.data.flags & BACKUP_ELIGIBLE)
    assert (verified.sign_count, verified.names_user) == (assertion.data.sign_count, True)
    assert passkey.backed_up == verified.backed_up == bool(assertion.data.flags & BACKED_UP)


@pytest.mark.parametrize("algorithm", NEW_KEYS)
def test_self_attestation_is_accepted(algorithm: int) -> None:
    creation = authenticator(algorithm).creation(CREATION)
    self_attestation(creation)
    assert PASSKEYS.verify_registration(creation.json(), NONCE).credential_id == creation.passkey.id


def test_passkey_that_is_not_discoverable_is_unsuitable() -> None:
    creation = authenticator().creation(CREATION)
    creation.extension_results = {"credProps": {"rk": False}}
    with pytest.raises(Refusal) as caught:
        PASSKEYS.verify_registration(creation.json(), NONCE)
    assert (caught.value.code, caught.value.reason) == (ErrorCode.PASSKEY_UNSUITABLE, "not_discoverable")


def test_second_factor_may_lack_user_handle() -> None:
    device = authenticator()
    passkey = PASSKEYS.verify_registration(device.create(CREATION), NONCE)
    assertion = device.assertion(REQUEST)
    assertion.user_handle = None
    assert not PASSKEYS.verify_assertion(assertion.json(), NONCE, passkey, user_id=USER.id).names_user


def test_assertion_by_passkey_of_another_user_is_refused() -> None:
    other = replace(USER, id=uuid7())
    device, thief = authenticator(), authenticator()
    passkey = PASSKEYS.verify_registration(device.create(CREATION), NONCE)
    thief.create(PASSKEYS.creation_options(other, NONCE, exclude=[]))
    assertion = thief.assertion(REQUEST)
    for credential_id, handle in product((assertion.passkey.id, passkey.credential_id), (other.id, USER.id)):
        assertion.passkey.id, assertion.user_handle = credential_id, handle.bytes
        with pytest.raises(Refusal):
            PASSKEYS.verify_assertion(assertion.json(), NONCE, passkey, user_id=USER.id)


def test_options_ask_for_discoverable_and_verified_passkeys() -> None:
    options = PASSKEYS.creation_options(USER, NONCE, exclude=[b"known" * 4])
    assert options["rp"] == {"name": "Latchkey", "id": RP_ID}
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert [one["alg"] for one in options["pubKeyCredParams"]] == [EDDSA, ES256, RS256]
    assert [one["id"] for one in options["excludeCredentials"]] == [bytes_to_base64url(b"known" * 4)]
    assert (REQUEST["rpId"], REQUEST["userVerification"], REQUEST["allowCredentials"]) == (RP_ID, "required", [])
    assert base64url_to_bytes(REQUEST["challenge"]) == base64url_to_bytes(options["challenge"]) == NONCE


def test_tags_are_refused_before_they_are_decoded() -> None:
    """The decoder of a tag may compile a regular expression that takes seconds."""
    pattern = cbor2.CBORTag(35, "(?i)[a-z]")
    statement = {"fmt": "none", "attStmt": {"x": pattern}, "authData": bytes(37)}
    with pytest.raises(ValueError, match="tag"):
        parse_attestation(cbor2.dumps(statement))
    extensions = cbor2.dumps({"credProtect": pattern})
    with pytest.raises(ValueError, match="tag"):
        parse_data(bytes(32) + bytes([0x80 | 0x05]) + bytes(4) + extensions)
    key = cbor2.dumps({1: 2, 3: pattern})
    credential_id = bytes(32)
    attested = bytes(16) + len(credential_id).to_bytes(2, "big") + credential_id + key
    with pytest.raises(ValueError, match="tag"):
        parse_data(bytes(32) + bytes([0x40 | 0x05]) + bytes(4) + attested)
