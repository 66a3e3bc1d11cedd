"""`GET /v1/forward-auth`: identity headers for a valid token, and a refusal in every other case."""

from typing import Any

import httpx
import jwt
import pytest

from domain.role import Role
from tests.support.service import PASSWORD, Client, Service, code, unique_email

ASK = "/v1/forward-auth"


def identity_headers(answer: httpx.Response) -> dict[str, str]:
    """The identity headers of a success, which has no body."""
    assert (answer.status_code, answer.content) == (200, b""), answer.text
    assert answer.headers["cache-control"] == "no-store"
    return {name: value for name, value in answer.headers.items() if name.startswith("x-auth-")}


def claims_of(client: Client) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(client.pair["access_token"], options={"verify_signature": False})
    return claims


def expected_headers(client: Client, role: str, *, verified: bool = True) -> dict[str, str]:
    return {
        "x-auth-user": client.get("/v1/me").json()["id"],
        "x-auth-role": role,
        "x-auth-session": client.pair["session_id"],
        "x-auth-verified": "true" if verified else "false",
        "x-auth-acr": "aal1",
        "x-auth-time": str(claims_of(client)["auth_time"]),
    }


@pytest.mark.parametrize("held", Role)
def test_forward_auth_accepts_the_role_and_lower_ones(service: Service, held: Role) -> None:
    client = service.client().log_in(service.user(held, role=held))
    assert identity_headers(client.get(ASK)) == expected_headers(client, held)
    for asked in Role:
        answer = client.get(ASK, params={"role": asked})
        if held.includes(asked):
            assert identity_headers(answer) == expected_headers(client, held)
        else:
            assert (answer.status_code, code(answer)) == (403, "role_required")


def test_unverified_caller_passes_only_without_a_required_role(service: Service) -> None:
    email = unique_email("unverified")
    client = service.client()
    client.post("/v1/register", json={"email": email, "password": PASSWORD})
    client.log_in(email)
    assert identity_headers(client.get(ASK)) == expected_headers(client, "member", verified=False)
    answer = client.get(ASK, params={"role": "member"})
    assert (answer.status_code, code(answer)) == (403, "not_verified")

    client.post("/v1/verify", json={"token": service.token(email)})
    assert identity_headers(client.get(ASK, params={"role": "member"})) == expected_headers(client, "member")
    assert code(client.get(ASK, params={"role": "moderator"})) == "role_required"


QUESTIONS = [
    "role=",
    "role",
    "role=king",
    "role=ADMIN",
    "role=admin%20",
    "role=%61dmin,member",
    "role=member&role=admin",
]
QUESTIONS += [
    "role=member&role=member",
    "role=member&r%6fle=admin",
    "Role=admin",
    "ROLE=admin",
    "roles=admin",
    "role[]=x",
]
QUESTIONS += [
    "role=member;role=admin",
    "role=member&x=1",
    "min_role=admin",
    "role%00=admin",
    "role=admin%00",
    "role=%ff",
]
QUESTIONS += [
    "role=null",
    "role=None",
    "role=0",
    "+role=admin",
    "role+=admin",
    "&role",
    "=admin",
    "role==admin",
    "role%3Dadmin",
]


def test_invalid_forward_auth_query_is_never_accepted(service: Service) -> None:
    admin = service.admin()
    for question in QUESTIONS:
        answer = admin.get(f"{ASK}?{question}")
        assert answer.status_code == 400, question
        assert code(answer) == "malformed"


def test_forward_auth_refuses_without_a_valid_token(service: Service) -> None:
    client = service.member()
    tokens = {"token_missing": None, "token_invalid": f"Bearer {client.pair['refresh_token']}"}
    client.get(ASK)
    client.post("/v1/logout")
    tokens["token_revoked"] = client.headers.pop("authorization")
    for question in ("", "?role=member", "?role=king", "?x"):
        for expected, token in tokens.items():
            answer = client.get(ASK + question, headers={} if token is None else {"Authorization": token})
            assert (answer.status_code, code(answer)) == (401, expected)
            assert not {name for name in answer.headers if name.startswith("x-auth-")}


def test_revoked_role_is_refused_at_the_next_request(service: Service) -> None:
    moderator = service.client().log_in(service.user("moderator", role=Role.MODERATOR))
    identity_headers(moderator.get(ASK, params={"role": "moderator"}))
    user_id = moderator.get("/v1/me").json()["id"]
    service.admin().patch(f"/v1/users/{user_id}", json={"role": "member"})
    assert code(moderator.get(ASK)) == "token_revoked"
    moderator.take(moderator.renew())
    assert code(moderator.get(ASK, params={"role": "moderator"})) == "role_required"
