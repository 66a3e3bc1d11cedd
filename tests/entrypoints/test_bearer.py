"""The Authorization header: how an access token is sent, and the challenge of a refusal (RFC 6750)."""

import re

import httpx
import pytest

from domain.role import Role
from entrypoints.http.problem_types import CATALOGUE
from tests.support.forging import forged
from tests.support.service import Client, Service, code

ASKED = ("/v1/me", "/v1/forward-auth", "/v1/sessions", "/v1/me/events")
"""The first two are plain ASGI, the others ordinary handlers."""


def challenge(answer: httpx.Response) -> str:
    [header] = answer.headers.get_list("www-authenticate")
    return str(header)


def send_request(client: Client, path: str, *authorizations: str, **more: str) -> httpx.Response:
    headers = [("Authorization", value) for value in authorizations] + list(more.items())
    return client.get(path, headers=headers)


@pytest.fixture
def anonymous(service: Service) -> Client:
    return service.client()


@pytest.mark.parametrize("path", ASKED)
def test_bearer_takes_any_number_of_spaces_and_any_case(service: Service, anonymous: Client, path: str) -> None:
    token = service.member().pair["access_token"]
    for template in ("Bearer {}", "Bearer  {}", "bearer     {}", "BEARER {}", "bEaReR {}"):
        for more in ({}, {"Origin": "https://app.example.org"}):
            assert send_request(anonymous, path, template.format(token), **more).status_code == 200, template
    for template in ("Bearer{}", "Bearer\t{}", "Bearer {0} {0}", "Bearer, {}", "Bearer Bearer {}", "Bearer ={}"):
        assert send_request(anonymous, path, template.format(token)).status_code == 401, template


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("more", [{}, {"Origin": "https://app.example.org"}], ids=["plain", "browser"])
def test_refused_token_names_the_error_and_a_missing_one_does_not(
    service: Service, anonymous: Client, path: str, more: dict[str, str]
) -> None:
    for authorizations in ([], ["Basic eDp5"], ["Token x"], ["BearerX y"]):
        answer = send_request(anonymous, path, *authorizations, **more)
        assert (code(answer), challenge(answer)) == ("token_missing", "Bearer")
    client = service.member()
    token = client.pair["access_token"]
    client.post("/v1/logout")
    for authorizations, refused in (
        (["Bearer x"], "token_invalid"),
        (["Bearer"], "token_invalid"),
        (['Bearer "quoted\\"'], "token_invalid"),
        ([f"Bearer {token}", f"Bearer {token}"], "token_invalid"),
        ([f"Bearer {client.pair['refresh_token']}"], "token_invalid"),
        ([f"Bearer {forged()}"], "token_invalid"),
        ([f"Bearer {token}"], "token_revoked"),
    ):
        answer = send_request(anonymous, path, *authorizations, **more)
        assert (answer.status_code, code(answer)) == (401, refused)
        title = CATALOGUE[refused].title
        assert challenge(answer) == f'Bearer error="invalid_token", error_description="{title}"'


def test_missing_role_is_an_insufficient_scope_error(service: Service) -> None:
    member = service.member()
    for path in ("/v1/users", "/v1/forward-auth?role=moderator"):
        for more in ({}, {"Origin": "https://app.example.org"}):
            answer = member.get(path, headers=more)
            assert (answer.status_code, code(answer)) == (403, "role_required")
            title = CATALOGUE["role_required"].title
            assert challenge(answer) == f'Bearer error="insufficient_scope", error_description="{title}"'
    admin = service.client().log_in(service.user("admin", role=Role.ADMIN))
    other = service.client().log_in(service.user("admin", role=Role.ADMIN)).get("/v1/me").json()["id"]
    forbidden = admin.patch(f"/v1/users/{other}", json={"disabled": True})
    assert (forbidden.status_code, "www-authenticate" in forbidden.headers) == (403, False)


def test_wrong_tokens_in_a_body_get_no_bearer_error(service: Service) -> None:
    client = service.member()
    pair = dict(client.pair)
    client.renew()
    client.post("/v1/logout")
    for headers in ({}, {"Authorization": "Bearer x"}):
        for token, refused in (("x", "token_invalid"), (pair["refresh_token"], "session_ended")):
            answer = service.client().post("/v1/refresh", json={"refresh_token": token}, headers=headers)
            assert (code(answer), challenge(answer)) == (refused, "Bearer")
    wrong = {"login": client.email, "password": "not the password at all"}
    answer = service.client().post("/v1/login", json=wrong, headers={"Authorization": "Bearer x"})
    assert (code(answer), challenge(answer)) == ("invalid_credentials", "Bearer")
    # A wrong password with a valid token: the error is not of the token.
    answer = service.member().request("DELETE", "/v1/me", json={"password": "not the password at all"})
    assert (code(answer), challenge(answer)) == ("invalid_credentials", "Bearer")


def test_descriptions_fit_the_grammar_of_rfc_6750() -> None:
    for name, known in CATALOGUE.items():
        if known.status in {401, 403}:
            assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", known.title), name
