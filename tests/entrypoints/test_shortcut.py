"""What is asked all day is answered past the framework, and both say the same of everything."""

from collections.abc import AsyncIterator, Callable
from itertools import product
from typing import Any

import httpx
import pytest
from dependency_injector import providers
from litestar.types import ASGIApp, Receive, Scope, Send

from domain.role import Role
from entrypoints.container import Container
from entrypoints.http import forward_auth, me, sessions
from entrypoints.http.app import assemble, create
from entrypoints.http.front_door import FrontDoor
from entrypoints.logs import tell_people
from entrypoints.making import now
from tests.entrypoints.service import PASSWORD, Client, Service
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
    return FrontDoor(app, paths=app.state.paths, metrics=app.state.metrics, tell=tell_people)


def with_a_dead_framework(container: Container) -> ASGIApp:
    """What is still answered is answered without it."""
    app = create(container)

    async def dead(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the framework was asked")

    inside: Any = app
    inside._app._app = dead
    return in_one_piece(app)


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


JSON = (b"content-type", b"application/json")
Body = tuple[list[tuple[bytes, bytes]], bytes]
PLAIN: Body = ([JSON], b'{"refresh_token":"%b"}')
UNDERSTOOD: list[Body] = [
    PLAIN,
    ([JSON], b'{"refresh_token": "%b"}\n'),
    ([JSON], b' {\t"refresh_token" :\r\n"%b" }\n'),
    ([JSON], b'{"refresh_\\u0074oken":"%b"}'),
    ([JSON], PLAIN[1] + b" " * 1000),
    ([(b"content-type", b"application/json; charset=utf-8")], PLAIN[1]),
    ([(b"content-type", b"Application/JSON")], PLAIN[1]),
    ([(b"content-type", b"application/json; charset=latin-1")], PLAIN[1]),
    ([JSON, (b"origin", b"https://app.example.org")], PLAIN[1]),
    ([JSON, (b"authorization", b"Bearer x"), (b"user-agent", b"Lynx"), (b"user-agent", b"\xff")], PLAIN[1]),
]
MISUNDERSTOOD: list[Body] = [
    ([JSON], b'\x0b{"refresh_token":"%b"}'),
    ([JSON], b'{"refresh_token":"%b"}\x0c'),
    ([JSON], b'\xef\xbb\xbf{"refresh_token":"%b"}'),
    ([JSON], b'{"refresh_token":"%b"}{}'),
    ([JSON], b'{"refresh_token":"%b"}\n\n{}'),
    ([JSON], b'{"refresh_token":"%b","refresh_token":"%b"}'),
    ([JSON], b'{"refresh_token":"%b","x":1}'),
    ([JSON], b'{"refresh_token":"%b\\u0000"}'),
    ([JSON], b'{"refresh_token":"%b="}'),
    ([JSON], b'{"refresh_token":["%b"]}'),
    ([JSON], b'["%b"]'),
    ([JSON], b'"%b"'),
    ([JSON], b"%b"),
    ([JSON], b"refresh_token=%b"),
    ([JSON], PLAIN[1] + b" " * 32 * 1024),
    ([JSON, (b"content-length", b"33000")], PLAIN[1]),
    ([], PLAIN[1]),
    ([(b"content-type", b"text/plain")], PLAIN[1]),
    ([JSON, JSON], PLAIN[1]),
]


async def in_two(body: bytes) -> AsyncIterator[bytes]:
    yield body[:-2]
    yield body[-2:]


def in_one_piece(app: ASGIApp) -> ASGIApp:
    """As the server tells a body that has come, and httpx does not."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        told: list[Any] = [await receive()]
        while told[-1]["more_body"]:
            told.append(await receive())
        told = [{**told[0], "body": b"".join(piece["body"] for piece in told), "more_body": False}]

        async def again() -> Any:
            return told.pop() if told else await receive()

        await app(scope, again, send)

    return served


def hung_up(app: ASGIApp) -> ASGIApp:
    """Before the body has come."""

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    async def served(scope: Scope, _: Receive, send: Send) -> None:
        await app(scope, gone, send)

    return served


def whole(app: ASGIApp) -> ASGIApp:
    return app


@pytest.mark.parametrize("arrives", [in_one_piece, whole, hung_up])
async def test_a_session_is_renewed_as_by_the_framework(
    service: Service, arrives: Callable[[ASGIApp], ASGIApp]
) -> None:
    """Whoever asks again at once is given the very same pair."""
    instant = now()

    def at_once(build: Callable[[Container], ASGIApp]) -> Callable[[Container], ASGIApp]:
        def built(container: Container) -> ASGIApp:
            container.clock.override(providers.Object(lambda: instant))
            return arrives(build(container))

        return built

    over = service.member()
    ended = over.pair["refresh_token"]
    over.post("/v1/logout")
    good = service.member().pair["refresh_token"]
    asked = [("POST", "", *body) for body in UNDERSTOOD + MISUNDERSTOOD]
    asked += [("POST", "?x=1", *PLAIN), ("PUT", "", *PLAIN)]
    async with (
        inside(service, build=at_once(create)) as short,
        inside(service, build=at_once(without_shortcut)) as long,
    ):
        for method, more, headers, form in asked:
            for token in (good, ended, "x" * 70, "x", "", "x" * 33_000):
                body, url = form.replace(b"%b", token.encode()), sessions.RENEWING + more
                length = [] if dict(headers).get(b"content-length") else [(b"content-length", b"%d" % len(body))]
                both = [
                    await client.request(method, url, headers=headers + length, content=in_two(body))
                    for client in (short, long)
                ]
                assert facts(both[0]) == facts(both[1]), (method, more, headers, form, token)
                if token == good and arrives is not hung_up:
                    yes = method == "POST" and not more and (headers, form) in UNDERSTOOD
                    assert (both[0].status_code == 200) == yes
                    good = both[0].json()["refresh_token"] if yes else good


WELL: Body = ([JSON], b'{"login":"%b","password":"%b"}')
ENTERING: list[Body] = [
    WELL,
    ([JSON], b'{"login": "%b", "password": "%b"}\n'),
    ([JSON], b'{"password":"%b","login":"%b"}'),
    ([JSON], b'{"login":"%b","password":"%b","x":1}'),
    ([JSON], b'{"login":"%b","password":"%b","password":"%b"}'),
    ([JSON], b'{"login":"%b","password":["%b"]}'),
    ([JSON], b'{"login":"%b"}'),
    ([JSON], b'{"login":"%b","password":""}'),
    ([JSON], b'{"login":"%b","password":"%b"}{}'),
    ([(b"content-type", b"text/plain")], WELL[1]),
]
PEOPLE_SAY = (PASSWORD, "wrong", "naïve", "🚀", r"\"", r"\u0000", r"\ud800", "\\", "\n", "\x7f", "x" * 900)


@pytest.mark.parametrize("arrives", [in_one_piece, whole])
async def test_one_logs_in_as_by_the_framework(service: Service, arrives: Callable[[ASGIApp], ASGIApp]) -> None:
    email = service.user("member")
    async with (
        inside(service, LATCHKEY_RATE_LIMITS="off", build=lambda container: arrives(create(container))) as short,
        inside(service, LATCHKEY_RATE_LIMITS="off", build=without_shortcut) as long,
    ):
        for (headers, form), said in product(ENTERING, PEOPLE_SAY):
            secret = said.encode()
            for name in (email, "nobody@example.org", "Nobody"):
                words = name.encode(), secret, secret
                body = form % words[: form.count(b"%b")]
                length = [(b"content-length", b"%d" % len(body))]
                both = [
                    await client.post(sessions.LOGGING_IN, headers=headers + length, content=in_two(body))
                    for client in (short, long)
                ]
                told = [facts(answer) for answer in both]
                assert both[0].status_code == both[1].status_code, (headers, form, said)
                if both[0].status_code == 200:
                    assert both[0].json().keys() == both[1].json().keys()
                    assert {name for name, _ in told[0][2]} == {name for name, _ in told[1][2]}
                else:
                    assert told[0] == told[1], (headers, form, said)


async def test_a_page_elsewhere_is_answered_past_the_framework_too(service: Service) -> None:
    origin = "https://app.example.org"
    headers = [(b"origin", origin.encode()), *tokens(service)[1]]
    async with inside(service, LATCHKEY_CORS_ORIGINS=origin, build=with_a_dead_framework) as client:
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
        for token, status in ((service.member().pair["refresh_token"], 200), ("x", 401)):
            answer = await client.post(sessions.RENEWING, json={"refresh_token": token})
            assert answer.status_code == status
        email = service.user("member")
        for password, status in ((PASSWORD, 200), ("wrong", 401)):
            answer = await client.post(sessions.LOGGING_IN, json={"login": email, "password": password})
            assert answer.status_code == status


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [*(("GET", path, "token_missing") for path in ASKED), ("POST", sessions.RENEWING, "token_invalid")],
)
async def test_it_is_counted_like_any_other(service: Service, method: str, path: str, code: str) -> None:
    [nobody, member, *_] = tokens(service)
    token = service.member().pair["refresh_token"]
    async with inside(service, build=lambda container: in_one_piece(create(container))) as client:
        for headers, word in ((nobody, "x"), (member, token), (member, token)):
            await client.request(method, path, headers=headers, json={"refresh_token": word})
        numbers = (await client.get("/metrics")).text
    for status, number in ((200, 2), (401, 1)):
        labels = f'method="{method}",route="{path}",status="{status}"'
        assert f"latchkey_http_requests_total{{{labels}}} {number}.0" in numbers
    assert f'latchkey_errors_total{{code="{code}"}} 1.0' in numbers
