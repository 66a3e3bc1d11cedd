"""Answers early refusals, unknown paths and methods, OPTIONS, HEAD and unexpected errors, for all routes."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import structlog
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from entrypoints.http.cross_site import CrossSite
from entrypoints.http.middleware.cors import Cors
from entrypoints.http.paths import Path, Paths
from entrypoints.http.problems import prefix_of, problem, send_problem

log = structlog.get_logger()

SendWithoutRoute = Callable[[HTTPScope, Receive, Send, str, str, dict[str, str]], Awaitable[None]]
"""Answers a request without a route, with a code, a detail and headers."""


_READING = frozenset({"GET", "HEAD"})


class Dispatch:
    """Calls the plain ASGI application of a route, or `app`, which routes to all other handlers.

    Adds `prefix` (of URLs in responses) and `route` (the template of the path) to the state of a request;
    `prefix` is the path of the public URL, which a proxy has removed.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        litestar: Litestar,
        paths: Paths,
        cors: Cors,
        cross_site: CrossSite,
        send_without_route: SendWithoutRoute,
        prefix: str = "",
    ) -> None:
        self._app = app
        self._litestar = litestar
        self._paths = paths
        self._cors = cors
        self._cross_site = cross_site
        self._send_without_route = send_without_route
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope["state"]
        state["prefix"] = self._prefix
        try:
            await self._answer(scope, state, receive, send)
        except Exception as error:
            log.error("internal_error", path=scope["path"], exc_info=error)
            if "status" not in state:
                await _refuse(scope, send, "internal")

    async def _answer(self, scope: HTTPScope, state: dict[str, Any], receive: Receive, send: Send) -> None:
        if "refused" in state:  # by the protocol, which may not have read the path
            await _refuse(scope, send, *state["refused"])
            return
        scope["litestar_app"] = self._litestar
        path = self._paths.find(scope["path"], scope.get("raw_path") or scope["path"].encode())
        state["route"] = path and path.template
        method = scope["method"]
        if detail := state["malformed"]:
            await self._send_without_route(scope, receive, send, "malformed", detail, {})
        elif path is None:
            await self._send_without_route(scope, receive, send, "not_found", self._unknown_path(scope["path"]), {})
        elif method not in path.methods:
            detail, headers = f"This path supports the methods {path.allow}.", {"Allow": path.allow}
            await self._send_without_route(scope, receive, send, "method_not_allowed", detail, headers)
        elif self._cross_site.refuses(scope, path):
            await self._send_without_route(scope, receive, send, "cross_site", "", {})
        elif method == "OPTIONS" and self._cors.refuses(scope, path):
            await _refuse(scope, send, "forbidden", "This origin is not in LATCHKEY_CORS_ORIGINS.")
        elif method == "OPTIONS":
            await self._send_methods(scope, send, path)
        elif path.plain is not None and method in _READING:
            await path.plain(scope, receive, send)
        else:
            # The server drops the content of a response to HEAD.
            inner = cast("HTTPScope", {**scope, "method": "GET"}) if method == "HEAD" else scope
            await self._app(inner, receive, send)

    async def _send_methods(self, scope: HTTPScope, send: Send, path: Path) -> None:
        headers = [(b"allow", path.allow.encode()), *self._cors.preflight(scope, path)]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _unknown_path(self, path: str) -> str:
        if self._prefix and path.startswith(f"{self._prefix}/"):
            return f"The proxy must remove {self._prefix}, the path of LATCHKEY_PUBLIC_URL."
        return "There is nothing at this path. Check for a trailing or double slash and percent-encoding."


async def _refuse(scope: HTTPScope, send: Send, code: str, detail: str = "", status: int | None = None) -> None:
    await send_problem(scope, send, problem(code, detail, status=status, prefix=prefix_of(scope)), {})
