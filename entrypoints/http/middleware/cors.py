"""Cross-origin requests of browsers (Fetch standard section 3.2)."""

import re
from collections.abc import Sequence

from litestar.types import HTTPScope

from entrypoints.http.cross_site import SESSION_TOKEN
from entrypoints.http.paths import Path

Headers = list[tuple[bytes, bytes]]

_EXPOSED = b"Content-Disposition, Retry-After, WWW-Authenticate, X-Request-ID"
_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ALWAYS = {b"authorization", b"content-type"}
"""Header names that our calls need and `*` does not cover."""
_MAX_AGE = b"600"
_PUBLIC = {
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/{path}",
    "/openapi.json",
}
"""Paths that pages of any origin may read."""


class Cors:
    """Pages of `origins` may read every response, also refusals. Without origins there are no CORS headers.
    Credentials are allowed at one path only, which takes a cookie; elsewhere, a page sets the Authorization header.
    """

    def __init__(self, origins: Sequence[str] = ()) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, scope: HTTPScope) -> Headers:
        """Headers of every response to this request."""
        if not self._origins:
            return []
        origin = self._allowed(scope)
        if origin is None:
            return [(b"vary", b"Origin")]
        return [
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin),
            *([(b"access-control-allow-credentials", b"true")] if scope["path"] == SESSION_TOKEN else []),
            (b"access-control-expose-headers", _EXPOSED),
        ]

    def refuses(self, scope: HTTPScope, path: Path) -> bool:
        """Whether OPTIONS comes from a page whose origin is not allowed."""
        named = any(name == b"origin" for name, _ in scope["headers"])
        return bool(self._origins) and named and self._allowed(scope) is None and path.template not in _PUBLIC

    def preflight(self, scope: HTTPScope, path: Path) -> Headers:
        """Additional headers of a response to OPTIONS. Allows all requested headers by name, because tracing tools
        add headers that are not known here."""
        request_headers = dict(scope["headers"])
        public = path.template in _PUBLIC
        if b"access-control-request-method" not in request_headers or not (public or self._allowed(scope)):
            return []
        names = {
            name.strip().lower() for name in request_headers.get(b"access-control-request-headers", b"").split(b",")
        }
        names = {name for name in names if _NAME.fullmatch(name)} | _ALWAYS
        return [
            *([(b"access-control-allow-origin", b"*")] if public else []),
            (b"vary", b"Access-Control-Request-Headers"),
            (b"access-control-allow-methods", path.allow.encode()),
            (b"access-control-allow-headers", b", ".join(sorted(names))),
            (b"access-control-max-age", _MAX_AGE),
        ]

    def _allowed(self, scope: HTTPScope) -> bytes | None:
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        return origins[0] if len(origins) == 1 and origins[0] in self._origins else None
