"""Response headers, CORS, allowed hosts and the address of the client."""

import json
import re
from typing import Any

import pytest
from litestar.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from domain.role import Role
from entrypoints.container import Container
from entrypoints.http.app import assemble, surround
from entrypoints.http.endpoint import get
from entrypoints.http.guard import public
from entrypoints.http.paths import Paths
from tests.support.in_process import ALWAYS, GOOD, REQUEST_ID, carries_all, inside, varies
from tests.support.service import PASSWORD, Service, code, free_port, unique_email
from tests.support.sweeping import fetch, raw, statuses
from tests.support.visitor import Visitor

# -- response headers ----------------------------------------------------------------------------------


def test_every_response_carries_all_security_headers(service: Service) -> None:
    client, name = service.member(), unique_email("taken").split("@")[0][:32]
    service.user(unique_email("taken"), username=name)
    register = {"email": unique_email(), "password": PASSWORD}
    answers = {
        200: client.get("/v1/me"),
        202: client.post("/v1/verify/resend", json={"email": unique_email()}),
        400: client.post("/v1/verify", json={"token": "x"}),
        401: client.get("/v1/me", headers={"Authorization": "Bearer x"}),
        403: client.get("/v1/users"),
        404: client.get("/v1/nothing"),
        405: client.put("/v1/me"),
        409: client.post("/v1/register", json={**register, "username": name}),
        413: client.post("/v1/login", content=b" " * 40_000, headers={"Content-Type": "application/json"}),
        415: client.post("/v1/login", content=b"{}"),
        422: client.post("/v1/register", json={**register, "password": "short"}),
        204: client.post("/v1/logout"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status, answer.text
        carries_all(answer)
    for path in ("/health/live", "/health/ready", "/openapi.json"):
        carries_all(client.get(path))
    carries_all(client.options("/v1/me"))
    carries_all(
        client.get("/.well-known/jwks.json"), cache_control="public, max-age=1"
    )  # a cached copy expires before a new key signs, after 5 s here
    ids = {answer.headers["x-request-id"] for answer in answers.values()}
    assert len(ids) == len(answers)


def test_page_may_use_only_its_own_style(service: Service) -> None:
    client = service.client()
    for path in ("/verify?token=x", "/reset?token=x", "/problems/malformed", "/docs", "/dev/mail"):
        for method in ("GET", "HEAD"):
            answer = client.request(method, path)
            if answer.status_code == 405:
                continue
            policy = answer.headers["content-security-policy"]
            carries_all(answer, content_security_policy=policy, referrer_policy="same-origin")
            # The script of /docs is inline, and so are some of its styles.
            style = " 'sha256-[A-Za-z0-9+/]{43}='" if path == "/docs" else ""
            script = r"script-src 'sha256-[A-Za-z0-9+/]{43}='; " if path == "/docs" else ""
            assert re.fullmatch(
                rf"default-src 'none'; style-src 'self'{style}; img-src 'self'; connect-src 'self'; {script}"
                r"form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
                policy,
            )


def test_page_for_people_carries_all_security_headers(service: Service) -> None:
    stranger = Visitor(service).client
    admin = Visitor(service).sign_in(service.user("admin", role=Role.ADMIN)).client
    own = "default-src 'none'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    digest = "'sha256-[A-Za-z0-9+/]{43}='"
    forms = "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    script = f"script-src {digest}; "
    for client, path, status, policy in (
        (stranger, "/sign-in", 200, own + script + forms),
        (stranger, "/register", 200, own + forms),
        (stranger, "/invitation?token=x", 200, own + forms),
        (stranger, "/account", 303, re.escape(ALWAYS["content-security-policy"])),
        (stranger, "/users", 303, re.escape(ALWAYS["content-security-policy"])),
        (admin, "/sign-in", 200, own + forms),
        (admin, "/account", 200, own + forms),
        (admin, "/users", 200, own.replace("'self'", f"'self' {digest}", 1) + forms),
    ):
        answer = client.get(path)
        sent = answer.headers["content-security-policy"]
        assert (answer.status_code, bool(re.fullmatch(policy, sent))) == (status, True), (path, sent)
        carries_all(answer, content_security_policy=sent, referrer_policy="same-origin")


def _breaking(container: Container) -> ASGIApp:
    @get("/raises", policy=public())
    async def raises() -> None:
        raise RuntimeError("the secret of the handler")

    @get("/unserializable", policy=public())
    async def unserializable() -> dict[str, Any]:
        return {"it": object()}

    @get("/late", policy=public())
    async def late() -> float:
        return float("nan")

    @get("/middleware", policy=public())
    async def never() -> None: ...

    app = assemble(container)
    for handler in (raises, unserializable, late, never):
        app.register(handler)
    app.state.paths = Paths(app)

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/middleware":
            raise RuntimeError("the secret of the middleware")
        await app(scope, receive, send)

    return surround(middleware, app, container)


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/raises", "/unserializable", "/middleware"])
async def test_internal_error_is_logged_once_and_not_revealed(service: Service, path: str) -> None:
    async with inside(service, build=_breaking) as client:
        with capture_logs() as lines:
            answer = await client.get(path)
        assert (answer.status_code, code(answer)) == (500, "internal")
        carries_all(answer)
        assert answer.json()["detail"] == "Something went wrong."
        assert "secret" not in answer.text
        [error, request] = lines
        assert (error["log_level"], request["status"]) == ("error", 500)
        assert error["exc_info"] is not None
        assert (await client.get("/health/live")).status_code == 200


@pytest.mark.anyio
async def test_outage_response_carries_all_headers_and_no_internals(service: Service) -> None:
    nowhere = f"postgresql://nobody:hunter2hunter2@127.0.0.1:{free_port()}/none"
    async with inside(service, LATCHKEY_DATABASE_URL=nowhere) as client:
        login = {"login": "somebody@example.org", "password": PASSWORD}
        for answer in (await client.get("/health/ready"), await client.post("/v1/login", json=login)):
            assert (answer.status_code, code(answer)) == (503, "unavailable")
            carries_all(answer)
            assert not any(word in answer.text for word in ("hunter2", "postgres", "asyncpg", "127.0.0.1"))


# -- CORS ----------------------------------------------------------------------------------------------

EVIL = [
    *("https://evil.example", "null", "", "https://app.good.example.evil.example", "https://app.good.exampl"),
    *("https://app.good.example:8443", "http://app.good.example", "https://appXgood.example", "https://good.example"),
    *("https://x.app.good.example", "https://evil-app.good.example", "https://app.good.example/", "*", "file://"),
    *("https://app.good.example, https://evil.example", "HTTPS://APP.GOOD.EXAMPLE", "https://app.good.example@evil"),
]


@pytest.mark.anyio
async def test_only_configured_origins_may_read_responses(service: Service) -> None:
    async with inside(service, LATCHKEY_CORS_ORIGINS=f"{GOOD}, https://other.example:8443") as client:
        for origin in (GOOD, "https://other.example:8443"):
            for path, status in (("/health/live", 200), ("/v1/me", 401), ("/v1/nothing", 404)):
                answer = await client.get(path, headers={"Origin": origin})
                assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, origin)
                assert "origin" in answer.headers["vary"].lower()
                assert "access-control-allow-credentials" not in answer.headers
        for origin in EVIL:
            for method in ("GET", "OPTIONS"):
                headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
                answer = await client.request(method, "/health/live", headers=headers)
                assert "access-control-allow-origin" not in answer.headers, (origin, method)
                assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.anyio
async def test_preflight_allows_all_methods_and_headers_of_a_path(service: Service) -> None:
    async with inside(service, LATCHKEY_CORS_ORIGINS=GOOD) as client:
        for path, methods in (
            ("/v1/login", "OPTIONS, POST"),
            ("/v1/me", "DELETE, GET, HEAD, OPTIONS, PATCH"),
            ("/v1/users/0199a5d0-0000-7000-8000-000000000000", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ):
            for asked in ("authorization, content-type", "content-type,sentry-trace,baggage", "X-Odd~Name", "", None):
                headers = {"Origin": GOOD, "Access-Control-Request-Method": "POST"}
                if asked is not None:
                    headers["Access-Control-Request-Headers"] = asked
                answer = await client.options(path, headers=headers)
                assert (answer.status_code, answer.content) == (204, b""), answer.text
                carries_all(answer)
                assert answer.headers["allow"] == methods
                assert answer.headers["access-control-allow-methods"] == methods
                assert answer.headers["access-control-allow-origin"] == GOOD
                allowed = set(answer.headers["access-control-allow-headers"].split(", "))
                wanted = {name.strip().lower() for name in (asked or "").split(",") if name}
                assert allowed == {"authorization", "content-type"} | wanted
                assert "access-control-allow-credentials" not in answer.headers
                assert {"origin", "access-control-request-headers"} <= varies(answer)


@pytest.mark.anyio
async def test_preflight_repeats_only_valid_header_names(service: Service) -> None:
    async with inside(service, LATCHKEY_CORS_ORIGINS=GOOD) as client:
        asked = 'x-one, x two, x:three, "x", x-four\t,*, x-\xe9,,'
        headers = [
            (b"Origin", GOOD.encode()),
            (b"Access-Control-Request-Method", b"POST"),
            (b"Access-Control-Request-Headers", asked.encode("latin-1")),
        ]
        answer = await client.options("/v1/login", headers=headers)
        assert answer.headers["access-control-allow-headers"] == "*, authorization, content-type, x-four, x-one"


@pytest.mark.anyio
async def test_options_from_another_origin_get_a_problem_document(service: Service) -> None:
    async with inside(service, LATCHKEY_CORS_ORIGINS=GOOD) as client:
        for origin in EVIL:
            for headers in ({"Origin": origin}, {"Origin": origin, "Access-Control-Request-Method": "GET"}):
                for path, refusal in (
                    *(("/v1/me", "forbidden"), ("/v1/login", "forbidden"), ("/health/live", "forbidden")),
                    *(("/v1/nothing", "not_found"), ("/v1/forward-auth", "method_not_allowed")),
                ):
                    answer = await client.options(path, headers=headers)
                    assert code(answer) == refusal
                    carries_all(answer)
                    assert not [name for name in answer.headers if name.startswith("access-control-")]
                    assert "origin" in varies(answer)
        assert (await client.options("/v1/me")).status_code == 204


@pytest.mark.anyio
@pytest.mark.parametrize("origins", ["", GOOD])
async def test_preflight_for_public_documents_allows_any_origin(service: Service, origins: str) -> None:
    async with inside(
        service, LATCHKEY_CORS_ORIGINS=origins, LATCHKEY_PUBLIC_URL="https://host.example/accounts"
    ) as client:
        for path in (
            *("/.well-known/jwks.json", "/openapi.json", "/.well-known/oauth-authorization-server"),
            "/.well-known/oauth-authorization-server/accounts",
        ):
            for origin in (GOOD, "https://anything.example", "null"):
                headers = {
                    "Origin": origin,
                    "Access-Control-Request-Method": "GET",
                    "Access-Control-Request-Headers": "traceparent",
                }
                answer = await client.options(path, headers=headers)
                assert answer.status_code == 204
                assert answer.headers["access-control-allow-origin"] == "*"
                assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
                assert "traceparent" in answer.headers["access-control-allow-headers"]


@pytest.mark.anyio
async def test_allowed_origin_can_read_every_refusal(service: Service) -> None:
    async with inside(service, LATCHKEY_CORS_ORIGINS=GOOD, LATCHKEY_ALLOWED_HOSTS="localhost") as client:
        for status, answer in {
            400: await client.get("/v1/me?x=1", headers={"Origin": GOOD, "Host": "evil.example"}),
            401: await client.get("/v1/me", headers={"Origin": GOOD}),
            404: await client.get("/v1/nothing", headers={"Origin": GOOD}),
            405: await client.put("/v1/me", headers={"Origin": GOOD}),
            415: await client.post("/v1/login", headers={"Origin": GOOD}, content=b"x"),
            422: await client.post("/v1/verify/resend", headers={"Origin": GOOD}, json={"email": "x"}),
        }.items():
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == GOOD
            exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
            assert {"retry-after", "www-authenticate", "x-request-id"} <= set(exposed)
        for headers in ({}, {"Origin": GOOD}, {"Origin": "https://evil.example"}):
            for path in ("/v1/me", "/v1/forward-auth", "/health/live", "/v1/nothing", "/verify"):
                assert "origin" in varies(await client.get(path, headers=headers)), path


@pytest.mark.anyio
@pytest.mark.parametrize("origins", ["", GOOD])
async def test_forward_auth_refuses_options_requests(service: Service, origins: str) -> None:
    async with inside(service, LATCHKEY_CORS_ORIGINS=origins) as client:
        for headers in ({}, {"Origin": GOOD}, {"Origin": GOOD, "Access-Control-Request-Method": "GET"}):
            for path in ("/v1/forward-auth", "/v1/forward-auth?role=admin"):
                answer = await client.options(path, headers=headers)
                assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD"), (path, headers)
                assert answer.json()["code"] == "method_not_allowed"
                carries_all(answer)
        assert (await client.options("/v1/me")).status_code == 204


def test_no_origin_is_allowed_by_default(service: Service) -> None:
    for method in ("GET", "OPTIONS"):
        headers = {"Origin": service.url, "Access-Control-Request-Method": "GET"}
        answer = service.client().request(method, "/health/live", headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


# -- hosts ---------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_service_with_host_names_refuses_others(service: Service) -> None:
    hosts = "accounts.good.example, [2001:db8::1], 192.0.2.1, LocalHost"
    async with inside(service, LATCHKEY_ALLOWED_HOSTS=hosts) as client:

        async def status(host: str, **headers: str) -> int:
            answer = await client.get("/v1/me", headers={"Host": host, **headers})
            carries_all(answer)
            return answer.status_code

        for host in (
            *("accounts.good.example", "accounts.good.example:8443", "ACCOUNTS.GOOD.EXAMPLE", "localhost:1"),
            *("[2001:db8::1]", "[2001:db8::1]:443", "[2001:DB8::1]", "192.0.2.1:80"),
        ):
            assert await status(host) == 401, host
        for host in (
            *("evil.example", "accounts.good.example.evil.example", "evil-accounts.good.example", "good.example"),
            *("accountsXgood.example", "x.accounts.good.example", "accounts.good.example@evil.example", "", ":80"),
            *(
                "accounts.good.example:80@evil.example",
                "accounts.good.example:x",
                "accounts.good.example:",
                "[",
                "[]",
            ),
            *("accounts.good.example/", "accounts.good.example evil.example", "accounts.good.example,evil.example"),
            *(
                "[2001:db8::2]",
                "2001:db8::1",
                "[2001:db8::1",
                "[2001:db8::1]evil",
                "192.0.2.2",
                "accounts.good.example:123456",
            ),
        ):
            assert await status(host) == 400, host
            assert await status(host, **{"X-Forwarded-Host": "accounts.good.example"}) == 400, host


@pytest.mark.anyio
async def test_health_ignores_the_host(service: Service) -> None:
    async with inside(service, LATCHKEY_ALLOWED_HOSTS="accounts.good.example") as client:
        for host in ("10.42.0.17:8000", "[fd00::17]:8000", "latchkey.default.svc", "localhost"):
            for path in ("/health/live", "/health/ready"):
                for method in ("GET", "HEAD"):
                    answer = await client.request(method, path, headers={"Host": host})
                    assert answer.status_code == 200, (method, path, host)
        for path in ("/docs", "/metrics", "/v1/me", "/healthy", "/health"):
            answer = await client.get(path, headers={"Host": "10.42.0.17:8000"})
            assert (answer.status_code, code(answer)) == (400, "malformed"), path
            assert "LATCHKEY_ALLOWED_HOSTS" in answer.json()["detail"]


PAGES = ("/dev/mail", "/dev/mail/x.eml", "/docs", "/verify?token=x", "/reset", "/openapi.json", "/metrics")


@pytest.mark.anyio
async def test_pages_accept_only_own_host_names_in_development(service: Service) -> None:
    url, listening = "http://laptop.example:8000", "192.0.2.9"
    own = ("localhost:8000", "127.0.0.1:8000", "[::1]:8000", "laptop.example:8000", "192.0.2.9:8000")
    async with inside(service, LATCHKEY_PUBLIC_URL=url, LATCHKEY_HOST=listening) as client:
        for path in PAGES:
            for host in own:
                assert (await client.get(path, headers={"Host": host})).status_code in {200, 404}, (path, host)
            for host in ("evil.example", "127.0.0.1.evil.example", "0.0.0.0:8000", "192.0.2.10", "x.localhost"):
                answer = await client.get(path, headers={"Host": host})
                assert (answer.status_code, code(answer)) == (400, "malformed"), (path, host)
        for path, status in (("/v1/me", 401), ("/.well-known/jwks.json", 200), ("/health/live", 200)):
            answer = await client.get(path, headers={"Host": "service.in.compose:8000"})
            assert answer.status_code == status, path
    async with inside(service, LATCHKEY_HOST="0.0.0.0") as client:
        assert (await client.get("/dev/mail", headers={"Host": "0.0.0.0"})).status_code == 400
    async with inside(service, LATCHKEY_ALLOWED_HOSTS="phone.example") as client:
        for host, status in (("phone.example", 401), ("localhost", 400), ("evil.example", 400)):
            assert (await client.get("/v1/me", headers={"Host": host})).status_code == status, host


def test_request_must_have_one_valid_host(service: Service) -> None:
    for hosts, expected in (
        (b"Host: x\r\n", 200),
        (b"Host: x\r\nHost: x\r\n", 400),
        (b"", 400),
        (b"Host: a@b\r\n", 400),
    ):
        request = b"GET /health/live HTTP/1.1\r\nConnection: close\r\n" + hosts + b"\r\n"
        assert statuses(raw(service, request)) == [expected], hosts
    assert statuses(raw(service, b"GET /health/live HTTP/1.0\r\n\r\n")) == [200]


def test_no_request_header_changes_a_mail(service: Service) -> None:
    client = service.member()
    for number, (name, value) in enumerate(
        [
            ("Host", "evil.example"),
            ("Host", "127.0.0.1.evil.example:80"),
            ("X-Forwarded-Host", "evil.example"),
            ("Forwarded", 'host="evil.example"; proto=https'),
            ("X-Forwarded-Proto", "javascript"),
            ("X-Forwarded-Prefix", "//evil.example"),
            ("X-Forwarded-Server", "evil.example"),
            ("X-Host", "evil.example"),
            ("X-Original-URL", "https://evil.example/"),
            ("Origin", "https://evil.example"),
            ("Referer", "https://evil.example/"),
        ],
        1,
    ):
        assert (
            client.post("/v1/password/forgot", json={"email": client.email}, headers={name: value}).status_code == 202
        )
        mail = service.mail(client.email, number)
        assert "evil" not in mail.as_string()
        for part in ("plain", "html"):
            body = mail.get_body((part,))
            assert body is not None
            found = set(re.findall(r"[a-z]+://[^\s/\"'<>]+", body.get_content()))
            assert found == {service.url}, name
    document = json.dumps({"email": client.email}).encode()
    head = b"POST http://evil.example/v1/password/forgot HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(document)}\r\n\r\n".encode()
    answer = raw(service, head + document)
    assert statuses(answer) == [202]
    assert "evil" not in service.mail(client.email, 12).as_string()


# -- client address ------------------------------------------------------------------------------------

PROXIES = "10.0.0.0/8, fd00::/8, 192.0.2.7"
JUNK = "junk, " * 1500


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("peer", "said", "caller"),
    [
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("203.0.113.5", ["10.0.0.1"], "203.0.113.5"),
        ("192.0.2.8", ["198.51.100.1"], "192.0.2.8"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("192.0.2.7", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("10.0.0.1", ["2001:DB8:0:0::5"], "2001:db8::5"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.2.3.4"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1", "10.2.3.4,fd00::2"], "198.51.100.1"),
        ("10.0.0.1", ["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ("10.0.0.1", ["198.51.100.1, junk"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, 10.2.3.4, 999.1.1.1, 10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", ["fe80::1%\x1b[31m, 10.2.3.4"], "10.2.3.4"),
        ("10.0.0.1", ["198.51.100.1:1234"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1:51234, 10.2.3.4:443"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::5]:1234"], "2001:db8::5"),
        ("10.0.0.1", ["[2001:DB8::5]"], "2001:db8::5"),
        ("10.0.0.1", ['"[2001:db8::5]:1234"'], "2001:db8::5"),
        ("10.0.0.1", ['"198.51.100.1:1234"'], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:_hidden"], "198.51.100.1"),
        ("10.0.0.1", ["[::ffff:198.51.100.1]:1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:123456"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:x"], "10.0.0.1"),
        ("10.0.0.1", ["[198.51.100.1"], "10.0.0.1"),
        ("10.0.0.1", ["[2001:db8::5]x"], "10.0.0.1"),
        ("10.0.0.1", ["_secret"], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", [",,, ,"], "10.0.0.1"),
        ("10.0.0.1", [JUNK + "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, " + JUNK], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2, " * 1000 + "10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", ["\xff\xfe"], "10.0.0.1"),
        ("not an address", ["198.51.100.1"], ""),
    ],
    ids=lambda it: str(it)[:50] or "nothing",
)
async def test_the_caller_is_the_nearest_address_that_is_no_trusted_proxy(
    service: Service, member: str, peer: str, said: list[str], caller: str
) -> None:
    async with inside(service, peer=peer, LATCHKEY_TRUSTED_PROXIES=PROXIES) as client:
        headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in said]
        headers += [(b"x-real-ip", b"6.6.6.6"), (b"forwarded", b"for=6.6.6.6"), (b"client-ip", b"6.6.6.6")]
        with capture_logs() as lines:
            answer = await client.post("/v1/login", json={"login": member, "password": PASSWORD}, headers=headers)
        assert answer.status_code == 200, answer.text
        [line] = [line for line in lines if line["event"] == "request"]
        assert line["ip"] == caller
        [row] = await fetch(service, "SELECT ip FROM sessions WHERE id = $1", answer.json()["session_id"])
        assert row["ip"] == caller


@pytest.mark.anyio
async def test_invalid_forwarded_address_is_logged_once(service: Service) -> None:
    async with inside(service, peer="10.0.0.1", LATCHKEY_TRUSTED_PROXIES=PROXIES) as client:
        with capture_logs() as lines:
            for said in ("", "198.51.100.1", "unknown\x1b[31m" + "x" * 200, "unknown", "_secret"):
                await client.get("/v1/me", headers=[(b"x-forwarded-for", said.encode())])
    [warning] = [line for line in lines if line["event"] != "request"]
    assert (warning["event"], warning["log_level"]) == ("forwarded_address_unreadable", "warning")
    assert warning["entry"] == ascii(("unknown\x1b[31m" + "x" * 200)[:64])


def test_no_peer_is_a_trusted_proxy_by_default(service: Service) -> None:
    client = service.client()
    client.headers["X-Forwarded-For"] = "198.51.100.1"
    client.headers["X-Request-ID"] = "chosen-by-the-caller"
    client.log_in(service.user("direct"))
    assert REQUEST_ID.fullmatch(client.get("/v1/me").headers["x-request-id"])


@pytest.mark.anyio
async def test_request_id_of_a_trusted_proxy_is_kept(service: Service) -> None:
    for peer, request_id, expected in (
        ("10.0.0.1", "a.proxy_made-THIS.1", True),
        ("10.0.0.1", "12345678", True),
        ("10.0.0.1", "x" * 64, True),
        ("203.0.113.5", "a.proxy_made-THIS.1", False),
        ("10.0.0.1", "short", False),
        ("10.0.0.1", "x" * 65, False),
        ("10.0.0.1", "with blank here", False),
        ("10.0.0.1", "color\x1b[31mcolor", False),
        ("10.0.0.1", '"quoted-quoted"', False),
        ("10.0.0.1", "\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9", False),
        ("10.0.0.1", "", False),
    ):
        async with inside(service, peer=peer, LATCHKEY_TRUSTED_PROXIES=PROXIES) as client:
            with capture_logs(processors=[merge_contextvars]) as lines:
                answer = await client.get("/v1/me", headers=[(b"x-request-id", request_id.encode("latin-1"))])
            [returned_id] = answer.headers.get_list("x-request-id")
            assert (returned_id == request_id) is expected
            assert expected or REQUEST_ID.fullmatch(returned_id)
            assert [line["request_id"] for line in lines] == [returned_id]


@pytest.fixture(scope="module")
def member(shared_service: Service) -> str:
    return shared_service.user("behind")
