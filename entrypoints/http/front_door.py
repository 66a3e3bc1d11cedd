"""Around the application: what holds for every request and every answer, whatever happens inside."""

import re
import time
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, cast
from uuid import uuid4

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from entrypoints.http.problems import problem

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
_NUL = re.compile(rb"\x00|%00")

log = structlog.get_logger()


class FrontDoor:
    """Request ids, one log line a request, security headers, allowed hosts, and who is really calling.

    A forwarded header counts only from a trusted proxy, and of it only what trusted proxies have written. With no
    `hosts` any Host is served: nothing here is ever built from it.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Sequence[str] = (), proxies: Sequence[IPv4Network | IPv6Network] = ()
    ) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._proxies = tuple(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        await self._admit(scope, receive, send)

    async def _admit(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        peer = scope["client"][0] if scope["client"] else ""
        trusted = self._is_proxy(peer)
        request_id = headers.get(b"x-request-id", b"") if trusted else b""
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = uuid4().hex.encode()
        state: dict[str, Any] = cast("dict[str, Any]", scope).setdefault("state", {})
        state["client_ip"] = self._caller(scope, peer) if trusted else peer
        answered = _Answered(send, request_id)
        began = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        try:
            refusal = self._refusal(scope, headers)
            if refusal:
                await answered.refuse(*refusal)
            else:
                await self._app(scope, receive, answered)
        except Exception as error:
            log.error("internal error", exc_info=error)
            await answered.refuse("internal", "")
        finally:
            log.info(
                "request",
                method=scope["method"],
                route=scope.get("path_template") or "-",
                status=answered.status,
                ms=round((time.perf_counter() - began) * 1000, 1),
                ip=state["client_ip"],
            )

    def _refusal(self, scope: HTTPScope, headers: dict[bytes, bytes]) -> tuple[str, str] | None:
        if self._hosts and headers.get(b"host", b"").decode("latin-1").lower().rsplit(":", 1)[0] not in self._hosts:
            return "malformed", "This service does not go by that name."
        raw = scope.get("raw_path") or b""
        if _NUL.search(raw) or _NUL.search(scope["query_string"]) or "\ufffd" in scope["path"]:
            return "malformed", "The address holds what no address may hold."
        return None

    def _is_proxy(self, address: str) -> bool:
        try:
            known = ip_address(address)
        except ValueError:
            return False
        return any(known in network for network in self._proxies)

    def _caller(self, scope: HTTPScope, peer: str) -> str:
        """The nearest address that is not one of ours; only our proxies' own entries lie behind it."""
        said = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        for entry in reversed([word.strip() for word in said.decode("latin-1").split(",")]):
            try:
                ip_address(entry)
            except ValueError:
                break
            peer = entry
            if not self._is_proxy(entry):
                break
        return peer


class _Answered:
    """A send that adds what every answer carries, and remembers the status."""

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

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
        document = problem(code, detail)
        body = msgspec.json.encode(document)
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
        await self({"type": "http.response.start", "status": document.status, "headers": headers})
        await self({"type": "http.response.body", "body": body, "more_body": False})
