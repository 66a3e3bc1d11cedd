"""The paths of the service and their methods, for HEAD, OPTIONS, 405 and CORS preflights."""

import re
from collections.abc import Iterator

from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp

from entrypoints.http.endpoint import NO_OPTIONS, PAGE, PLAIN

_PARAMETER = re.compile(r"\{\w+:(\w+)\}")
_SEGMENT = r"(?!\.)[^/;]+"
_VALUES = {"path": rf"{_SEGMENT}(?:/{_SEGMENT})*", "uuid": "[0-9A-Fa-f-]+"}
"""The patterns of parameters that are not any one segment."""


class Path:
    """A path of the service. HEAD is allowed wherever GET is (RFC 9110 section 9.1), and OPTIONS unless a route of
    the path is declared without it.
    """

    def __init__(self, template: str) -> None:
        self.template = template
        self.methods = frozenset[str]()
        self.allow = ""
        self.plain: ASGIApp | None = None
        """The plain ASGI application that answers GET, if there is one."""
        self.is_page = False

    def add(self, route: HTTPRoute) -> None:
        allowed = {*self.methods, *map(str, route.methods), "OPTIONS"}
        if "GET" in allowed:
            allowed.add("HEAD")
        for handler in route.route_handlers:
            self.plain = self.plain or handler.opt.get(PLAIN)
            self.is_page = self.is_page or bool(handler.opt.get(PAGE))
            if handler.opt.get(NO_OPTIONS):
                allowed.discard("OPTIONS")
        self.methods = frozenset(allowed)
        self.allow = ", ".join(sorted(allowed))


class Paths:
    """Every path has one spelling: no percent-encoding, no doubled or trailing slash, no parameters after `;`. So a
    client cannot bypass a proxy's rule for a path by another spelling.
    """

    def __init__(self, app: Litestar) -> None:
        self._plain: dict[str, Path] = {}
        self._patterns: dict[re.Pattern[str], Path] = {}
        known: dict[str, Path] = {}
        typed: dict[str, str] = {}
        for route in app.routes:
            if isinstance(route, HTTPRoute):
                known.setdefault(route.path_format, Path(route.path_format)).add(route)
                typed[route.path_format] = route.path
        for template, path in known.items():
            if "{" in template:
                kinds = [match[1] for match in _PARAMETER.finditer(typed[template])]
                values = [_VALUES.get(kind, _SEGMENT) for kind in kinds]
                pieces = [re.escape(piece) for piece in _PARAMETER.sub("{}", typed[template]).split("{}")]
                pattern = "".join(piece + value for piece, value in zip(pieces, [*values, ""], strict=True))
                self._patterns[re.compile(pattern)] = path
            else:
                self._plain[template] = path

    def __iter__(self) -> Iterator[Path]:
        yield from self._plain.values()
        yield from self._patterns.values()

    def find(self, path: str, raw: bytes) -> Path | None:
        """The path of a request, with `raw` as it was sent; None if there is none."""
        if b"%" in raw:
            return None
        path_found = self._plain.get(path)
        if path_found is None:
            for pattern, candidate in self._patterns.items():
                if pattern.fullmatch(path):
                    return candidate
        return path_found
