"""Codes, routes and keys match the documentation, and no secret appears in a log, in Redis or in a response."""

import ast
import asyncio
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest
from litestar import Litestar, asgi, delete, get, post, route
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.testing import RequestFactory
from litestar.types import Receive, Scope, Send
from redis import Redis

from domain.rate_limits import Limit
from domain.refusals import ErrorCode, Refusal, too_slow, unavailable
from domain.role import Role
from entrypoints.http.endpoint import PAGE
from entrypoints.http.guard import Fresh, authenticated, policy_of, public, require_policies, requires_role
from entrypoints.http.pages import docs
from entrypoints.http.problem_types import CATALOGUE
from entrypoints.http.problems import retry_after
from entrypoints.settings import load
from tests.support.service import PASSWORD, ROOT, Service, code, unique_email
from tests.support.sweeping import calls, fetch, raw

CONTRACT = {
    400: {"malformed", "link_invalid", "link_expired", "challenge_invalid", "challenge_expired"},
    401: {
        *("invalid_credentials", "token_missing", "token_invalid", "token_expired", "token_revoked"),
        *("refresh_reused", "session_ended", "second_factor_required", "factor_invalid", "step_up_required"),
    },
    403: {
        *("not_verified", "role_required", "factor_required", "forbidden", "account_disabled"),
        *("registration_closed", "cross_site"),
    },
    404: {"not_found"},
    405: {"method_not_allowed"},
    409: {"username_taken", "email_taken", "last_admin", "factor_exists", "factor_limit"},
    413: {"too_large"},
    415: {"unsupported_media_type"},
    422: {"email_invalid", "username_invalid", "password_weak", "password_mismatch", "passkey_unsuitable"},
    429: {"rate_limited"},
    500: {"internal"},
    503: {"overloaded", "unavailable"},
}
HTTP_ONLY = {"method_not_allowed", "too_large", "unsupported_media_type", "cross_site", "internal"}


# -- codes ---------------------------------------------------------------------------------------------


def test_every_error_code_has_the_documented_status() -> None:
    assert {code: it.status for code, it in CATALOGUE.items()} == {
        code: status for status, codes in CONTRACT.items() for code in codes
    }
    assert set(CATALOGUE) - {code.value for code in ErrorCode} == HTTP_ONLY
    assert {code.value for code in ErrorCode} <= set(CATALOGUE)
    titles = [it.title for it in CATALOGUE.values()]
    assert len(set(titles)) == len(titles)


def _named(tree: ast.AST) -> Iterator[str]:
    """The codes that a source names: as `ErrorCode.X`, or as text in a call that takes a code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ErrorCode":
            yield node.attr
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            at = {"problem": 0, "RefusedByServer": 0, "_refuse": 2, "_send_without_route": 3}.get(name)
            named = [] if at is None else node.args[at : at + 1]
            for keyword in node.keywords:
                if keyword.arg == "errors" and isinstance(keyword.value, ast.List):
                    named = [*named, *keyword.value.elts]
            yield from (str(it.value) for it in named if isinstance(it, ast.Constant))


def test_sources_name_only_codes_of_the_catalogue() -> None:
    found: set[str] = set()
    for folder in ("domain", "application", "adapters", "entrypoints"):
        for path in (ROOT / folder).rglob("*.py"):
            for name in _named(ast.parse(path.read_text())):
                assert name in CATALOGUE or name in ErrorCode.__members__, f"{path}: {name}"
                found.add(name)
    assert len(found) > 20


def test_every_code_is_raised_somewhere() -> None:
    """By its name, or by the function of `domain/refusals.py` that creates its refusal."""
    makers = {
        node.name: ast.unparse(node)
        for node in ast.parse((ROOT / "domain" / "refusals.py").read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    text = "\n".join(
        path.read_text()
        for folder in ("domain", "application", "adapters", "entrypoints")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "refusals.py"
    )
    used = text + "".join(body for name, body in makers.items() if f"{name}(" in text)
    assert {code for code in ErrorCode if not re.search(rf"Refusal\(\s*ErrorCode\.{code.name}\b", used)} == set()


# -- calls ---------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(("path", "handler"), [("/docs", docs.docs_page), ("/openapi.json", docs.openapi)])
async def test_docs_and_openapi_are_rendered_once(
    application: Litestar, path: str, handler: HTTPRouteHandler
) -> None:
    """Repeated requests must not slow other clients down."""
    request = RequestFactory(app=application).get(path)
    first, second = [(await handler.fn(request)).content for _ in range(2)]
    assert first is second


def test_every_route_is_documented_with_its_requirements(service: Service, application: Litestar) -> None:
    schema = service.client().get("/openapi.json").json()
    assert schema["openapi"].startswith("3.1.")
    assert schema["info"]["title"] == "Latchkey"
    routes = {
        (str(handler_method), route.path_format): policy_of(handler)
        for route in application.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for handler_method in handler.http_methods
        if handler_method != "OPTIONS" and handler.include_in_schema is not False
    }
    described = {(call.method, call.path): call for call in calls(schema)}
    assert set(described) == set(routes)
    assert {path for _, path in routes} >= {"/health/live", "/health/ready", "/.well-known/jwks.json", "/v1/me"}
    hidden = {route.path for route in application.routes} - {path.replace("_id}", "_id:uuid}") for _, path in routes}
    hidden -= {
        route.path
        for route in application.routes
        if isinstance(route, HTTPRoute)
        if all(handler.opt.get(PAGE) for handler in route.route_handlers if "OPTIONS" not in handler.http_methods)
    }
    pages = {"/", "/docs", "/problems/{name:str}"}
    pages |= {"/dev/mail", "/dev/mail/{name:str}", "/dev/mail/{name:str}/html"}
    pages |= {"/.well-known/oauth-authorization-server/{path:path}"}
    pages |= {"/.well-known/change-password", "/favicon.ico", "/favicon.svg", "/robots.txt"}
    pages |= {"/style/{name:str}", "/logo/{name:str}"}
    assert hidden == {"/openapi.json", *pages}
    for key, call in described.items():
        gate = routes[key]
        assert gate is not None
        assert (call.caller or call.cookie, call.client) == (gate.caller, gate.client), key
        assert {400, 500, 503} <= call.statuses, key
        assert ({401} <= call.statuses) or not (gate.caller or gate.client)
        assert ({403} <= call.statuses) or gate.role is None
        assert ({413, 415} <= call.statuses) is (call.fields is not None), key
        assert ({404} <= call.statuses) or "{" not in call.path
    operations = [operation for item in schema["paths"].values() for operation in item.values()]
    assert all(operation["description"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    text = json.dumps(schema)
    names = {name for name in schema["components"]["schemas"] if f'"#/components/schemas/{name}"' in text}
    assert names == set(schema["components"]["schemas"])
    for operation in operations:
        for status, response in operation["responses"].items():
            for word in response["description"].split("`")[1::2]:
                assert CATALOGUE[word].status == int(status)
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"]


def test_handler_without_an_access_policy_stops_the_start() -> None:
    @get("/open")
    async def open_to_all() -> None: ...

    @get("/twice", guards=[public(), authenticated()])
    async def undecided() -> None: ...

    @asgi("/mounted", copy_scope=False)
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None: ...

    for handler in (open_to_all, undecided, mounted):
        with pytest.raises(TypeError, match="does not declare who may call it"):
            require_policies(Litestar([handler], openapi_config=None))

    @get("/fine", guards=[public()])
    async def fine() -> None: ...

    require_policies(Litestar([fine], openapi_config=None))


def test_writing_handler_without_a_budget_stops_the_start() -> None:
    @post("/writes", guards=[authenticated()])
    async def writes() -> None: ...

    @route("/both", http_method=["GET", "DELETE"], guards=[public()])
    async def reads_and_writes() -> None: ...

    for handler in (writes, reads_and_writes):
        with pytest.raises(TypeError, match="does not declare its budget"):
            require_policies(Litestar([handler], openapi_config=None))

    @post("/fine", guards=[authenticated(budget=Limit.RENAME, fresh=Fresh.NOT_NEEDED)])
    async def fine() -> None: ...

    require_policies(Litestar([fine], openapi_config=None))


def test_writing_handler_without_freshness_stops_the_start() -> None:
    @post("/undecided", guards=[authenticated(budget=Limit.RENAME)])
    async def undecided() -> None: ...

    @delete("/undecided", guards=[requires_role(Role.ADMIN, budget=Limit.ADMINISTER)])
    async def undecided_for_admins() -> None: ...

    for handler in (undecided, undecided_for_admins):
        with pytest.raises(TypeError, match="does not declare `fresh`"):
            require_policies(Litestar([handler], openapi_config=None))

    @post("/public", guards=[public(budget=Limit.LINK)])
    async def public_handler() -> None: ...

    require_policies(Litestar([public_handler], openapi_config=None))


def test_published_keys_suffice_to_verify_a_token(service: Service) -> None:
    client = service.member()
    document = client.get("/.well-known/jwks.json").json()
    for key in document["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert (key["use"], key["alg"], key["kty"], key["crv"]) == ("sig", "ES256", "EC", "P-256")
    token = client.pair["access_token"]
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "at+jwt"
    [key] = [jwt.PyJWK(key) for key in document["keys"] if key["kid"] == header["kid"]]
    claims = jwt.decode(token, key, algorithms=[header["alg"]], audience=service.url, issuer=service.url)
    assert (claims["sub"], claims["sid"]) == (client.get("/v1/me").json()["id"], client.pair["session_id"])
    assert (claims["role"], claims["verified"]) == ("member", True)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token[:-8] + "AAAAAAAA", key, algorithms=[header["alg"]], audience=service.url)


# -- secrets -------------------------------------------------------------------------------------------


class SecretProbe:
    """Causes as many errors as possible with canary secrets, and keeps the responses."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.secrets: set[str] = set()
        self.answers: list[httpx.Response] = []
        self.client = service.client()

    def secret(self, text: str) -> str:
        self.secrets.add(text)
        return text

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = self.client.request(method, path, **more)
        self.answers.append(answer)
        return answer

    def run(self) -> None:
        email = unique_email("canary")
        password = self.secret("canary: a password nobody else has")
        wrong = self.secret("canary: a password that is wrong")
        later = self.secret("canary: the password that comes later")
        for body in (
            {"email": email, "password": password},
            {"email": email, "password": password, "username": "a b"},
            {"email": "nonsense", "password": password},
            {"email": email, "password": [password]},
            {"email": email, "password": password, "role": "admin"},
            {"email": email, "password": password + "\0"},
            {"email": email, "password": 10 * password},
        ):
            self.call("POST", "/v1/register", json=body)
        verify = self.secret(self.service.token(email))
        login = {"login": email, "password": password}
        pair = self.call("POST", "/v1/login", json=login).json()
        self.answers.pop()
        access, refresh = self.secret(pair["access_token"]), self.secret(pair["refresh_token"])
        bearer = {"Authorization": f"Bearer {access}"}
        self.call("POST", "/v1/login", json={**login, "password": wrong})
        self.call("POST", "/v1/login", json={**login, "password": wrong}, params={"password": wrong})
        self.call("POST", "/v1/login", content=json.dumps(login)[:-1], headers={"Content-Type": "application/json"})
        self.call("POST", "/v1/login", data=login)
        self.call("POST", "/v1/login", json={password: password})
        self.call("POST", "/v1/login", json={"login": password, "password": wrong})
        for path in ("/v1/me", "/v1/users", f"/v1/me?access_token={access}", f"/v1/users/{access}"):
            self.call("GET", path, headers=bearer)
            self.call("PUT", path, headers={"Authorization": f"Basic {access}"})
        self.call("POST", "/v1/verify", json={"token": verify + "x"})
        self.call("POST", "/v1/verify", json={"token": verify, "x": verify})
        self.call("POST", "/v1/verify", json={"token": verify})
        self.call(
            "POST", "/v1/password/reset", json={"token": verify, "new_password": later, "confirm_password": later}
        )
        renewed = self.call("POST", "/v1/refresh", json={"refresh_token": refresh}).json()
        self.answers.pop()
        self.secrets |= {renewed["access_token"], renewed["refresh_token"]}
        self.call("POST", "/v1/refresh", json={"refresh_token": renewed["access_token"]})
        self.call("POST", "/v1/refresh", json={"refresh_token": refresh[:-1]})
        bearer = {"Authorization": f"Bearer {renewed['access_token']}"}
        change = {"current_password": wrong, "new_password": later}
        self.call("POST", "/v1/password/change", json=change, headers=bearer)
        self.call("POST", "/v1/password/change", json={**change, "confirm_password": password}, headers=bearer)
        self.call("POST", "/v1/password/forgot", json={"email": email})
        reset = self.secret(self.service.token(email, 2))
        self.call("POST", "/reset", data={"token": verify, "new_password": later, "confirm_password": wrong})
        self.call(
            "POST", "/v1/password/reset", json={"token": reset, "new_password": later, "confirm_password": wrong}
        )
        self.call(
            "POST", "/v1/password/reset", json={"token": reset, "new_password": later, "confirm_password": later}
        )
        self.call("GET", "/v1/me", headers=bearer)
        self.call("GET", "/v1/nowhere/" + access, headers=bearer)
        for header in (f"Bearer {access}\x01", f"Bearer {access}\r\n x", "Bearer " + access * 20):
            raw(
                self.service,
                f"GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: {header}\r\n\r\n".encode(),
                timeout=0.3,
            )
        rows = asyncio.run(fetch(self.service, "SELECT password_hash FROM users"))
        self.secrets |= {row["password_hash"] for row in rows}


@pytest.fixture
def production(isolated_service: Service) -> Service:
    """A service with production settings, so that its logs are those of production."""
    development = load(isolated_service.environ)
    isolated_service.environ |= {
        "LATCHKEY_ENV": "production",
        "LATCHKEY_RATE_LIMITS": "on",
        "LATCHKEY_PUBLIC_URL": isolated_service.url,
        "LATCHKEY_SECRET_KEY": development.secret_keys[0].decode(),
        "LATCHKEY_SIGNING_KEYS": str(development.signing_keys),
        "LATCHKEY_ENCRYPTION_KEYS": development.encryption_keys[0].decode(),
    }
    isolated_service.start_worker()
    isolated_service.start_api()
    return isolated_service


def test_no_secret_is_logged_stored_in_redis_or_returned(production: Service) -> None:
    spy = SecretProbe(production)
    spy.secret(production.environ["LATCHKEY_SECRET_KEY"])
    spy.secret(production.environ["LATCHKEY_ENCRYPTION_KEYS"])
    for pem in Path(production.environ["LATCHKEY_SIGNING_KEYS"]).iterdir():
        spy.secrets |= {line for line in pem.read_text().splitlines() if "-----" not in line}
    for name in ("LATCHKEY_DATABASE_URL", "LATCHKEY_REDIS_URL"):
        spy.secret(production.environ[name].split("@")[0].rsplit(":", 1)[-1])
    spy.run()
    assert len(spy.secrets) > 12
    assert len({answer.status_code for answer in spy.answers}) >= 9
    assert not any(answer.status_code >= 500 for answer in spy.answers)
    for answer in spy.answers:
        response = f"{answer.headers} {answer.text}"
        assert not [secret for secret in spy.secrets if secret in response], answer.request.url.path
    with Redis.from_url(
        production.environ["LATCHKEY_REDIS_URL"], decode_responses=True, encoding_errors="replace"
    ) as redis:
        held = "".join(f"{key} {_value(redis, key)}\n" for key in redis.scan_iter("*"))
        assert all("latchkey" in key for key in redis.scan_iter("*"))
    assert held
    production.stop()
    logs = {path.name: path.read_text() for path in production.folder.glob("*.log")}
    assert set(logs) == {"api.log", "worker.log"}
    for name, text in {**logs, "redis": held}.items():
        assert not [secret for secret in spy.secrets if secret in text], name
        assert "canary" not in text, name


def _value(redis: Redis, key: str) -> object:
    read: dict[str, Any] = {
        "string": lambda: redis.get(key),
        "hash": lambda: redis.hgetall(key),
        "list": lambda: redis.lrange(key, 0, -1),
        "set": lambda: redis.smembers(key),
        "zset": lambda: redis.zrange(key, 0, -1, withscores=True),
        "none": lambda: None,  # it has expired since the scan
    }
    return read[str(redis.type(key))]()


def test_every_log_event_is_one_line_of_json(production: Service) -> None:
    client = production.client()
    for evil in ("\x1b[31mred", "\r\nforged: line", "\n{}", "\u2028{}", "\x85{}", '"}\n{"', "%0d%0a{}", "\x00"):
        quoted = httpx.QueryParams({"x": evil})
        client.get("/v1/nowhere", params=quoted)
        client.get("/verify", params={"token": evil})
        client.post("/v1/register", json={"email": f"a{evil}@example.org", "password": PASSWORD})
        client.post("/v1/login", json={"login": evil, "password": PASSWORD})
        agent = b"User-Agent: " + evil.encode() + b"\r\nX-Forwarded-For: " + evil.encode()
        raw(
            production,
            b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + agent + b"\r\n\r\n",
            timeout=0.3,
        )
        client.get(f"/v1/{quote(evil)}")
    production.stop()
    for log in production.folder.glob("*.log"):
        text = log.read_bytes()
        lines = text.decode().splitlines()  # which also splits at U+2028 and U+0085
        assert lines
        assert b"\x1b" not in text
        for line in lines:
            event = json.loads(line)
            assert event["event"]
            assert event["level"] in {"info", "warning", "error"}
            assert event["timestamp"].endswith("Z")
            if event["event"] == "request":
                assert set(event) - {"code"} == {
                    *("event", "level", "timestamp", "request_id", "method", "route", "status", "ms", "ip"),
                }
                assert event["ip"] == "127.0.0.1"


# -- problems ------------------------------------------------------------------------------------------


def _shown(page: str) -> str:
    """The text of a page without markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", page)).split())


def test_problem_page_explains_every_code(service: Service) -> None:
    client = service.client()
    for name, known in CATALOGUE.items():
        answer = client.get(f"/problems/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        shown = _shown(answer.text)
        assert f"Code {name}, status {known.status}" in shown
        assert shown.count(known.title) >= 2
        assert known.causes
        for text in (known.meaning, *known.causes, known.advice):
            assert text.endswith((".", ".)")), text
            assert text.replace("`", "") in shown, text
        head = client.head(f"/problems/{name}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == answer.headers["content-type"]


def test_retry_after_is_known_for_every_refusal_that_passes() -> None:
    for name in ErrorCode:
        default = retry_after(Refusal(name))
        assert (default is not None) == (CATALOGUE[name].status == 503), name
        assert retry_after(Refusal(name, retry_after=7)) == 7
    assert retry_after(unavailable("The database")) == retry_after(too_slow()) == 2


def test_problem_page_of_an_unknown_code_is_not_found(service: Service) -> None:
    client = service.client()
    assert code(client.get("/problems/none")) == "not_found"
    head = client.head("/problems/none")
    assert (head.status_code, head.content) == (404, b"")
    page = client.get("/problems/none", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_problem_pages_name_only_calls_that_exist_and_link_to_them(service: Service) -> None:
    client = service.client()
    known = {str(call) for call in calls(client.get("/openapi.json").json())}
    reference = client.get("/docs").text
    linked = 0
    for name, problem in CATALOGUE.items():
        text = " ".join((problem.meaning, *problem.causes, problem.advice))
        for call in re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^?`]*)[?`]", text):
            assert call in known, (name, call)
        for anchor in re.findall(r'href="../docs#([^"]+)"', client.get(f"/problems/{name}").text):
            assert f'id="{anchor}"' in reference, (name, anchor)
            linked += 1
    assert linked > len(CATALOGUE)
