"""Second factors over HTTP: enrolment, logins, recovery codes and removal."""

import re
from typing import Any
from uuid import uuid4

import pytest

from domain.role import Role
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_users import (
    add_passkey,
    asked_for_factor,
    claims,
    log_in_with,
    log_in_with_passkey,
    successful,
)
from tests.support.in_process import inside
from tests.support.service import PASSWORD, Service, code, unique_email
from tests.support.sweeping import stored_rows
from tests.support.totp_app import TotpApp, add_totp

FACTOR = {"id", "kind", "name", "created_at", "last_used_at", "backed_up"}
RECOVERY_CODE = re.compile(r"[A-Z2-7]{24}")


def test_user_adds_an_authenticator_app_and_logs_in_with_it(service: Service) -> None:
    email = unique_email("totp")
    client = service.client()
    client.post("/v1/register", json={"email": email, "password": PASSWORD})
    client.log_in(email)
    for path in ("totp/options", "totp", "passkeys/options", "passkeys"):
        answer = client.post(f"/v1/factors/{path}")
        assert (answer.status_code, code(answer)) == (403, "not_verified")
    client.post("/v1/verify", json={"token": service.token(email)})
    assert client.get("/v1/me").json()["factors"] == []
    assert client.get("/v1/factors").json() == {"items": [], "recovery_codes": None}

    options = successful(client.post("/v1/factors/totp/options"))
    assert set(options) == {"challenge", "secret", "uri", "qr"}
    assert options["uri"].startswith("otpauth://totp/")
    assert options["qr"].startswith("<svg")
    assert client.get("/v1/factors").json()["items"] == []
    app, challenge = TotpApp(options["secret"]), options["challenge"]
    wrong = client.post("/v1/factors/totp", json={"challenge": challenge, "code": app.wrong_code()})
    assert (wrong.status_code, code(wrong)) == (401, "factor_invalid")
    body = {"challenge": challenge, "code": app.code(), "name": "My phone"}
    factor = successful(client.post("/v1/factors/totp", json=body), 201)
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
    assert not RECOVERY_CODE.search(client.get("/v1/factors").text)

    other = service.client()
    document = asked_for_factor(other, email)
    assert document["factors"] == ["totp", "recovery_code"]
    assert document["passkey_options"] is None
    answer = other.post("/v1/login/factor", json={"challenge": document["challenge"], "totp": app.code()})
    assert set(successful(answer)) == set(client.pair)
    other.take(answer)
    token = claims(other.pair["access_token"])
    assert (token["acr"], token["amr"]) == ("aal2", ["pwd", "otp", "mfa"])
    spent = {"challenge": document["challenge"], "recovery_code": codes[0]}
    assert code(other.post("/v1/login/factor", json=spent)) == "challenge_invalid"
    reused = {"challenge": asked_for_factor(other, email)["challenge"], "totp": app.last_code()}
    assert code(other.post("/v1/login/factor", json=reused)) == "factor_invalid"
    assert client.get("/v1/factors").json()["items"][0]["last_used_at"] is not None
    enrolment = {"challenge": challenge, "code": app.last_code()}
    assert code(other.post("/v1/factors/totp", json=enrolment)) == "challenge_invalid"


def test_user_adds_passkeys_and_logs_in_with_them(service: Service) -> None:
    client, device = service.member(), SoftwareAuthenticator(origin=service.url, synced=True)
    first = add_passkey(client, device, name="Laptop")
    codes = first.pop("recovery_codes")
    assert len(codes) == 10
    assert set(first) == FACTOR
    assert (first["kind"], first["name"], first["backed_up"]) == ("passkey", "Laptop", True)
    assert client.get("/v1/me").json()["factors"] == ["passkey"]
    assert code(client.post("/v1/factors/passkeys/options")) == "step_up_required"

    other = log_in_with_passkey(service.client(), device)
    token = claims(other.pair["access_token"])
    assert (token["acr"], token["amr"]) == ("phr", ["pop", "user", "mfa"])
    document = asked_for_factor(service.client(), client.email)
    assert document["factors"] == ["passkey", "recovery_code"]
    assert len(document["passkey_options"]["allowCredentials"]) == 1
    assertion = device.get(document["passkey_options"])
    third = service.client()
    third.take(third.post("/v1/login/factor", json={"challenge": document["challenge"], "passkey": assertion}))
    assert claims(third.pair["access_token"])["amr"] == ["pwd", "pop", "user", "mfa"]

    key = SoftwareAuthenticator(origin=service.url)
    second = add_passkey(other, key)
    assert "recovery_codes" not in second
    assert second["backed_up"] is False
    options = successful(other.post("/v1/factors/passkeys/options"))["options"]
    assert len(options["excludeCredentials"]) == 2
    renamed = other.patch(f"/v1/factors/{second['id']}", json={"name": "  Security key "})
    assert successful(renamed)["name"] == "Security key"
    assert code(other.patch(f"/v1/factors/{second['id']}", json={"name": " "})) == "malformed"
    assert [one["name"] for one in other.get("/v1/factors").json()["items"]] == ["Laptop", "Security key"]

    stranger = service.member()
    for method, body in (("PATCH", {"name": "mine"}), ("DELETE", None)):
        answer = stranger.request(method, f"/v1/factors/{second['id']}", json=body)
        assert (answer.status_code, code(answer)) == (404, "not_found")


def test_removal_of_a_factor_ends_other_sessions(service: Service) -> None:
    client, device = service.member(), SoftwareAuthenticator(origin=service.url)
    factor = add_passkey(client, device)
    other = log_in_with_passkey(service.client(), device)
    assert code(client.delete(f"/v1/factors/{factor['id']}")) == "step_up_required"
    answer = other.delete(f"/v1/factors/{factor['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert code(client.get("/v1/me")) == "token_revoked"
    assert code(client.renew()) == "session_ended"
    assert other.get("/v1/me").json()["factors"] == []
    assert other.get("/v1/factors").json() == {"items": [], "recovery_codes": None}
    assert code(other.delete(f"/v1/factors/{factor['id']}")) == "not_found"
    assert code(other.post("/v1/factors/recovery-codes")) == "not_found"
    client.log_in(client.email)
    options = successful(client.post("/v1/login/passkey/options"))
    body = {"challenge": options["challenge"], "credential": device.get(options["options"])}
    assert code(client.post("/v1/login/passkey", json=body)) == "factor_invalid"


def test_recovery_code_works_once_and_until_replaced(service: Service) -> None:
    client = service.member()
    _, enrolled = add_totp(client)
    first, second, third = enrolled["recovery_codes"][:3]
    other = log_in_with(service.client(), client.email, recovery_code=first.replace("-", " ").lower())
    token = claims(other.pair["access_token"])
    assert (token["acr"], token["amr"]) == ("aal2", ["pwd", "recovery_code", "mfa"])
    assert other.get("/v1/factors").json()["recovery_codes"]["left"] == 9
    challenge = asked_for_factor(other, client.email)["challenge"]
    for wrong in (first, "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA", "", "x" * 5000):
        answer = other.post("/v1/login/factor", json={"challenge": challenge, "recovery_code": wrong})
        assert (answer.status_code, code(answer)) == (401, "factor_invalid")
    log_in_with(service.client(), client.email, recovery_code=second)
    codes = successful(other.post("/v1/factors/recovery-codes"), 201)
    assert set(codes) == {"codes"}
    assert len(codes["codes"]) == 10
    assert other.get("/v1/factors").json()["recovery_codes"]["left"] == 10
    challenge = asked_for_factor(other, client.email)["challenge"]
    answer = other.post("/v1/login/factor", json={"challenge": challenge, "recovery_code": third})
    assert code(answer) == "factor_invalid"
    log_in_with(service.client(), client.email, recovery_code=codes["codes"][0])


def test_second_totp_replaces_the_first(service: Service) -> None:
    client = service.member()
    app, first = add_totp(client)
    again, second = add_totp(log_in_with(service.client(), client.email, totp=app.code()))
    assert "recovery_codes" not in second
    challenge = asked_for_factor(client, client.email)["challenge"]
    answer = client.post("/v1/login/factor", json={"challenge": challenge, "totp": app.code()})
    assert code(answer) == "factor_invalid"
    client = log_in_with(service.client(), client.email, totp=again.code())
    assert [one["id"] for one in client.get("/v1/factors").json()["items"]] == [second["id"]]
    assert first["id"] != second["id"]


# -- refusals ------------------------------------------------------------------------------------------


def test_login_with_a_factor_takes_exactly_one(service: Service) -> None:
    client = service.member()
    app, _ = add_totp(client)
    challenge = asked_for_factor(client, client.email)["challenge"]
    for factors in ({}, {"totp": "000000", "recovery_code": "x"}, {"totp": "000000", "passkey": {}}):
        answer = client.post("/v1/login/factor", json={"challenge": challenge, **factors})
        assert (answer.status_code, code(answer)) == (400, "malformed")
    log_in_with(service.client(), client.email, totp=app.code())


@pytest.mark.anyio
async def test_challenge_takes_five_attempts(service: Service) -> None:
    member = service.member()
    _, enrolled = add_totp(member)
    challenge = asked_for_factor(member, member.email)["challenge"]
    async with inside(service, LATCHKEY_RATE_LIMITS="on") as client:
        for number in range(5):
            body = {"challenge": challenge, "passkey": {"rawId": f"{number}"}}
            assert code(await client.post("/v1/login/factor", json=body)) == "factor_invalid"
        body = {"challenge": challenge, "recovery_code": enrolled["recovery_codes"][0]}
        assert code(await client.post("/v1/login/factor", json=body)) == "challenge_invalid"


@pytest.mark.anyio
async def test_wrong_codes_of_an_account_are_limited(service: Service) -> None:
    member = service.member()
    app, _ = add_totp(member)
    async with inside(service, LATCHKEY_RATE_LIMITS="on") as client:
        for number in range(6):
            challenge = asked_for_factor(member, member.email)["challenge"]
            answer = await client.post("/v1/login/factor", json={"challenge": challenge, "totp": app.wrong_code()})
            assert code(answer) == ("factor_invalid" if number < 5 else "rate_limited")


def test_challenge_of_another_purpose_or_user_is_invalid(service: Service) -> None:
    client, stranger = service.member(), service.member()
    enrolment = successful(client.post("/v1/factors/totp/options"))
    app = TotpApp(enrolment["secret"])
    body = {"challenge": enrolment["challenge"], "code": app.code()}
    assert code(stranger.post("/v1/factors/totp", json=body)) == "challenge_invalid"
    successful(client.post("/v1/factors/totp", json=body), 201)
    login = asked_for_factor(client, client.email)["challenge"]
    passkey = successful(client.post("/v1/login/passkey/options"))["challenge"]
    totp = app.code()
    for challenge in (enrolment["challenge"], passkey, login[:-1], login + "x", "", "x"):
        answer = client.post("/v1/login/factor", json={"challenge": challenge, "totp": totp})
        assert (answer.status_code, code(answer)) == (400, "challenge_invalid")
    assert code(client.post("/v1/login/passkey", json={"challenge": login, "credential": {}})) == "challenge_invalid"


def test_passkey_login_options_are_the_same_for_everybody(service: Service) -> None:
    member = service.member()
    add_passkey(member, SoftwareAuthenticator(origin=service.url))
    before = stored_rows(service)
    answers = [successful(client.post("/v1/login/passkey/options")) for client in (member, service.client())]
    for answer in answers:
        assert set(answer) == {"challenge", "options"}
        assert answer["options"].pop("challenge")
        assert answer["options"]["allowCredentials"] == []
        assert answer["options"]["userVerification"] == "required"
    assert answers[0]["options"] == answers[1]["options"]
    assert answers[0]["challenge"] != answers[1]["challenge"]
    assert stored_rows(service) == before


def test_unsuitable_passkey_names_the_reason(service: Service) -> None:
    client, device = service.member(), SoftwareAuthenticator(origin=service.url)
    options = successful(client.post("/v1/factors/passkeys/options"))
    creation = device.creation(options["options"])
    creation.extension_results = {"credProps": {"rk": False}}
    body = {"challenge": options["challenge"], "credential": creation.json()}
    answer = client.post("/v1/factors/passkeys", json=body)
    assert (answer.status_code, code(answer)) == (422, "passkey_unsuitable")
    assert answer.json()["reason"] == "not_discoverable"
    [error] = answer.json()["errors"]
    assert (error["field"], error["code"]) == ("credential", "not_discoverable")


def test_passkey_of_another_user_exists_already(service: Service) -> None:
    device = SoftwareAuthenticator(origin=service.url)
    add_passkey(service.member(), device)
    client = service.member()
    options = successful(client.post("/v1/factors/passkeys/options"))
    creation = device.creation(options["options"])
    creation.data.credential_id = device.passkeys[0].id
    body = {"challenge": options["challenge"], "credential": creation.json()}
    answer = client.post("/v1/factors/passkeys", json=body)
    assert (answer.status_code, code(answer)) == (409, "factor_exists")


DEEP = '{"rawId": "AA", "response": ' + 9_000 * "[" + 9_000 * "]" + "}"
CREDENTIALS = [
    *("{}", '{"rawId": null}', '{"rawId": []}', '{"rawId": 1e308, "response": 5}', '{"rawId": "AA", "response": {}}'),
    *('{"rawId": "\\u00e9"}', '{"rawId": "AA", "response": {"clientDataJSON": "bnVsbA"}}', DEEP),
    *('{"rawId": "a\\u0000"}', '{"rawId": "a", "a": ["\\u0000"]}', '{"a\\u0000": 1}', '{"a": {"b": 1, "b": 2}}'),
    *('{"rawId": "\\ud800"}', '{"rawId": NaN}', '{"rawId": "' + 20_000 * "A" + '"}'),
]


@pytest.mark.parametrize("credential", CREDENTIALS, ids=range(len(CREDENTIALS)))
def test_invalid_credential_is_refused(service: Service, credential: str) -> None:
    client = service.client()
    options = successful(client.post("/v1/login/passkey/options"))
    body = f'{{"challenge": "{options["challenge"]}", "credential": {credential}}}'
    answer = client.post("/v1/login/passkey", content=body, headers={"Content-Type": "application/json"})
    unreadable = credential is DEEP or re.search(r"u0000|ud800|NaN|\"b\": 2", credential)
    assert code(answer) == ("malformed" if unreadable else "factor_invalid"), answer.text


# -- moderators and admins -----------------------------------------------------------------------------


def test_admin_removes_the_factors_of_a_user(service: Service) -> None:
    admin, member = service.admin(), service.member()
    add_totp(member)
    path = f"/v1/users/{member.get('/v1/me').json()['id']}/factors"
    moderator = service.client().log_in(service.user("moderator", role=Role.MODERATOR))
    assert admin.get("/v1/users", params={"query": member.email}).json()["items"][0]["factors"] == ["totp"]
    assert moderator.get(path.removesuffix("/factors")).json()["factors"] == ["totp"]
    assert code(moderator.delete(path)) == "role_required"
    assert code(member.delete(path)) == "role_required"
    mails = len(service.mails(member.email))
    answer = admin.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert code(member.get("/v1/me")) == "token_revoked"
    service.mail(member.email, mails + 1)
    member.log_in(member.email)
    assert member.get("/v1/me").json()["factors"] == []
    assert code(admin.delete(f"/v1/users/{uuid4()}/factors")) == "not_found"
    add_totp(admin)
    other = service.admin().get("/v1/me").json()["id"]
    answer = admin.delete(f"/v1/users/{other}/factors")
    assert (answer.status_code, code(answer)) == (401, "step_up_required")


def test_admin_cannot_remove_the_factors_of_another_admin(service: Service) -> None:
    other = service.admin().get("/v1/me").json()["id"]
    assert code(service.admin().delete(f"/v1/users/{other}/factors")) == "forbidden"


# -- settings ------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_related_origins_are_served_if_they_are_set(service: Service) -> None:
    origins = ["https://app.example.com", "https://example.net"]
    async with inside(service, LATCHKEY_PASSKEY_ORIGINS=", ".join(origins)) as client:
        answer = await client.get("/.well-known/webauthn")
        assert (answer.status_code, answer.json()) == (200, {"origins": origins})
        assert answer.headers["content-type"] == "application/json"
    assert code(service.client().get("/.well-known/webauthn")) == "not_found"


OPEN = [("GET", "/v1/me"), ("GET", "/v1/factors"), ("POST", "/v1/step-up/options")]
CLOSED = [
    *(("GET", "/v1/me/events"), ("GET", "/v1/sessions"), ("GET", "/v1/forward-auth"), ("GET", "/v1/me/export")),
    *(("PATCH", "/v1/me"), ("POST", "/v1/password/change"), ("POST", "/v1/email/change"), ("DELETE", "/v1/me")),
    *(("POST", "/v1/logout/all"), ("DELETE", f"/v1/sessions/{uuid4()}"), ("GET", "/v1/users")),
]


@pytest.mark.anyio
async def test_user_who_must_have_a_factor_can_only_add_one(service: Service) -> None:
    moderator = service.client().log_in(service.user("moderator", role=Role.MODERATOR))
    member: dict[str, Any] = dict(service.member().headers)
    program = service.program()
    headers = {"Authorization": moderator.headers["Authorization"]}
    token = {"token": moderator.pair["access_token"]}
    async with inside(service, LATCHKEY_REQUIRE_FACTOR="moderator") as client:
        for method, path in CLOSED:
            answer = await client.request(method, path, headers=headers)
            assert (answer.status_code, code(answer)) == (403, "factor_required"), path
        assert (await client.post("/v1/introspect", data=token, auth=program)).json() == {"active": False}
        answer = await client.get("/v1/forward-auth", headers={"Authorization": member["authorization"]})
        assert answer.status_code == 200
        for method, path in OPEN:
            assert (await client.request(method, path, headers=headers)).status_code == 200, path
        options = (await client.post("/v1/factors/totp/options", headers=headers)).json()
        body = {"challenge": options["challenge"], "code": TotpApp(options["secret"]).code()}
        assert (await client.post("/v1/factors/totp", json=body, headers=headers)).status_code == 201
        for method, path in CLOSED[:4]:
            assert (await client.request(method, path, headers=headers)).status_code == 200, path
        assert (await client.post("/v1/introspect", data=token, auth=program)).json()["active"] is True
        assert (await client.post("/v1/logout", headers=headers)).status_code == 204
