"""Around the application: what holds for every request and every answer, whatever happens inside."""

import os
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache, partial
from ipaddress import IPv4Network, IPv6Network
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from msgspec import UNSET

from adapters.caller import Caller, serve
from adapters.postgres.deadline import start_deadline
from entrypoints.http.client_address import ClientAddresses
from entrypoints.http.cors import Cors, Headers
from entrypoints.http.paths import Path, Paths
from entrypoints.http.problems import prefix_of, problem, send_problem
from entrypoints.logs import RequestLine, Tell
from entrypoints.metrics import Metrics

_ALWAYS = {
    b"strict-transport-security": b"max-age=31536000; includeSubDomains",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",
}
_ALL = list(_ALWAYS.items())
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_HOST = re.compile(rb"(\[[0-9a-f:.]+\]|[a-z0-9._-]*)(?::[0-9]{1,5})?", re.IGNORECASE)
_ODD = re.compile(rb"\x00|%00|%2f|%5c|\\", re.IGNORECASE)
_HEALTH, _MACHINES = ("/health/",), ("/health/", "/v1/", "/.well-known/")
"""Where any host may be named: programs and proxies ask by whatever name or address they know."""

log = structlog.get_logger()

WithoutRoute = Callable[[HTTPScope, Receive, Send, str, str, dict[str, str]], Awaitable[None]]
"""Answers a request for which there is no route: with a code, a detail and headers."""


class FrontDoor:
    """Request ids, one log line and one count a request, security headers, CORS, allowed hosts, the paths and methods
    that there are, and who is really calling.

    With no `hosts` any Host is served: nothing here is ever built from it. `page_hosts` stand in for them where only
    pages are not for any Host. `prefix` is the path of the public URL, which a proxy has removed.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        paths: Paths,
        metrics: Metrics,
        tell: Tell,
        hosts: Sequence[str] = (),
        page_hosts: Sequence[str] = (),
        proxies: Sequence[IPv4Network | IPv6Network] = (),
        origins: Sequence[str] = (),
        prefix: str = "",
        without_route: WithoutRoute | None = None,
    ) -> None:
        self._app = app
        self._paths = paths
        self._metrics = metrics
        self._tell = tell
        self._hosts = frozenset(host.lower().strip("[]").encode() for host in hosts or page_hosts)
        self._by_any_host = _HEALTH if hosts else _MACHINES
        self._addresses = ClientAddresses(proxies)
        self._cors = Cors(origins)
        self._prefix = prefix
        self._without_route = without_route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            # For the server, which bounds the connections of one client: this is in the state of every connection.
            cast("dict[str, Any]", scope).setdefault("state", {})["is_proxy"] = self._addresses.is_proxy
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        ip, trusted = self._addresses.of(scope)
        request_id = (_request_id(scope) if trusted else None) or os.urandom(16).hex()
        state: dict[str, Any] = cast("dict[str, Any]", scope).setdefault("state", {})
        state["client_ip"] = ip
        state["prefix"] = self._prefix
        method = scope["method"]
        answered = _Answered(scope, send, request_id, self._cors.headers(scope))
        refused = state.get("refused")  # by the server, which may not have read the path
        path = None if refused else self._paths.find(scope["path"], scope.get("raw_path") or scope["path"].encode())
        structlog.contextvars.bind_contextvars(request_id=request_id)
        start_deadline()
        serve(Caller(ip=ip, hung_up=partial(_hung_up, receive)))
        try:
            refusal = refused or self._refusal(scope)
            if refusal:
                await answered.refuse(*refusal)
            elif path is None:
                await self._refuse(scope, receive, answered, "not_found", self._nothing_at(scope["path"]))
            elif method not in path.methods:
                detail = f"This path supports the methods {path.allow}."
                await self._refuse(scope, receive, answered, "method_not_allowed", detail, Allow=path.allow)
            elif method == "OPTIONS" and self._cors.refuses(scope, path):
                await answered.refuse("forbidden", "This origin is not in LATCHKEY_CORS_ORIGINS.")
            elif method == "OPTIONS":
                await answered.tell_methods(path, self._cors.preflight(scope, path))
            else:
                # The server drops the content of an answer to HEAD.
                inner = cast("HTTPScope", {**scope, "method": "GET"}) if method == "HEAD" else scope
                await self._app(inner, receive, answered)
        except Exception as error:
            log.error("internal_error", path=scope["path"], exc_info=error)
            await answered.refuse("internal", "")
        finally:
            route, seconds = path.template if path else None, time.perf_counter() - began
            code = answered.code or state.get("refusal")
            self._metrics.answered(method, route, answered.status, seconds=seconds, refusal=code)
            ms = round(seconds * 1000, 1)
            self._tell(RequestLine(request_id, method, route or "-", answered.status, ms, ip, code or UNSET))

    async def _refuse(
        self, scope: HTTPScope, receive: Receive, answered: "_Answered", code: str, detail: str, **headers: str
    ) -> None:
        if self._without_route is None:
            await answered.refuse(code, detail, headers=headers)
        else:
            await self._without_route(scope, receive, answered, code, detail, headers)

    def _nothing_at(self, path: str) -> str:
        if self._prefix and path.startswith(f"{self._prefix}/"):
            return f"The proxy must remove {self._prefix}, the path of LATCHKEY_PUBLIC_URL."
        return "There is nothing at this path. Check for a trailing or double slash and percent-encoding."

    def _refusal(self, scope: HTTPScope) -> tuple[str, str] | None:
        path, query = scope.get("raw_path") or b"", scope["query_string"]
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        named = _host_in(hosts[0]) if hosts else None
        if len(hosts) > 1 or (named is None and (hosts or scope["http_version"] != "1.0")):
            return "malformed", "Exactly one Host header is required (RFC 9112, section 3.2)."
        if self._hosts and named not in self._hosts and not scope["path"].startswith(self._by_any_host):
            return "malformed", "Unknown Host header: the host is not in LATCHKEY_ALLOWED_HOSTS."
        if _ODD.search(path) or "\ufffd" in scope["path"] or not _is_text(query):
            return "malformed", "The URL must not contain NUL, encoded slashes or invalid UTF-8."
        return None


async def _hung_up(receive: Receive) -> None:
    """Once the request has been read, there is nothing to receive until the connection is closed."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _request_id(scope: HTTPScope) -> str | None:
    """The last that was sent, if it is one."""
    said = dict(scope["headers"]).get(b"x-request-id", b"")
    return said.decode() if _REQUEST_ID.fullmatch(said) else None


@lru_cache(256)
def _host_in(said: bytes) -> bytes | None:
    """The host that a header names, in lower case and without a port; None where it is none."""
    named = _HOST.fullmatch(said)
    return None if named is None else named[1].lower().strip(b"[]")


def _is_text(quoted: bytes) -> bool:
    if not quoted:
        return True
    if b"%" not in quoted and quoted.isascii():
        return b"\0" not in quoted
    try:
        return "\0" not in unquote_to_bytes(quoted).decode()
    except UnicodeDecodeError:
        return False


class _Answered:
    """A send that adds what every answer carries, and remembers the status, and the code if it has refused itself."""

    def __init__(self, scope: HTTPScope, send: Send, request_id: str, cors: Headers) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self._cors = cors
        self.status: int | None = None
        self.code: str | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += _ALL if present.isdisjoint(_ALWAYS) else [it for it in _ALL if it[0] not in present]
            headers += [it for it in self._cors if it[0] == b"vary" or it[0] not in present]
            headers.append((b"x-request-id", self._request_id.encode()))
            message["headers"] = headers
        await self._send(message)

    async def tell_methods(self, path: Path, cors: Headers) -> None:
        headers = [(b"allow", path.allow.encode()), *cors]
        await self({"type": "http.response.start", "status": 204, "headers": headers})
        await self({"type": "http.response.body", "body": b"", "more_body": False})

    async def refuse(
        self, code: str, detail: str, status: int | None = None, *, headers: dict[str, str] | None = None
    ) -> None:
        if self.status is not None:
            return
        self.code = code
        document = problem(code, detail, status=status, prefix=prefix_of(self._scope))
        await send_problem(self, document, headers or {})
