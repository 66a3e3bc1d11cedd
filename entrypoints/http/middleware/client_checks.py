"""Checks of the host and the target of a request, and the address of its client."""

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache, partial
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from entrypoints.http.middleware.client_address import ClientAddresses

_HOST = re.compile(rb"(\[[0-9a-f:.]+\]|[a-z0-9._-]*)(?::[0-9]{1,5})?", re.IGNORECASE)
_FORBIDDEN_IN_PATH = re.compile(rb"\x00|%00|%2f|%5c|\\", re.IGNORECASE)
_HEALTH, _MACHINES = ("/health/",), ("/health/", "/v1/", "/.well-known/")
"""Paths that are served for any Host, because programs and proxies use any name or address."""

StartRequest = Callable[[str, Callable[[], Awaitable[None]]], None]
"""Sets the client of this task's request for adapters: its address, and a function that returns when it has
disconnected."""


class ClientChecks:
    """Adds to the state of a request: `client_ip`, `by_proxy` (whether a trusted proxy sent it) and `malformed` (why
    it must be refused).

    Without `hosts` any Host is served, because nothing is built from it. `page_hosts` then limit pages only.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        addresses: ClientAddresses,
        start_request: StartRequest,
        hosts: Sequence[str] = (),
        page_hosts: Sequence[str] = (),
    ) -> None:
        self._app = app
        self._addresses = addresses
        self._start_request = start_request
        self._hosts = frozenset(host.lower().strip("[]").encode() for host in hosts or page_hosts)
        self._by_any_host = _HEALTH if hosts else _MACHINES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: dict[str, Any] = cast("dict[str, Any]", scope).setdefault("state", {})
        if scope["type"] == ScopeType.HTTP:
            ip, by_proxy = self._addresses.of(scope)
            state |= {"client_ip": ip, "by_proxy": by_proxy, "malformed": self._refusal(scope)}
            self._start_request(ip, partial(_hung_up, receive))
        else:
            # For the protocol, which limits the connections of each client.
            state["is_proxy"] = self._addresses.is_proxy
        await self._app(scope, receive, send)

    def _refusal(self, scope: HTTPScope) -> str | None:
        """What is wrong with the Host header or the target."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        named = _host_in(hosts[0]) if hosts else None
        if len(hosts) > 1 or (named is None and (hosts or scope["http_version"] != "1.0")):
            return "Exactly one Host header is required (RFC 9112, section 3.2)."
        if self._hosts and named not in self._hosts and not scope["path"].startswith(self._by_any_host):
            return "Unknown Host header: the host is not in LATCHKEY_ALLOWED_HOSTS."
        path = scope.get("raw_path") or b""
        if _FORBIDDEN_IN_PATH.search(path) or "\ufffd" in scope["path"] or not _is_text(scope["query_string"]):
            return "The URL must not contain NUL, encoded slashes or invalid UTF-8."
        return None


async def _hung_up(receive: Receive) -> None:
    """Return when the client has disconnected. The request must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


@lru_cache(256)
def _host_in(header: bytes) -> bytes | None:
    """The host of a Host header, in lower case and without port; None if it is invalid."""
    named = _HOST.fullmatch(header)
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
