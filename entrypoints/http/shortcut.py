"""Past the framework, which costs more than what is asked all day: who is calling, and may they go on?

What is asked plainly is answered here. Anything else (another query, a browser's Origin, JSON in another order) goes
on to the routes, and both say the same of everything.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, ReceiveMessage, Scope, Send

from domain.refusals import Refusal
from entrypoints.http.problems import send_refusal

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Way:
    """`answer` is given the request and the word that `json` finds in its body, if it has to have one; it returns
    headers and a body, or raises a refusal."""

    answer: Callable[[HTTPScope, str], Awaitable[tuple[Headers, bytes]]]
    queries: Collection[bytes] = (b"",)
    json: re.Pattern[bytes] | None = None


class Shortcut:
    """`ways` by method and path."""

    def __init__(self, app: ASGIApp, ways: Mapping[tuple[str, str], Way]) -> None:
        self._app = app
        self._ways: Mapping[tuple[Any, str], Way] = ways

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            way = self._ways.get((scope["method"], scope["path"]))
            if way is not None and scope["query_string"] in way.queries and not said(scope, b"origin"):
                word: str | None = ""
                if way.json is not None:
                    word, receive = await _read(way.json, scope, receive)
                if word is not None:
                    await _answer(way, scope, word, send)
                    return
        await self._app(scope, receive, send)


def said(scope: HTTPScope, header: bytes) -> list[str]:
    """All that a request says by that name, which is in lower case."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == header]


async def _read(json: re.Pattern[bytes], scope: HTTPScope, receive: Receive) -> tuple[str | None, Receive]:
    """The word in a body that has come whole and says nothing else; and the body once more, for whoever else asks."""
    if said(scope, b"content-type") != ["application/json"]:
        return None, receive
    begun = await receive()
    whole = begun["type"] == "http.request" and not begun["more_body"]
    found = json.fullmatch(begun["body"]) if begun["type"] == "http.request" and whole else None
    return found and found[1].decode(), _resumed(begun, receive)


def _resumed(begun: ReceiveMessage, receive: Receive) -> Receive:
    unread = [begun]

    async def resumed() -> ReceiveMessage:
        return unread.pop() if unread else await receive()

    return resumed


async def _answer(way: Way, scope: HTTPScope, word: str, send: Send) -> None:
    cast("dict[str, Any]", scope)["path_template"] = scope["path"]
    try:
        headers, body = await way.answer(scope, word)
    except Refusal as refusal:
        await send_refusal(scope, send, refusal)
        return
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
