"""Refuses requests that pages of other sites make in a person's name (CSRF), without tokens in forms."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from litestar.types import HTTPScope

from entrypoints.http.cookies import Cookies
from entrypoints.http.paths import Path
from entrypoints.settings.server import without_implied_port

SESSION_TOKEN = "/v1/session/token"
"""The path that pages of allowed origins may call with the cookie."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class CrossSite:
    """Browsers state where a request comes from: in `Sec-Fetch-Site`, or an unsafe one at least in `Origin`."""

    def __init__(self, public_url: str, cookies: Cookies, *, origins: Sequence[str] = ()) -> None:
        parts = urlsplit(public_url)
        self._own = without_implied_port(f"{parts.scheme}://{parts.netloc}").encode()
        self._cookies = cookies
        self._origins = frozenset(origin.encode() for origin in origins)

    def refuses(self, scope: HTTPScope, path: Path) -> bool:
        """Whether an unsafe request carries the cookie and does not come from this origin. A form of a page is also
        refused without the cookie if another origin sends it: it could sign the person in to a stranger's account.
        With the cookie, other sites may open a page, but not load it as an image, a frame or a script."""
        if scope["method"] in _SAFE:
            return path.is_page and _is_embedded(scope) and self._cookies.carried_by(scope)
        carries = self._cookies.carried_by(scope)
        if not carries and not path.is_page:
            return False
        sites, origins = _values(scope, b"sec-fetch-site"), _values(scope, b"origin")
        if path.template == SESSION_TOKEN and len(origins) == 1 and origins[0] in self._origins:
            return sites not in ([], [b"same-site"], [b"same-origin"])
        if sites:
            return sites != [b"same-origin"]
        return origins != [self._own] if origins else carries


def _is_embedded(scope: HTTPScope) -> bool:
    """Whether a page of another origin loads this as a part of itself."""
    elsewhere = _values(scope, b"sec-fetch-site") in ([b"cross-site"], [b"same-site"])
    return elsewhere and _values(scope, b"sec-fetch-dest") not in ([], [b"document"])


def _values(scope: HTTPScope, header: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == header]
