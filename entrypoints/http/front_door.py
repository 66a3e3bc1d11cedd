"""Around the application: what holds for every request and every answer, whatever happens inside."""

import re
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, cast
from urllib.parse import unquote_to_bytes
from uuid import uuid4

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from entrypoints.http.problems import problem
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
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]*)(?::[0-9]{1,5})?", re.IGNORECASE)
_NUL = re.compile(rb"\x00|%00")
_SLASH = re.compile(rb"%2f|%5c|\\", re.IGNORECASE)
_FORWARD_AUTH = "/v1/forward-auth"
HEAD_LIMIT = 16 * 1024
"""Bytes of address and headers together."""

log = structlog.get_logger()


class FrontDoor:
    """Request ids, one log line and one count a request, security headers, allowed hosts, and who is really calling.

    A forwarded header counts only from a trusted proxy, and of it only what trusted proxies have written. With no
    `hosts` any Host is served: nothing here is ever built from it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        hosts: Sequence[str] = (),
        proxies: Sequence[IPv4Network | IPv6Network] = (),
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._hosts = frozenset(host.lower().strip("[]") for host in hosts)
        self._proxies = tuple(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        await self._admit(scope, receive, send)

    async def _admit(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        peer = _address(scope["client"][0]) if scope["client"] else None
        request_id = headers.get(b"x-request-id", b"") if self._is_proxy(peer) else b""
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = uuid4().hex.encode()
        state: dict[str, Any] = cast("dict[str, Any]", scope).setdefault("state", {})
        state["client_ip"] = self._caller(scope, peer)
        answered = _Answered(send, request_id)
        began = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        try:
            refusal = self._refusal(scope)
            if refusal:
                await answered.refuse(*refusal)
            else:
                await self._app(scope, receive, answered)
        except Exception as error:
            log.error("internal error", exc_info=error)
            await answered.refuse("internal", "")
        finally:
            method, route, seconds = scope["method"], scope.get("path_template"), time.perf_counter() - began
            code = answered.code or state.get("refusal")
            self._metrics.answered(method, route, answered.status, seconds=seconds, refusal=code)
            log.info(
                "request",
                method=method,
                route=route or "-",
                status=answered.status,
                ms=round(seconds * 1000, 1),
                ip=state["client_ip"],
            )

    def _refusal(self, scope: HTTPScope) -> tuple[str, str] | None:
        headers, path, query = scope["headers"], scope.get("raw_path") or b"", scope["query_string"]
        if len(path) + len(query) + sum(len(name) + len(value) for name, value in headers) > HEAD_LIMIT:
            return "too_large", f"Address and headers have at most {HEAD_LIMIT} bytes."
        hosts = [value for name, value in headers if name == b"host"]
        named = _HOST.fullmatch(hosts[0].decode("latin-1")) if hosts else None
        if len(hosts) > 1 or (named is None and (hosts or scope["http_version"] != "1.0")):
            return "malformed", "There has to be one Host header (RFC 9112, section 3.2)."
        if self._hosts and (named is None or named[1].lower().strip("[]") not in self._hosts):
            return "malformed", "This service does not go by that name."
        if _NUL.search(path) or _SLASH.search(path) or "\ufffd" in scope["path"] or not _is_text(query):
            return "malformed", "The path or query of the URL holds NUL, a quoted slash or no UTF-8."
        if scope["method"] == "OPTIONS" and scope["path"].rstrip("/") == _FORWARD_AUTH:
            # Answered like everywhere else, it would be a yes to a proxy that hands on its caller's method.
            return "method_not_allowed", "A proxy asks by GET, whatever its caller wants."
        return None

    def _is_proxy(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._proxies)

    def _caller(self, scope: HTTPScope, peer: IPv4Address | IPv6Address | None) -> str:
        """The nearest address that is not one of ours; only our proxies' own entries lie behind it."""
        if self._is_proxy(peer):
            said = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
            for word in reversed(said.decode("latin-1").split(",")):
                entry = _address(word.strip())
                if entry is None:
                    break
                peer = entry
                if not self._is_proxy(entry):
                    break
        return "" if peer is None else str(peer)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """One address has one form: not mapped into IPv6, and without a zone, which may be any text."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv4Address):
        return found
    return None if found.scope_id else found.ipv4_mapped or found


def _is_text(quoted: bytes) -> bool:
    if b"%" not in quoted and quoted.isascii():
        return b"\0" not in quoted
    try:
        return "\0" not in unquote_to_bytes(quoted).decode()
    except UnicodeDecodeError:
        return False


class _Answered:
    """A send that adds what every answer carries, and remembers the status, and the code if it has refused itself."""

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None
        self.code: str | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", []))
            present = {name.lower() for name, _ in headers}
            headers += [(name, value) for name, value in _ALWAYS.items() if name not in present]
            headers.append((b"x-request-id", self._request_id))
            message["headers"] = headers
        await self._send(message)

    async def refuse(self, code: str, detail: str) -> None:
        if self.status is not None:
            return
        self.code = code
        document = problem(code, detail)
        body = msgspec.json.encode(document)
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
        if code == "method_not_allowed":
            headers.append((b"allow", b"GET"))
        await self({"type": "http.response.start", "status": document.status, "headers": headers})
        await self({"type": "http.response.body", "body": body, "more_body": False})
