"""Step-up authentication (RFC 9470): which calls require a recent authentication, and how the caller gets it."""

from typing import Any
from uuid import uuid4

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from entrypoints.http.guard import Fresh, policy_of
from entrypoints.http.identify import Credential
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_users import (
    add_passkey,
    claims,
    codec_of,
    log_in_with,
    log_in_with_passkey,
    step_up,
    successful,
    token_of,
)
from tests.support.service import PASSWORD, Service, code
from tests.support.totp_app import add_totp

TTL = 300
INSUFFICIENT = 'Bearer error="insufficient_user_authentication", acr_values="aal2", max_age="300"'

ALWAYS = {
    *("POST /v1/factors/passkeys/options", "POST /v1/factors/passkeys"),
    *("POST /v1/factors/totp/options", "POST /v1/factors/totp"),
    *("DELETE /v1/factors/{factor_id}", "POST /v1/factors/recovery-codes"),
    "DELETE /v1/users/{user_id}/factors",
}
WITH_FACTOR = {
    *("POST /v1/email/change", "POST /v1/password/change", "DELETE /v1/me"),
    *("PATCH /v1/users/{user_id}", "DELETE /v1/users/{user_id}"),
}


# -- every route ---------------------------------------------------------------------------------------


def test_every_route_requires_the_declared_freshness(service: Service, application: Litestar) -> None:
    """Walks the API with tokens of an account without a factor and one with a factor, fresh and stale."""
    routes = {
        f"{method} {route.path_format}": policy
        for route in application.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if (policy := policy_of(handler)) is not None and policy.caller
        if policy.credential is not Credential.COOKIE
        for method in handler.http_methods
    }
    assert {name for name, policy in routes.items() if policy.fresh is Fresh.ALWAYS} == ALWAYS
    assert {name for name, policy in routes.items() if policy.fresh is Fresh.WITH_FACTOR} == WITH_FACTOR
    codec, plain, strong = codec_of(service), service.admin(), service.admin()
    add_totp(strong)
    requests = {
        "plain": token_of(codec, plain, age=0),
        "plain, stale": token_of(codec, plain, age=TTL + 60),
        "strong, weakly": token_of(codec, strong, age=0),
        "strong": token_of(codec, strong, age=0, factor="totp"),
        "strong, stale": token_of(codec, strong, age=TTL + 60, factor="totp"),
        "strong, by a recovery code": token_of(codec, strong, age=0, factor="recovery_code"),
    }
    anonymous = service.client()
    for name in sorted(set(routes) - {"POST /v1/logout", "POST /v1/logout/all"}):
        method, path = name.split(" ")
        path = path.format(user_id=uuid4(), session_id=uuid4(), factor_id=uuid4(), invitation_id=uuid4())
        refused = set()
        for kind, headers in requests.items():
            answer = anonymous.request(method, path, headers=headers)
            if answer.status_code >= 400 and code(answer) == "step_up_required":
                assert answer.status_code == 401
                assert answer.json()["max_age"] == TTL
                assert answer.json()["acr_values"] == ("aal1" if kind.startswith("plain") else "aal2")
                refused.add(kind)
        expected = {"strong, weakly", "strong, stale"} if name in ALWAYS | WITH_FACTOR else set()
        assert refused == expected | ({"plain, stale"} if name in ALWAYS else set()), name


def test_account_without_a_factor_is_never_asked_again(service: Service) -> None:
    client = service.member()
    headers = token_of(codec_of(service), client, age=3600)
    body = {"current_password": PASSWORD, "new_password": "a longer walk to the lighthouse"}
    client.take(client.post("/v1/password/change", json=body, headers=headers))
    headers = token_of(codec_of(service), client, age=3600)
    body = {"new_email": f"new.{client.email}", "password": body["new_password"]}
    assert client.post("/v1/email/change", json=body, headers=headers).status_code == 202
    assert client.request("DELETE", "/v1/me", json={"password": body["password"]}, headers=headers).status_code == 204


def test_account_with_a_factor_confirms_with_it(service: Service) -> None:
    client = service.member()
    app, _ = add_totp(client)
    body = {"current_password": PASSWORD, "new_password": "a longer walk to the lighthouse"}
    answer = client.post("/v1/password/change", json=body)
    assert (answer.status_code, code(answer)) == (401, "step_up_required")
    assert answer.headers.get_list("www-authenticate") == [INSUFFICIENT]
    assert (answer.json()["acr_values"], answer.json()["max_age"]) == ("aal2", 300)
    weak = step_up(client, password=PASSWORD)
    assert code(client.post("/v1/password/change", json=body, headers=weak)) == "step_up_required"
    strong = step_up(client, totp=app.code())
    pair = successful(client.post("/v1/password/change", json=body, headers=strong))
    assert claims(pair["access_token"])["acr"] == "aal1"  # as the session before


# -- the step-up ---------------------------------------------------------------------------------------


def test_step_up_by_password(service: Service) -> None:
    client = service.member()
    stale = token_of(codec_of(service), client, age=3600)
    assert code(client.post("/v1/factors/totp/options", headers=stale)) == "step_up_required"
    wrong = client.post("/v1/step-up", json={"password": "another passphrase"}, headers=stale)
    assert (wrong.status_code, code(wrong)) == (401, "invalid_credentials")
    answer = successful(client.post("/v1/step-up", json={"password": PASSWORD}, headers=stale))
    assert set(answer) == {"access_token", "token_type", "expires_in", "acr", "auth_time"}
    assert (answer["token_type"], answer["acr"]) == ("Bearer", "aal1")
    assert 0 < answer["expires_in"] <= TTL
    token, before = claims(answer["access_token"]), claims(client.pair["access_token"])
    assert (token["sid"], token["auth_time"], token["acr"]) == (before["sid"], answer["auth_time"], "aal1")
    assert token["exp"] - token["auth_time"] <= TTL
    assert token["jti"] != before["jti"]
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    successful(client.post("/v1/factors/totp/options", headers=headers))
    assert code(client.post("/v1/refresh", json={"refresh_token": answer["access_token"]})) == "token_invalid"
    client.post("/v1/logout")
    assert code(client.get("/v1/me", headers=headers)) == "token_revoked"


def test_step_up_by_each_factor(service: Service) -> None:
    client, device = service.member(), SoftwareAuthenticator(origin=service.url)
    app, enrolled = add_totp(client)
    headers = step_up(client, totp=app.code())
    client.headers["Authorization"], before = headers["Authorization"], client.headers["Authorization"]
    add_passkey(client, device)
    client.headers["Authorization"] = before
    options = successful(client.post("/v1/step-up/options"))
    assert set(options) == {"challenge", "options", "factors"}
    assert options["factors"] == ["passkey", "totp", "recovery_code"]
    assert len(options["options"]["allowCredentials"]) == 1

    by_totp = step_up(client, totp=app.code())
    assert code(client.post("/v1/factors/recovery-codes", headers=by_totp)) == "step_up_required"
    by_code = step_up(client, recovery_code=enrolled["recovery_codes"][0])
    body = {"passkey": device.get(options["options"]), "challenge": options["challenge"]}
    by_passkey = step_up(client, **body)
    assert code(client.post("/v1/step-up", json=body)) == "challenge_invalid"
    for headers in (by_code, by_passkey):
        assert client.post("/v1/factors/recovery-codes", headers=headers).status_code == 201
    levels = [claims(headers["Authorization"].split()[1]) for headers in (by_totp, by_code, by_passkey)]
    assert [(token["acr"], token["amr"]) for token in levels] == [
        ("aal2", ["pwd", "otp", "mfa"]),
        ("aal2", ["pwd", "recovery_code", "mfa"]),
        ("phr", ["pwd", "pop", "user", "mfa"]),
    ]


def test_step_up_takes_exactly_one_factor(service: Service) -> None:
    client = service.member()
    bodies: list[dict[str, Any]] = [{}, {"passkey": {}}, {"challenge": "x"}]
    for body in [*bodies, {"password": PASSWORD, "totp": "000000"}]:
        answer = client.post("/v1/step-up", json=body)
        assert (answer.status_code, code(answer)) == (400, "malformed")
    for factor in ({"totp": "000000"}, {"recovery_code": "x"}):
        answer = client.post("/v1/step-up", json=factor)
        assert (answer.status_code, code(answer)) == (401, "factor_invalid")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_factor_of_another_user_is_no_step_up(service: Service) -> None:
    client, owner, device = service.member(), service.member(), SoftwareAuthenticator(origin=service.url)
    add_passkey(owner, device)
    options = successful(client.post("/v1/step-up/options"))
    assert (options["factors"], options["options"]["allowCredentials"]) == ([], [])
    body = {"passkey": device.get(options["options"]), "challenge": options["challenge"]}
    assert code(client.post("/v1/step-up", json=body)) == "factor_invalid"
    options = successful(owner.post("/v1/step-up/options"))
    body = {"passkey": device.get(options["options"]), "challenge": options["challenge"]}
    assert code(client.post("/v1/step-up", json=body)) == "challenge_invalid"


def test_elevation_does_not_survive_a_refresh(service: Service) -> None:
    client = service.member()
    app, _ = add_totp(client)
    before = claims(client.pair["access_token"])
    strong = step_up(client, totp=app.code())
    client.take(client.renew())
    after = claims(client.pair["access_token"])
    assert [after[name] for name in ("acr", "amr", "auth_time")] == [
        before[name] for name in ("acr", "amr", "auth_time")
    ]
    assert code(client.post("/v1/factors/recovery-codes")) == "step_up_required"
    assert client.post("/v1/factors/recovery-codes", headers=strong).status_code == 201


def test_refresh_keeps_the_level_and_time_of_the_login(service: Service) -> None:
    client = service.member()
    app, _ = add_totp(client)
    other = log_in_with(service.client(), client.email, totp=app.code())
    before = claims(other.pair["access_token"])
    other.take(other.renew())
    after = claims(other.pair["access_token"])
    assert (after["acr"], after["amr"]) == ("aal2", ["pwd", "otp", "mfa"])
    assert after["auth_time"] == before["auth_time"]


# -- other services ------------------------------------------------------------------------------------


def test_forward_auth_requires_level_and_age(service: Service) -> None:
    client, path = service.member(), "/v1/forward-auth"
    add_totp(client)
    codec = codec_of(service)
    password, totp = (token_of(codec, client, age=100, factor=factor) for factor in (None, "totp"))
    accepted = {"acr=aal1", "max_age=300", "acr=aal1&max_age=300&role=member", "max_age=999999999"}
    for query in sorted(accepted):
        assert client.get(f"{path}?{query}", headers=password).status_code == 200, query
    answer = client.get(f"{path}?acr=aal2&max_age=300", headers=totp)
    assert (answer.status_code, answer.headers["x-auth-acr"]) == (200, "aal2")
    assert answer.headers["x-auth-time"] == str(claims(totp["Authorization"].split()[1])["auth_time"])
    for query, headers, required in (
        ("acr=aal2&max_age=300", password, 'acr_values="aal2", max_age="300"'),
        ("acr=phr", totp, 'acr_values="phr"'),
        ("max_age=60", totp, 'max_age="60"'),
        ("max_age=0", totp, 'max_age="0"'),
        ("acr=aal1&max_age=99", password, 'acr_values="aal1", max_age="99"'),
    ):
        answer = client.get(f"{path}?{query}", headers=headers)
        assert (answer.status_code, code(answer)) == (401, "step_up_required"), query
        challenge = f'Bearer error="insufficient_user_authentication", {required}'
        assert answer.headers.get_list("www-authenticate") == [challenge]
        assert not [name for name in answer.headers if name.startswith("x-auth-")]
    assert code(client.get(f"{path}?acr=aal2&role=admin", headers=password)) == "role_required"


@pytest.mark.parametrize(
    "query",
    [
        *("acr=", "acr=aal3", "acr=AAL2", "acr=aal1,aal2", "acr=null", "acr=aal2&acr=aal2", "ACR=aal2"),
        *("max_age=", "max_age=-1", "max_age=1.5", "max_age=x", "max_age=null", "max_age=%D9%A3", "max_age=1_0"),
        *("max_age=1e3", "max_age=%2B1", "max_age=9999999999", "max_age=1&max_age=1", "max-age=1"),
    ],
)
def test_invalid_level_or_age_is_malformed(service: Service, query: str) -> None:
    assert code(service.member().get(f"/v1/forward-auth?{query}")) == "malformed"


def test_introspection_shows_level_methods_and_time(service: Service) -> None:
    device, client = SoftwareAuthenticator(origin=service.url), service.member()
    add_passkey(client, device)
    log_in_with_passkey(client, device)
    token = client.pair["access_token"]
    answer = client.post("/v1/introspect", data={"token": token}, auth=service.program()).json()
    assert (answer["acr"], answer["amr"]) == ("phr", ["pop", "user", "mfa"])
    assert answer["auth_time"] == claims(token)["auth_time"]
    assert type(answer["auth_time"]) is int
