"""`GET /v1/forward-auth` and `GET /v1/me` answer as plain ASGI, by the rules of every other route."""

import httpx
import pytest

from domain.role import Role
from tests.support.in_process import inside
from tests.support.service import Client, Service, code

PLAIN = ("/v1/forward-auth", "/v1/me")


def tokens(service: Service) -> dict[str, str]:
    over = service.member()
    over.post("/v1/logout")
    admin = service.client().log_in(service.user("admin", role=Role.ADMIN))
    clients: dict[str, Client] = {"member": service.member(), "admin": admin, "over": over}
    return {name: f"Bearer {client.pair['access_token']}" for name, client in clients.items()}


@pytest.mark.parametrize("path", PLAIN)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_plain_route_refuses_unknown_query_parameters(service: Service, path: str, method: str) -> None:
    client = service.member()
    many = ["x", "y"] if path == "/v1/forward-auth" else ["role", "x", "y"]
    for query, fields in (("x=1", ["x"]), ("x", ["x"]), ("role=member&x=1&y=2", many), ("x=1&x=1", ["x"])):
        answer = client.request(method, f"{path}?{query}")
        assert answer.status_code == 400, query
        if method == "GET":
            assert code(answer) == "malformed"
            assert sorted(error["field"] for error in answer.json()["errors"]) == fields, query


def test_forward_auth_names_the_valid_roles(service: Service) -> None:
    answer = service.member().get("/v1/forward-auth?role=king")
    [error] = answer.json()["errors"]
    assert (error["field"], error["message"]) == ("role", "must be one of member, moderator, admin")
    for query, message in (("role=null", "must not be null"), ("role=member&role=member", "is given twice")):
        [error] = service.member().get(f"/v1/forward-auth?{query}").json()["errors"]
        assert (error["field"], error["message"]) == ("role", message)


def test_forward_auth_decodes_the_role(service: Service) -> None:
    admin = service.client().log_in(service.user("admin", role=Role.ADMIN))
    assert admin.get("/v1/forward-auth?role=%61dmin").status_code == 200


@pytest.mark.parametrize("path", PLAIN)
def test_plain_route_checks_the_token_before_the_query(service: Service, path: str) -> None:
    client = service.client()
    for query in ("", "?x=1", "?role=king"):
        assert code(client.get(path + query)) == "token_missing"
        answer = client.get(path + query, headers={b"Authorization": b"Bearer \xff"})
        assert code(answer) == "token_invalid"


@pytest.mark.anyio
@pytest.mark.parametrize("path", PLAIN)
async def test_plain_route_carries_cors_headers(service: Service, path: str) -> None:
    origin = "https://app.example.org"
    async with inside(service, LATCHKEY_CORS_ORIGINS=origin) as client:
        for token in tokens(service).values():
            headers = {"Origin": origin, "Authorization": token}
            answer = await client.get(path, headers=headers)
            assert answer.headers["access-control-allow-origin"] == origin


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path", "refusal"),
    [*(("GET", path, "token_revoked") for path in PLAIN), ("POST", "/v1/refresh", "token_invalid")],
)
async def test_frequent_routes_are_counted(service: Service, method: str, path: str, refusal: str) -> None:
    authorizations = tokens(service)
    refresh = service.member().pair["refresh_token"]
    async with inside(service) as client:
        for token, body in (
            (authorizations["over"], "x"),
            (authorizations["member"], refresh),
            (authorizations["admin"], refresh),
        ):
            await client.request(method, path, headers={"Authorization": token}, json={"refresh_token": body})
        numbers = (await client.get("/metrics")).text
    for status, number in ((200, 2), (401, 1)):
        labels = f'method="{method}",route="{path}",status="{status}"'
        assert f"latchkey_http_requests_total{{{labels}}} {number}.0" in numbers
    assert f'latchkey_errors_total{{code="{refusal}"}} 1.0' in numbers


JSON = "application/json"
ACCEPTED = [
    (JSON, '{"refresh_token":"%s"}'),
    (JSON, '{"refresh_token": "%s"}\n'),
    (JSON, ' {\t"refresh_token" :\r\n"%s" }\n'),
    (JSON, '{"refresh_\\u0074oken":"%s"}'),
    (JSON, '{"refresh_token":"%s"}' + " " * 1000),
    (f"{JSON}; charset=utf-8", '{"refresh_token":"%s"}'),
    ("Application/JSON", '{"refresh_token":"%s"}'),
    (f"{JSON}; charset=latin-1", '{"refresh_token":"%s"}'),
]
REFUSED = [
    (JSON, '\x0b{"refresh_token":"%s"}', "malformed"),
    (JSON, '{"refresh_token":"%s"}\x0c', "malformed"),
    (JSON, '\ufeff{"refresh_token":"%s"}', "malformed"),
    (JSON, '{"refresh_token":"%s"}{}', "malformed"),
    (JSON, '{"refresh_token":"%s"}\n\n{}', "malformed"),
    (JSON, '{"refresh_token":"%s","refresh_token":"%s"}', "malformed"),
    (JSON, '{"refresh_token":"%s","x":1}', "malformed"),
    (JSON, '{"refresh_token":"%s\\u0000"}', "malformed"),
    (JSON, '{"refresh_token":"%s="}', "token_invalid"),
    (JSON, '{"refresh_token":["%s"]}', "malformed"),
    (JSON, '["%s"]', "malformed"),
    (JSON, '"%s"', "malformed"),
    (JSON, "%s", "malformed"),
    (JSON, "refresh_token=%s", "malformed"),
    (JSON, '{"refresh_token":"%s"}' + " " * 32 * 1024, "too_large"),
    ("text/plain", '{"refresh_token":"%s"}', "unsupported_media_type"),
    ("", '{"refresh_token":"%s"}', "unsupported_media_type"),
]


def test_refresh_accepts_any_valid_json_of_its_fields(service: Service) -> None:
    client = service.member()

    def refresh(kind: str, form: str, method: str = "POST", query: str = "") -> httpx.Response:
        body = form.replace("%s", client.pair["refresh_token"]).encode()
        headers = {"Content-Type": kind} if kind else {}
        return service.client().request(method, f"/v1/refresh{query}", content=body, headers=headers)

    for kind, form in ACCEPTED:
        answer = refresh(kind, form)
        assert answer.status_code == 200, (kind, form, answer.text)
        client.take(answer)
    for kind, form, refusal in REFUSED:
        assert code(refresh(kind, form)) == refusal, (kind, form)
    assert code(refresh(*ACCEPTED[0], query="?x=1")) == "malformed"
    assert code(refresh(*ACCEPTED[0], method="PUT")) == "method_not_allowed"
    client.take(refresh(*ACCEPTED[0]))
