"""Security headers and CORS headers, which every response carries."""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.http.middleware.cors import Cors

_HEADERS = [
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_NAMES = frozenset(name for name, _ in _HEADERS)


class SecurityHeaders:
    """Does not replace headers that the response has set."""

    def __init__(self, app: ASGIApp, *, cors: Cors) -> None:
        self._app = app
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        cors = self._cors.headers(scope)

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                present = {name for name, _ in headers}
                headers += _HEADERS if present.isdisjoint(_NAMES) else [it for it in _HEADERS if it[0] not in present]
                headers += [it for it in cors if it[0] == b"vary" or it[0] not in present]
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, add)
