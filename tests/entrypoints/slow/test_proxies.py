"""nginx and Caddy as docs/forward-auth.md configures them: only authorized callers pass, with their own identity."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from domain.role import Role
from tests.support.factor_users import claims
from tests.support.proxies import Answer, Listener, Proxy, ReceivedRequest, caddy, nginx
from tests.support.service import PASSWORD, Client, Service, free_port, unique_email

KINDS: dict[str, Callable[..., AbstractContextManager[Proxy]]] = {"nginx": nginx, "caddy": caddy}
IDENTITY_HEADERS = tuple(f"x-auth-{name}" for name in ("user", "role", "session", "verified", "acr", "time"))


@pytest.fixture(scope="module", params=KINDS)
def either(
    request: pytest.FixtureRequest, shared_service: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    with KINDS[request.param](tmp_path_factory.mktemp("proxy"), latchkey=shared_service.port) as started:
        yield started


@pytest.fixture(scope="module")
def member(shared_service: Service) -> Iterator[Client]:
    with closing(Client(shared_service).log_in(shared_service.user("member"))) as client:
        yield client


@pytest.fixture(scope="module")
def moderator(shared_service: Service) -> Iterator[Client]:
    with closing(Client(shared_service).log_in(shared_service.user("moderator", role=Role.MODERATOR))) as client:
        yield client


@pytest.fixture
def proxy(either: Proxy) -> Proxy:
    either.upstream.heard.clear()
    return either


def bearer(client: Client) -> tuple[str, str]:
    return "Authorization", client.headers["authorization"]


def heard(proxy: Proxy, answer: Answer) -> ReceivedRequest:
    """The one request that reached the upstream."""
    assert (answer.status, answer.body) == (200, b"ok"), proxy.log.read_text()
    [request] = proxy.upstream.heard
    return request


def assert_refused(proxy: Proxy, answer: Answer, status: int) -> None:
    assert answer.status == status
    assert proxy.upstream.heard == []
    challenge = answer.headers.get("www-authenticate", "")
    assert (challenge == "Bearer" or challenge.startswith('Bearer error="invalid_token"')) is (status == 401)


def identity(client: Client, role: Role = Role.MEMBER) -> dict[str, list[str]]:
    token = claims(client.pair["access_token"])
    values = token["sub"], role.value, token["sid"], "true", "aal1", str(token["auth_time"])
    return {name: [value] for name, value in zip(IDENTITY_HEADERS, values, strict=True)}


def test_request_without_a_token_is_refused(member: Client, proxy: Proxy) -> None:
    refresh = member.pair["refresh_token"]
    for headers in ([], [("Authorization", f"Bearer {refresh}")], [("Authorization", "Basic eDp4")]):
        assert_refused(proxy, proxy.ask(headers=headers), 401)
        assert_refused(proxy, proxy.ask(headers=headers, method="POST", body=b"x"), 401)


def test_caller_arrives_with_identity_headers_without_the_token(
    member: Client, moderator: Client, proxy: Proxy
) -> None:
    request = heard(proxy, proxy.ask("/notes?a=b&role=admin", [bearer(member)]))
    assert (request.method, request.path) == ("GET", "/notes?a=b&role=admin")
    assert {name: request.header(name) for name in IDENTITY_HEADERS} == identity(member)
    assert request.header("authorization") == []
    proxy.upstream.heard.clear()
    request = heard(proxy, proxy.ask(headers=[bearer(moderator)]))
    assert {name: request.header(name) for name in IDENTITY_HEADERS} == identity(moderator, Role.MODERATOR)


@pytest.mark.parametrize(
    "spelling", ["X-Auth-", "x-auth-", "X-AUTH-", "X_Auth_", "X-Auth_", "X_Auth-", "X.Auth.", "X-Auth."]
)
def test_identity_headers_of_clients_never_arrive(member: Client, proxy: Proxy, spelling: str) -> None:
    names = {"User": "root", "Role": "admin", "Session": "x", "Verified": "false", "Acr": "phr", "Time": "9999999999"}
    forged = [(f"{spelling}{name}", value) for name, value in names.items()]
    request = heard(proxy, proxy.ask(headers=[*forged, bearer(member), *forged]))
    assert {name: request.header(name) for name in IDENTITY_HEADERS} == identity(member)
    proxy.upstream.heard.clear()
    assert_refused(proxy, proxy.ask(headers=forged), 401)


def test_connection_header_cannot_remove_identity_headers(member: Client, proxy: Proxy) -> None:
    for name, value in identity(member).items():
        request = heard(proxy, proxy.ask(headers=[("Connection", name), (name, "forged"), bearer(member)]))
        assert request.header(name) in ([], value)
        proxy.upstream.heard.clear()


def test_next_request_after_logout_is_refused(service: Service, proxy: Proxy) -> None:
    for _ in range(3):
        client = service.member()
        for _ in range(3):
            assert proxy.ask(headers=[bearer(client)]).status == 200
        assert client.post("/v1/logout").status_code == 204
        proxy.upstream.heard.clear()
        for _ in range(5):
            assert_refused(proxy, proxy.ask(headers=[bearer(client)]), 401)


@pytest.mark.parametrize("size", [0, 7, 40_000, 900_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_body_passes_unchanged(member: Client, proxy: Proxy, size: int, chunked: bool) -> None:
    body = bytes(number % 251 for number in range(size))
    request = heard(proxy, proxy.ask(headers=[bearer(member)], method="POST", body=body, chunked=chunked))
    assert request.method == "POST"
    assert request.body == body


def test_unverified_user_is_refused_until_verification(service: Service, proxy: Proxy) -> None:
    email, client = unique_email("unverified"), service.client()
    client.post("/v1/register", json={"email": email, "password": PASSWORD})
    client.log_in(email)
    assert_refused(proxy, proxy.ask(headers=[bearer(client)]), 403)
    client.post("/v1/verify", json={"token": service.token(email)})
    assert heard(proxy, proxy.ask(headers=[bearer(client)])).header("x-auth-verified") == ["true"]


def test_request_with_two_tokens_is_refused(member: Client, moderator: Client, proxy: Proxy) -> None:
    for headers in (
        [bearer(member), bearer(moderator)],
        [bearer(member)] * 2,
        [("authorization", "x"), bearer(member)],
    ):
        answer = proxy.ask(headers=headers)
        assert answer.status in {400, 401}
        assert proxy.upstream.heard == []


# -- CORS ----------------------------------------------------------------------------------------------

PAGE = "https://app.example.org"
PREFLIGHT = [
    ("Origin", PAGE),
    ("Access-Control-Request-Method", "PUT"),
    ("Access-Control-Request-Headers", "traceparent"),
]


@pytest.mark.parametrize("path", ["/notes", "/moderation"])
def test_preflight_reaches_the_upstream_without_authentication(proxy: Proxy, path: str) -> None:
    forged = [("X-Auth-User", "root"), ("X_Auth_Role", "admin"), ("X.Auth.Verified", "true")]
    proxy.upstream.headers = {"Access-Control-Allow-Origin": PAGE, "Access-Control-Allow-Methods": "PUT"}
    try:
        answer = proxy.ask(path, [*PREFLIGHT, *forged, ("Authorization", "Bearer x")], method="OPTIONS")
    finally:
        proxy.upstream.headers = {}
    request = heard(proxy, answer)
    assert (request.method, request.path) == ("OPTIONS", path)
    assert request.header("access-control-request-headers") == ["traceparent"]
    assert not any(request.header(name) for name in (*IDENTITY_HEADERS, "authorization"))
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-methods"] == "PUT"


def test_request_that_resembles_a_preflight_needs_a_token(member: Client, proxy: Proxy) -> None:
    for method, headers in (
        ("OPTIONS", []),
        ("OPTIONS", PREFLIGHT[:1]),
        ("OPTIONS", PREFLIGHT[1:]),
        ("GET", PREFLIGHT),
        ("POST", PREFLIGHT),
        ("DELETE", PREFLIGHT),
    ):
        assert_refused(proxy, proxy.ask(headers=headers, method=method), 401)
    request = heard(proxy, proxy.ask(headers=[*PREFLIGHT, bearer(member)]))
    assert {name: request.header(name) for name in IDENTITY_HEADERS} == identity(member)


@pytest.mark.parametrize("kind", KINDS)
def test_page_of_an_allowed_origin_can_read_refusals_of_the_proxy(
    isolated_service: Service, tmp_path: Path, kind: str
) -> None:
    isolated_service.environ["LATCHKEY_CORS_ORIGINS"] = PAGE
    isolated_service.start_api()
    (folder := tmp_path / "proxy").mkdir()
    unverified = isolated_service.client()
    unverified.post("/v1/register", json={"email": (email := unique_email("unverified")), "password": PASSWORD})
    unverified.log_in(email)
    with KINDS[kind](folder, latchkey=isolated_service.port) as proxy:
        for headers, status in (([], 401), ([("Authorization", "Bearer x")], 401), ([bearer(unverified)], 403)):
            answer = proxy.ask(headers=[("Origin", PAGE), *headers])
            assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, PAGE)
            assert "origin" in answer.headers["vary"].lower()
            for origin in ("https://evil.example", "null"):
                answer = proxy.ask(headers=[("Origin", origin), *headers])
                assert answer.status == status
                assert "access-control-allow-origin" not in answer.headers
        proxy.upstream.headers = {"Access-Control-Allow-Origin": "https://of-the-service.example"}
        answer = proxy.ask(headers=[("Origin", PAGE), bearer(isolated_service.member())])
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "https://of-the-service.example"


# -- locations of nginx --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def started_site(shared_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with nginx(tmp_path_factory.mktemp("nginx"), latchkey=shared_service.port) as started:
        yield started


@pytest.fixture
def site(started_site: Proxy) -> Proxy:
    started_site.upstream.heard.clear()
    return started_site


MODERATED = [
    "/moderation",
    "/moderation/x",
    "/moderation?x",
    "//moderation",
    "/public/../moderation",
    "/%6doderation",
]
MODERATED += [
    "/moderation%2fx",
    "/public/%2e%2e/moderation/x",
    "/./moderation",
    "/notes/..//moderation/x?role=member",
]


@pytest.mark.parametrize("path", MODERATED)
def test_location_requires_its_role_for_every_form_of_its_path(
    member: Client, moderator: Client, site: Proxy, path: str
) -> None:
    assert_refused(site, site.ask(path), 401)
    assert_refused(site, site.ask(path, [bearer(member)]), 403)
    assert heard(site, site.ask(path, [bearer(moderator)])).header("x-auth-role") == ["moderator"]


def test_public_location_gets_no_identity(member: Client, site: Proxy) -> None:
    for headers in ([], [("X-Auth-User", "root"), ("X-Auth-Role", "admin")], [bearer(member)]):
        request = heard(site, site.ask("/public/x", headers))
        assert not any(request.header(name) for name in (*IDENTITY_HEADERS, "authorization"))
        site.upstream.heard.clear()
    for path in ("/publicity", "/Public/x", "/x/../publi%63ity"):
        assert_refused(site, site.ask(path), 401)


def test_clients_cannot_request_the_auth_location(member: Client, site: Proxy) -> None:
    for path in ("/_auth/", "/_auth/member", "/_auth/admin", "/_auth/x", "/%5fauth/member"):
        assert_refused(site, site.ask(path, [bearer(member)]), 404)


def test_long_request_passes_the_auth_request(member: Client, site: Proxy) -> None:
    path = "/notes?" + "x" * 7000
    long = [("Cookie", "x" * 7000), ("X-Long", "x" * 7000)]
    assert heard(site, site.ask(path, [bearer(member), *long])).path == path


# -- other responses of Latchkey -----------------------------------------------------------------------


@pytest.fixture
def latchkey() -> Iterator[Listener]:
    """A listener in place of Latchkey, whose response a test chooses."""
    listener = Listener()
    yield listener
    listener.close()


@pytest.mark.parametrize("kind", KINDS)
def test_auth_request_has_latchkeys_host_and_no_body(tmp_path: Path, latchkey: Listener, kind: str) -> None:
    with KINDS[kind](tmp_path, latchkey=latchkey.port) as proxy:
        headers = [("Authorization", "Bearer x"), ("Cookie", "secret"), ("Host", f"127.0.0.1:{proxy.port}")]
        proxy.ask("/secret?secret", headers, method="POST", body=b"secret")
        [request] = latchkey.heard
        assert (request.method, request.path, request.body) == ("GET", "/v1/forward-auth?role=member", b"")
        assert (request.header("host"), request.header("authorization")) == (["accounts.example.org"], ["Bearer x"])
        if kind == "nginx":  # which can be configured to send nothing else
            forwarded = {f"x-forwarded-{name}" for name in ("host", "proto", "uri")}
            assert {name.lower() for name, _ in request.headers} == {"host", "authorization", "cookie"} | forwarded
            assert (request.header("x-forwarded-uri"), request.header("x-forwarded-proto")) == (
                ["/secret?secret"],
                ["http"],
            )


def test_unexpected_auth_response_blocks_the_request(tmp_path: Path, latchkey: Listener) -> None:
    with nginx(tmp_path, latchkey=latchkey.port) as proxy:
        assert proxy.ask().status == 200
        proxy.upstream.heard.clear()
        for latchkey.status in (301, 302, 304, 400, 404, 405, 413, 429, 500, 502, 503, 504):
            answer = proxy.ask()
            assert_refused(proxy, answer, 503)
            assert answer.headers["retry-after"] == "2"


@pytest.mark.parametrize("kind", KINDS)
def test_proxy_blocks_requests_if_latchkey_is_unavailable(tmp_path: Path, kind: str) -> None:
    with KINDS[kind](tmp_path, latchkey=free_port()) as proxy:
        assert_refused(proxy, proxy.ask(headers=[("Authorization", "Bearer x")]), {"nginx": 503, "caddy": 502}[kind])


def test_responses_of_the_upstream_pass_unchanged(member: Client, site: Proxy) -> None:
    for site.upstream.status in (500, 503, 401, 404):
        assert site.ask(headers=[bearer(member)]).status == site.upstream.status
    site.upstream.status = 200
