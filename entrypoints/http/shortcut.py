"""Past the framework, which costs more than the questions that are asked all day: who is calling?

What is asked plainly is answered here. Anything else (another query, a browser's Origin) goes on to the routes, and
both say the same of everything.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from domain.refusals import Refusal
from entrypoints.http.problems import send_refusal

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Way:
    """`answer` is given all that Authorization says and one of the `queries`; it returns headers and a body, or
    raises a refusal."""

    answer: Callable[[Sequence[str], bytes], Awaitable[tuple[Headers, bytes]]]
    queries: Collection[bytes] = (b"",)


class Shortcut:
    def __init__(self, app: ASGIApp, ways: Mapping[str, Way]) -> None:
        self._app = app
        self._ways = ways

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            way = self._ways.get(scope["path"])
            if way is not None and _is_plain(scope) and scope["query_string"] in way.queries:
                await _answer(way, scope, send)
                return
        await self._app(scope, receive, send)


async def _answer(way: Way, scope: HTTPScope, send: Send) -> None:
    cast("dict[str, Any]", scope)["path_template"] = scope["path"]
    said = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
    try:
        headers, body = await way.answer(said, scope["query_string"])
    except Refusal as refusal:
        await send_refusal(scope, send, refusal)
        return
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _is_plain(scope: HTTPScope) -> bool:
    return scope["method"] == "GET" and all(name != b"origin" for name, _ in scope["headers"])
