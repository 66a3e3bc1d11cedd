"""Whatever a client sends as a passkey, it is verified or refused, and never an error."""

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from adapters.factors.webauthn_passkeys import WebauthnPasskeys
from adapters.uuid7 import uuid7
from domain.refusals import Refusal
from domain.user import User
from tests.support.authenticator import Json
from tests.support.forging import NOW
from tests.support.passkeys import NEW_KEYS, ORIGIN, RP_ID, authenticator

PASSKEYS = WebauthnPasskeys(rp_id=RP_ID, rp_name="Latchkey", origins=[ORIGIN])
USER = User.registered(id=uuid7(), email="alice@example.org", username=None, password_hash="x", now=NOW)
NONCE = bytes(range(32))
DEVICES = [authenticator(algorithm) for algorithm in NEW_KEYS]
CREATED = [device.creation(PASSKEYS.creation_options(USER, NONCE, exclude=[])) for device in DEVICES]
REGISTRATIONS = [created.json() for created in CREATED]
STORED = [PASSKEYS.verify_registration(one, NONCE) for one in REGISTRATIONS]
ASSERTIONS = [device.get(PASSKEYS.request_options(NONCE)) for device in DEVICES]

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=50)
VALUES = SCALARS | st.binary(max_size=200).map(bytes_to_base64url)
JSON = VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(st.text(max_size=12), VALUES, max_size=3)
EDITS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(min_size=1, max_size=12)), max_size=4)
"""Where in the bytes, how many to remove, and which to insert."""


def edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for at, removed, inserted in edits:
        at = min(at, len(data))
        data = data[:at] + inserted + data[at + removed :]
    return data


def register(credential: Any) -> None:
    with contextlib.suppress(Refusal):
        PASSKEYS.verify_registration(credential, NONCE)


def log_in(credential: Any, which: int) -> None:
    PASSKEYS.verify_assertion(credential, NONCE, STORED[which], user_id=USER.id)


def replaced(credential: Json, field: str, value: object) -> Json:
    changed = copy.deepcopy(credential)
    (changed if field in changed else changed["response"])[field] = value
    return changed


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(range(3)), st.sampled_from(["attestationObject", "clientDataJSON"]), st.binary(max_size=600))
def test_random_bytes_at_registration(which: int, field: str, data: bytes) -> None:
    with pytest.raises(Refusal):
        PASSKEYS.verify_registration(replaced(REGISTRATIONS[which], field, bytes_to_base64url(data)), NONCE)


@settings(deadline=None, max_examples=250)
@given(st.sampled_from(range(3)), st.sampled_from(["attestationObject", "clientDataJSON"]), EDITS)
def test_edited_bytes_at_registration(which: int, field: str, edits: list[tuple[int, int, bytes]]) -> None:
    old = base64url_to_bytes(REGISTRATIONS[which]["response"][field])
    register(replaced(REGISTRATIONS[which], field, bytes_to_base64url(edited(old, edits))))


@settings(deadline=None, max_examples=250)
@given(
    st.sampled_from(range(3)),
    st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "userHandle"]),
    EDITS,
)
def test_edited_bytes_at_login_are_refused(which: int, field: str, edits: list[tuple[int, int, bytes]]) -> None:
    old = base64url_to_bytes(ASSERTIONS[which]["response"][field])
    new = edited(old, edits)
    credential = replaced(ASSERTIONS[which], field, bytes_to_base64url(new))
    if new == old:
        log_in(credential, which)
    else:
        with pytest.raises(Refusal):
            log_in(credential, which)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from([*REGISTRATIONS[0], *REGISTRATIONS[0]["response"]]), JSON)
def test_any_json_in_any_field_at_registration(field: str, value: object) -> None:
    register(replaced(REGISTRATIONS[0], field, value))


@settings(deadline=None, max_examples=100)
@given(st.sampled_from([*ASSERTIONS[0], *ASSERTIONS[0]["response"]]), JSON)
def test_any_json_in_any_field_at_login(field: str, value: object) -> None:
    with contextlib.suppress(Refusal):
        log_in(replaced(ASSERTIONS[0], field, value), 0)


@settings(deadline=None)
@given(JSON)
@example({"id": "", "rawId": "", "type": "public-key", "response": {}})
def test_any_json_as_credential(value: object) -> None:
    credential: Any = value
    for verify in (lambda: PASSKEYS.verify_registration(credential, NONCE), lambda: log_in(credential, 0)):
        with pytest.raises(Refusal):
            verify()
