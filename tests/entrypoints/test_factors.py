"""Second factors over HTTP: enrolment, logins, recovery codes and removal."""

import re
from typing import Any

import jwt

from tests.support.service import PASSWORD, Client, Service, code, unique_email
from tests.support.totp_app import TotpApp

FACTOR = {"id", "kind", "name", "created_at", "last_used_at", "backed_up"}
RECOVERY_CODE = re.compile(r"[A-Z2-7]{4}(-[A-Z2-7]{4}){5}")


def claims(token: str) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return decoded


def required_factor(client: Client, email: str) -> dict[str, Any]:
    """The problem document that the right password gets."""
    answer = client.post("/v1/login", json={"login": email, "password": PASSWORD})
    assert (answer.status_code, code(answer)) == (401, "second_factor_required")
    document: dict[str, Any] = answer.json()
    return document


def log_in_with(client: Client, email: str, **factor: Any) -> Client:
    challenge = required_factor(client, email)["challenge"]
    answer = client.post("/v1/login/factor", json={"challenge": challenge, **factor})
    assert answer.status_code == 200, answer.text
    client.take(answer)
    client.email = email
    return client


def test_user_adds_an_authenticator_app_and_logs_in_with_it(service: Service) -> None:
    email = unique_email("totp")
    client = service.client()
    client.post("/v1/register", json={"email": email, "password": PASSWORD})
    client.log_in(email)
    assert code(client.post("/v1/factors/totp/options")) == "not_verified"
    client.post("/v1/verify", json={"token": service.token(email)})
    assert client.get("/v1/me").json()["factors"] == []
    assert client.get("/v1/factors").json() == {"items": [], "recovery_codes": None}

    options = client.post("/v1/factors/totp/options")
    assert (options.status_code, set(options.json())) == (200, {"challenge", "secret", "uri", "qr"})
    assert options.json()["uri"].startswith("otpauth://totp/")
    assert options.json()["qr"].startswith("<svg")
    assert client.get("/v1/factors").json()["items"] == []
    app, challenge = TotpApp(options.json()["secret"]), options.json()["challenge"]
    wrong = client.post("/v1/factors/totp", json={"challenge": challenge, "code": app.wrong_code()})
    assert (wrong.status_code, code(wrong)) == (401, "factor_invalid")
    body = {"challenge": challenge, "code": app.code(), "name": "My phone"}
    answer = client.post("/v1/factors/totp", json=body)
    assert answer.status_code == 201
    factor = answer.json()
    codes = factor.pop("recovery_codes")
    assert len(set(codes)) == 10
    assert all(RECOVERY_CODE.fullmatch(text) for text in codes)
    assert set(factor) == FACTOR
    assert (factor["kind"], factor["name"], factor["backed_up"]) == ("totp", "My phone", None)
    assert code(client.post("/v1/factors/totp", json=body)) == "step_up_required"

    listed = client.get("/v1/factors").json()
    assert listed["items"] == [factor]
    assert listed["recovery_codes"]["left"] == 10
    assert set(listed["recovery_codes"]) == {"left", "created_at"}
    assert client.get("/v1/me").json()["factors"] == ["totp"]
    assert not set(codes) & set(re.findall(RECOVERY_CODE, client.get("/v1/factors").text))

    other = service.client()
    document = required_factor(other, email)
    assert document["factors"] == ["totp", "recovery_code"]
    assert "passkey_options" not in document
    body = {"challenge": document["challenge"], "totp": app.code()}
    answer = other.post("/v1/login/factor", json=body)
    assert answer.status_code == 200
    assert set(answer.json()) == set(client.pair)
    other.take(answer)
    token = claims(other.pair["access_token"])
    assert (token["acr"], token["amr"]) == ("aal2", ["pwd", "otp", "mfa"])
    spent = {"challenge": document["challenge"], "recovery_code": codes[0]}
    assert code(other.post("/v1/login/factor", json=spent)) == "challenge_invalid"
    reused = {"challenge": required_factor(other, email)["challenge"], "totp": app.last_code()}
    assert code(other.post("/v1/login/factor", json=reused)) == "factor_invalid"
    assert client.get("/v1/factors").json()["items"][0]["last_used_at"] is not None
    enrolment = {"challenge": challenge, "code": app.last_code()}
    assert code(other.post("/v1/factors/totp", json=enrolment)) == "challenge_invalid"
