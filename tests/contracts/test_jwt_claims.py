"""Claims of an access token: only these are accepted, even if signed by our key (RFC 7519, RFC 9068 section 4)."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from domain.authentication import Authentication, AuthenticationMethod
from domain.refusals import ErrorCode
from domain.role import Role
from domain.session import ENDED
from domain.tokens import AccessToken
from tests.support.forging import AT, CLAIMS, HEADER, ISSUER, NOW, SID, claiming, code, codec, forged

UNVERIFIED: Any = {"verify_signature": False}
UNKNOWN = {"acr": "aal1", "amr": ["pwd"], "auth_time": 0}
"""Of a token of the previous release, which has no claims about the authentication."""
AUTHENTICATED = {"acr": "aal2", "amr": ["pwd", "otp", "mfa"], "auth_time": AT - 60}


def test_access_token_has_exactly_these_claims() -> None:
    token = codec().decode(forged())
    sub, sid = UUID(CLAIMS["sub"]), UUID(SID)
    end = NOW + timedelta(minutes=10)
    assert token == AccessToken(
        user_id=sub, session_id=sid, generation=7, role=Role.MODERATOR, verified=True, issued_at=NOW, expires_at=end
    )
    assert jwt.get_unverified_header(codec().encode(token)) == HEADER
    assert jwt.decode(codec().encode(token), options=UNVERIFIED) == {**CLAIMS, **UNKNOWN}
    assert codec().decode(codec().encode(replace(token, issued_at=NOW + timedelta(microseconds=999_999)))) == token


def test_access_token_carries_the_authentication() -> None:
    token = codec().decode(forged({**CLAIMS, **AUTHENTICATED}))
    assert token.authentication == Authentication(
        methods=(
            AuthenticationMethod.PASSWORD,
            AuthenticationMethod.ONE_TIME_PASSWORD,
            AuthenticationMethod.MULTIPLE_FACTORS,
        ),
        at=NOW - timedelta(minutes=1),
    )
    assert jwt.decode(codec().encode(token), options=UNVERIFIED) == {**CLAIMS, **AUTHENTICATED}


@pytest.mark.parametrize("name", AUTHENTICATED)
def test_claims_of_the_authentication_come_together_and_agree(name: str) -> None:
    for names in ({name}, set(AUTHENTICATED) - {name}):
        some = {key: AUTHENTICATED[key] for key in names}
        assert code(forged({**CLAIMS, **some})) is ErrorCode.TOKEN_INVALID
    wrong: dict[str, list[Any]] = {
        "acr": ["aal1", "phr", "AAL2", "", None, 2, ["aal2"]],
        "amr": [[], ["pwd"], ["pwd", "otp", "mfa", "pop"], ["sms"], "pwd", None, {"pwd": 1}, [["pwd"]]],
        "auth_time": [None, "0", 1.0, True, [AT], 10**30],
    }
    for value in wrong[name]:
        assert claiming(**{**AUTHENTICATED, name: value}) is ErrorCode.TOKEN_INVALID, value


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_is_required_and_has_its_type(name: str) -> None:
    assert code(forged({key: value for key, value in CLAIMS.items() if key != name})) is ErrorCode.TOKEN_INVALID
    value = CLAIMS[name]
    for wrong in (
        None,
        True,
        False,
        0,
        1,
        -1,
        1.0,
        float(AT),
        10**30,
        "",
        str(value),
        [value],
        {"": value},
        [],
        "NaN",
    ):
        if type(wrong) is not type(value) or wrong != value:
            allowed = (name == "verified" and wrong is False) or (name == "aud" and wrong == [value])
            assert claiming(**{name: wrong}) is (None if allowed else ErrorCode.TOKEN_INVALID), wrong
    if isinstance(value, int) and not isinstance(value, bool):
        for raw in (f"{value}.0", f"{value}e0", "NaN", "Infinity", "9" * 5000, f'"{value}"'):
            text = json.dumps(CLAIMS).replace(f'"{name}": {value}', f'"{name}": {raw}')
            assert code(forged(text.encode())) is ErrorCode.TOKEN_INVALID


@pytest.mark.parametrize("name", ["iss", "aud", "client_id", "sub", "sid", "jti", "role"])
def test_string_claims_must_match_exactly(name: str) -> None:
    right = CLAIMS[name]
    for wrong in (
        right[:-1],
        right + "x",
        right + " ",
        right.upper(),
        "x" + right,
        right + "\0",
        right.replace("-", ""),
    ):
        if wrong != right:
            assert claiming(**{name: wrong}) is ErrorCode.TOKEN_INVALID
    for several in ([right, "evil"], ["evil", right], [right, right]):
        assert claiming(**{name: several}) is (None if name == "aud" else ErrorCode.TOKEN_INVALID)


@pytest.mark.parametrize("aud", [[], ["evil"], [CLAIMS["aud"] + "/"], [CLAIMS["aud"], None], [[CLAIMS["aud"]]], {}])
def test_an_audience_without_the_issuer_or_with_other_values_is_refused(aud: object) -> None:
    assert claiming(aud=aud) is ErrorCode.TOKEN_INVALID


def test_audience_lists_the_issuer_and_configured_names() -> None:
    token = codec().decode(forged())

    def aud(*names: str) -> object:
        made = codec(audience=names)
        audience = jwt.decode(made.encode(token), options=UNVERIFIED)["aud"]
        assert made.claims(token)["aud"] == audience
        # Processes with other settings accept it, while they are restarted one by one.
        assert [it.decode(made.encode(token)) for it in (made, codec(), codec(audience=("z",)))] == [token] * 3
        return audience

    assert aud() == aud(ISSUER) == ISSUER
    assert aud("notes") == [ISSUER, "notes"]
    assert aud("notes", ISSUER, "https://api.example.org", "notes") == [ISSUER, "notes", "https://api.example.org"]


def test_time_claims_are_checked_to_the_second() -> None:
    assert claiming(exp=AT + 1) is None
    assert claiming(iat=AT - 600, exp=AT) is claiming(iat=AT - 600, exp=AT - 1) is ErrorCode.TOKEN_EXPIRED
    assert code(forged({**CLAIMS, "exp": AT + 1}), now=NOW + timedelta(microseconds=999_999)) is None
    assert code(forged({**CLAIMS, "exp": AT + 1}), now=NOW + timedelta(seconds=1)) is ErrorCode.TOKEN_EXPIRED
    assert claiming(iat=AT + 30) is None
    assert claiming(iat=AT + 31) is ErrorCode.TOKEN_INVALID
    assert claiming(exp=AT + 3600) is None
    assert claiming(exp=AT + 3601) is claiming(iat=AT, exp=AT) is claiming(iat=-(10**12)) is ErrorCode.TOKEN_INVALID
    assert code(forged({**CLAIMS, "iss": "x"}), now=NOW + timedelta(days=1)) is ErrorCode.TOKEN_INVALID
    assert claiming(nbf=AT + 60) is claiming(nbf="x") is ErrorCode.TOKEN_INVALID


def test_generation_must_be_valid() -> None:
    for gen, expected in (
        (1, None),
        (ENDED - 1, None),
        (ENDED, ErrorCode.TOKEN_INVALID),
        (0, ErrorCode.TOKEN_INVALID),
    ):
        assert claiming(gen=gen, jti=f"{SID}.{gen}") is expected
    assert claiming(gen=8) is claiming(gen=True, jti=f"{SID}.True") is ErrorCode.TOKEN_INVALID


def test_claims_must_be_one_json_object() -> None:
    text = json.dumps(CLAIMS)
    twice = [text[:-1] + f', "{name}": {json.dumps(value)}}}' for name, value in CLAIMS.items()]
    nested = ["[" * 700 + "]" * 700, f"[{text}]", "null", "7", '""', "", text + text, text[:-1], "\ufeff" + text]
    for raw in [*(t.encode() for t in twice + nested), text.encode("utf-16"), text.encode()[:-1] + b"\xff}"]:
        assert code(forged(raw)) is ErrorCode.TOKEN_INVALID
    assert claiming(more=["a", {"b": 1}]) is None
    assert claiming(more="x" * 8192) is ErrorCode.TOKEN_INVALID
