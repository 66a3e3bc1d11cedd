"""Who is calling is answered past the framework, and both say the same of everything."""

from itertools import product
from typing import Any

import httpx
import pytest
from litestar.types import ASGIApp, Receive, Scope, Send

from domain.role import Role
from entrypoints.container import Container
from entrypoints.http import forward_auth, me
from entrypoints.http.app import assemble, create
from entrypoints.http.front_door import FrontDoor
from entrypoints.logs import tell_people
from tests.entrypoints.service import Client, Service
from tests.entrypoints.test_front_door import inside

pytestmark = pytest.mark.anyio

QUERIES = [
    b"",
    *(b"role=" + role.encode() for role in Role),
    b"role=king",
    b"role=",
    b"x=1",
    b"role=member&role=member",
]
QUERIES += [b"role=null", b"role=%61dmin", b"role=ADMIN"]
ASKED = [forward_auth.PATH, me.PATH]
PATHS = [*ASKED, *(f"{path}{more}" for path in ASKED for more in "/x")]
METHODS = ["GET", "HEAD", "POST", "OPTIONS"]
CHANGING = {"x-request-id", "date"}


def without_shortcut(container: Container) -> ASGIApp:
    app = assemble(container)
    return FrontDoor(app, metrics=app.state.metrics, tell=tell_people)


def with_a_dead_framework(container: Container) -> ASGIApp:
    """What is still answered is answered without it."""
    app = create(container)

    async def dead(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the framework was asked")

    inside: Any = app
    inside._app._app = dead
    return app


def tokens(service: Service) -> list[list[tuple[bytes, bytes]]]:
    def of(client: Client) -> bytes:
        return f"Bearer {client.pair['access_token']}".encode()

    over = service.member()
    over.post("/v1/logout")
    member, admin = of(service.member()), of(service.admin())
    said = [
        member,
        admin,
        of(over),
        b"bearer " + member[7:],
        b"Bearer",
        b"Bearer ",
        b"Basic eDp5",
        b"",
        b"Bearer \xff",
    ]
    return [[], *([(b"authorization", one)] for one in said), [(b"authorization", member), (b"authorization", admin)]]


def facts(answer: httpx.Response) -> tuple[int, bytes, set[tuple[str, str]]]:
    # The framework tells the methods of a route in any order.
    told = [(name, ", ".join(sorted(value.split(", ")))) for name, value in answer.headers.multi_items()]
    headers = {(name, value) for name, value in told if name not in CHANGING}
    return answer.status_code, answer.content, headers


async def test_it_says_what_the_framework_says(service: Service) -> None:
    async with (
        inside(service, build=create) as short,
        inside(service, build=without_shortcut) as long,
    ):
        for headers, query in product(tokens(service), QUERIES):
            for path, method in product(PATHS, METHODS if query in {b"", b"role=admin"} else ["GET"]):
                url = httpx.URL(path, query=query) if query else path
                both = [facts(await client.request(method, url, headers=headers)) for client in (short, long)]
                assert both[0] == both[1], (method, url, headers)


async def test_other_origins_are_the_framework_s_business(service: Service) -> None:
    origin = "https://app.example.org"
    headers = [(b"origin", origin.encode()), *tokens(service)[1]]
    async with inside(service, LATCHKEY_CORS_ORIGINS=origin) as client:
        answers = [await client.get(path, headers=headers) for path in ASKED]
    assert [(answer.status_code, answer.headers["access-control-allow-origin"]) for answer in answers] == [
        (200, origin),
        (200, origin),
    ]


async def test_what_is_asked_plainly_needs_no_framework(service: Service) -> None:
    [nobody, member, admin, over, *_] = tokens(service)
    async with inside(service, build=with_a_dead_framework) as client:
        for path in ASKED:
            statuses = [(await client.get(path, headers=one)).status_code for one in (nobody, member, admin, over)]
            assert statuses == [401, 200, 200, 401]
        answer = await client.get(forward_auth.PATH, params={"role": "moderator"}, headers=member)
        assert (answer.status_code, answer.json()["code"]) == (403, "role_required")
        assert (await client.get("/v1/sessions", headers=member)).status_code == 500


@pytest.mark.parametrize("path", ASKED)
async def test_it_is_counted_like_any_other(service: Service, path: str) -> None:
    [nobody, member, *_] = tokens(service)
    async with inside(service) as client:
        for headers in (nobody, member, member):
            await client.get(path, headers=headers)
        numbers = (await client.get("/metrics")).text
    for status, number in ((200, 2), (401, 1)):
        assert f'latchkey_http_requests_total{{method="GET",route="{path}",status="{status}"}} {number}.0' in numbers
    assert 'latchkey_refusals_total{code="token_missing"} 1.0' in numbers
