"""Request id, access log and metrics: one id, one line and one count for each request."""

import os
import re
import time
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from msgspec import UNSET

from entrypoints.observability.access_log import AccessLogEntry, AccessLogger
from entrypoints.observability.metrics import Metrics

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")


class AccessLog:
    """Adds `status` to the state of a request when the response starts. Reads `route` (the template of the path) and
    `refusal` (the code of a problem document) from the state."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, log: AccessLogger) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        state: dict[str, Any] = scope["state"]
        request_id = (_request_id(scope) if state["by_proxy"] else None) or os.urandom(16).hex()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        header = (b"x-request-id", request_id.encode())

        async def record(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        try:
            await self._app(scope, receive, record)
        finally:
            method, route, status = scope["method"], state.get("route"), state.get("status")
            code, seconds = state.get("refusal"), time.perf_counter() - began
            self._metrics.count_request(method, route, status, seconds=seconds, refusal=code)
            ms, ip = round(seconds * 1000, 1), state["client_ip"]
            self._log(AccessLogEntry(request_id, method, route or "-", status, ms, ip, code or UNSET))


def _request_id(scope: HTTPScope) -> str | None:
    """The request id of the proxy if it is well-formed; the last one if there are several."""
    value = dict(scope["headers"]).get(b"x-request-id", b"")
    return value.decode() if _REQUEST_ID.fullmatch(value) else None
