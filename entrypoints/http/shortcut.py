"""Past the framework, which costs more than what is asked all day: who is calling, and may they go on?

What is asked plainly is answered here. Anything else (another query, a body spelled otherwise) goes on to the routes,
and both say the same of everything.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Method, Receive, ReceiveMessage, Scope, Send

from domain.refusals import Refusal
from entrypoints.http.problems import send_refusal
from entrypoints.http.reading import said_in

Headers = list[tuple[bytes, bytes]]

_DIGITS = 3
"""Of the length of a body that is read here."""


@dataclass(frozen=True, slots=True)
class Way:
    """`answer` is given a request and its body, which is JSON of that `spelling`, or nothing where there is none; it
    returns headers and a body, or raises a refusal."""

    answer: Callable[[HTTPScope, bytes], Awaitable[tuple[Headers, bytes]]]
    queries: Collection[bytes] = (b"",)
    spelling: re.Pattern[bytes] | None = None


class Shortcut:
    def __init__(self, app: ASGIApp, ways: Mapping[tuple[Method, str], Way]) -> None:
        self._app = app
        self._ways = ways

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            way = self._ways.get((scope["method"], scope["path"]))
            if way is not None and scope["query_string"] in way.queries:
                body: bytes | None = b""
                if way.spelling is not None:
                    body, receive = await _read(way.spelling, scope, receive)
                if body is not None:
                    await _answer(way, scope, body, send)
                    return
        await self._app(scope, receive, send)


async def _read(spelling: re.Pattern[bytes], scope: HTTPScope, receive: Receive) -> tuple[bytes | None, Receive]:
    """The body, if it is simple and complete; and how the next reader may read it."""
    lengths = said_in(scope, b"content-length")
    if said_in(scope, b"content-type") != ["application/json"] or len(lengths) != 1 or len(lengths[0]) > _DIGITS:
        return None, receive
    begun = await receive()
    if begun["type"] == "http.request" and not begun["more_body"] and spelling.fullmatch(begun["body"]):
        return begun["body"], receive
    return None, _resumed(begun, receive)


def _resumed(begun: ReceiveMessage, receive: Receive) -> Receive:
    unread = [begun]

    async def resumed() -> ReceiveMessage:
        return unread.pop() if unread else await receive()

    return resumed


async def _answer(way: Way, scope: HTTPScope, body: bytes, send: Send) -> None:
    try:
        headers, answer = await way.answer(scope, body)
    except Refusal as refusal:
        await send_refusal(scope, send, refusal)
        return
    headers.append((b"content-length", b"%d" % len(answer)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer, "more_body": False})
