"""Rules for every path: HEAD, OPTIONS, 405, CORS, one valid form, and the path of the public URL."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx
import pytest
from litestar.types import ASGIApp

from domain.role import Role
from entrypoints.container import Container
from entrypoints.http.app import assemble, surround
from entrypoints.http.paths import Path
from tests.support.in_process import GOOD, inside, varies
from tests.support.service import Client, Service, code
from tests.support.sweeping import raw, statuses

PARAMETER = re.compile(r"\{(\w+)\}")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY"}
CHANGING = {"date", "x-request-id", "transfer-encoding"}
COUNTING = {"/metrics"}
"""The content of these paths changes with each request."""


@asynccontextmanager
async def with_paths(service: Service, **more: str) -> AsyncIterator[tuple[httpx.AsyncClient, list[Path]]]:
    """A client of an in-process application, and all of its paths."""
    paths: list[Path] = []

    def build(container: Container) -> ASGIApp:
        app = assemble(container)
        paths.extend(app.state.paths)
        return surround(app, app, container)

    async with inside(service, build=build, **more) as client:
        assert len(paths) > 30
        yield client, paths


@pytest.fixture(scope="module")
def admin(shared_service: Service) -> Iterator[Client]:
    with closing(Client(shared_service).log_in(shared_service.user("admin", role=Role.ADMIN))) as client:
        yield client


def at(path: Path, client: Client) -> str:
    """The path with existing values."""
    own = client.pair["session_id"], client.get("/v1/me").json()["id"]
    values = {"session_id": own[0], "name": "malformed", "path": "accounts"}
    values |= dict.fromkeys(("user_id", "factor_id", "invitation_id", "client_id", "mail_id"), own[1])
    return PARAMETER.sub(lambda found: values[found[1]], path.template)


@pytest.mark.anyio
async def test_head_equals_get_without_content(service: Service, admin: Client) -> None:
    async with with_paths(service) as (_, paths):
        pass
    readable = [path for path in paths if "GET" in path.methods]
    assert {"/v1/me", "/v1/forward-auth", "/health/live", "/health/ready", "/docs"} <= {
        it.template for it in readable
    }
    for client in (admin, service.client()):
        for path in readable:
            url = at(path, admin)
            got, head = client.get(url), client.head(url)
            assert (head.status_code, head.content) == (got.status_code, b""), url
            changing = CHANGING | ({"content-length"} if url in COUNTING else set())
            both = [{(name, value) for name, value in it.headers.multi_items()} for it in (got, head)]
            both = [{item for item in headers if item[0] not in changing} for headers in both]
            assert both[0] == both[1], url
            if "content-length" in got.headers:
                assert "content-length" in head.headers, url
    assert set(path.template for path in paths if "HEAD" in path.methods) == {it.template for it in readable}


def test_connection_continues_after_head(service: Service) -> None:
    requests = b"".join(b"HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in (b"/v1/me", b"/v1/forward-auth"))
    answer = raw(service, requests + b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert statuses(answer) == [401, 401, 200]
    assert answer.count(b"problem+json") == 2
    assert b'"code"' not in answer


@pytest.mark.anyio
async def test_options_and_405_name_the_same_methods(service: Service, admin: Client) -> None:
    async with with_paths(service) as (client, paths):
        for path in paths:
            url = at(path, admin)
            assert path.allow == ", ".join(sorted(path.methods))
            assert ("OPTIONS" in path.methods) == (url != "/v1/forward-auth")
            if "OPTIONS" in path.methods:
                answer = await client.options(url)
                assert (answer.status_code, answer.content, answer.headers["allow"]) == (204, b"", path.allow), url
            for method in METHODS - path.methods:
                answer = await client.request(method, url)
                assert answer.status_code == 405, (method, url)
                assert method == "HEAD" or code(answer) == "method_not_allowed"
                assert answer.headers.get_list("allow") == [path.allow], (method, url)


@pytest.mark.anyio
async def test_every_response_varies_by_origin(service: Service, admin: Client) -> None:
    async with with_paths(service, LATCHKEY_CORS_ORIGINS=GOOD) as (client, paths):
        for path in paths:
            url = at(path, admin)
            for method in {*path.methods, "PUT", "OPTIONS"}:
                answer = await client.request(method, url, headers={"Origin": GOOD})
                assert answer.headers.get_list("access-control-allow-origin") in ([GOOD], ["*"]), (method, url)
                for headers in ({}, {"Origin": "https://evil.example"}):
                    answer = await client.request(method, url, headers=headers)
                    assert "origin" in varies(answer), (method, url)
                    assert answer.headers.get("access-control-allow-origin") in (None, "*"), (method, url)
            if "OPTIONS" in path.methods:
                headers = {"Origin": GOOD, "Access-Control-Request-Method": "GET"}
                answer = await client.options(url, headers=headers)
                assert answer.headers["access-control-allow-methods"] == path.allow


def other_forms(path: str) -> Iterator[str]:
    """Other forms of a path, which some software treats as the same path."""
    yield f"/{path}"
    yield f"/.{path}"
    yield f"{path}/."
    yield f"{path}//"
    if path != "/":
        yield f"{path}/"
        yield f"{path[0]}%{ord(path[1]):02x}{path[2:]}"
        yield f"{path[:-1]}%{ord(path[-1]):02X}"
        yield f"{path};x=1"
        yield f"{path}%20"
        yield f"{path}%3b"
        yield path.upper()
        yield f"/x/..{path}"
        yield path.replace("/", "//")
        yield f"{path}."


@pytest.mark.anyio
async def test_every_path_has_one_valid_form(service: Service, admin: Client) -> None:
    """So a path that a proxy blocks cannot be reached in another form."""
    async with with_paths(service) as (_, paths):
        pass
    for path in paths:
        url = at(path, admin)
        for spelling in other_forms(url):
            request = (
                f"{min(path.methods - {'HEAD'})} {spelling} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            )
            answer = raw(service, f"{request}Authorization: {admin.headers['authorization']}\r\n\r\n".encode())
            assert statuses(answer) == [404], spelling
            assert b'"code":"not_found"' in answer, spelling


# -- the path of the public URL ------------------------------------------------------------------------

PUBLIC = "https://example.org/accounts"


class Links(HTMLParser):
    """Collects the links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in {"href", "src", "action", "formaction"}]


def check_links(answer: httpx.Response, url: str) -> None:
    """The proxy has removed the prefix from the requested path; a browser resolves links against the full URL."""
    links = Links(answer.text).found if answer.headers.get("content-type", "").startswith("text/html") else []
    links += answer.headers.get_list("location")
    for link in links:
        whole = urljoin(PUBLIC + url, link)
        assert whole.startswith(f"{PUBLIC}/") or not whole.startswith("https://example.org"), (url, link)
        assert not whole.startswith("http://"), (url, link)
    if answer.headers.get("content-type") == "application/problem+json":
        assert answer.json()["type"] == f"/accounts/problems/{answer.json()['code']}"


@pytest.mark.anyio
async def test_all_links_are_below_the_public_path(service: Service, admin: Client) -> None:
    async with with_paths(service, LATCHKEY_PUBLIC_URL=PUBLIC) as (client, paths):
        for path in paths:
            for method in METHODS - {"HEAD", "OPTIONS"}:
                answer = await client.request(method, at(path, admin))
                check_links(answer, at(path, admin))
        assert (await client.get("/v1/nothing")).json()["type"] == "/accounts/problems/not_found"
        for url in ("/verify?token=x", "/reset?token=x", "/email?token=x"):
            check_links(await client.get(url), url)


@pytest.mark.anyio
async def test_url_with_the_public_path_is_not_found_with_a_hint(service: Service) -> None:
    async with inside(service, LATCHKEY_PUBLIC_URL=PUBLIC) as client:
        answer = await client.get("/accounts/health/live")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "remove /accounts" in answer.json()["detail"]
