"""Where a person goes after signing in: a path of ours, or a protected page of another origin in signed text."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import SplitResult, quote, urlsplit

from litestar.types import HTTPScope

from application.sessions.ports import ReturnSigner
from entrypoints.http.request import header_values

_LOCAL = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
"""A path with its query: no backslash, no second slash in front, no control character or blank."""
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:[/?#]|$)", re.IGNORECASE)
"""A segment that browsers resolve: it may lead out of the path of the public URL, to another service of the host."""
_LONGEST = 2048


class ReturnTo:
    """`origins` are those of protected pages, for which a proxy asks at `/v1/forward-auth`."""

    def __init__(self, signer: ReturnSigner, *, origins: Sequence[str], public_url: str) -> None:
        self._signer = signer
        self._origins = tuple(origins)
        self._by_host = {(parts.scheme, name): origin for origin in origins for parts, name in _names(origin)}
        self._public_url = public_url

    def accept(self, text: str) -> str | None:
        """The path of ours, or the URL of a protected page, that a `return_to` names; None for anything else."""
        if len(text) > _LONGEST * 2:
            return None
        if _LOCAL.fullmatch(text):
            return None if _DOTS.search(text.partition("?")[0]) else text
        url = self._signer.verify(text)
        return url if url is not None and self.is_protected(url) else None

    def is_protected(self, url: str) -> bool:
        return any(url.startswith(f"{origin}/") for origin in self._origins)

    def page_for(self, scope: HTTPScope, path: str) -> str | None:
        """The URL of a page of ours, from which a browser returns to the page about which a proxy asks; None for a
        program, and for a host that is not protected."""
        if any(name == b"authorization" for name, _ in scope["headers"]):
            return None
        if not any("text/html" in value for value in header_values(scope, b"accept")):
            return None
        origin = self._origin(scope)
        if origin is None:
            return None
        paths = header_values(scope, b"x-forwarded-uri")
        there = paths[0] if len(paths) == 1 and len(paths[0]) <= _LONGEST and _LOCAL.fullmatch(paths[0]) else "/"
        return f"{self._public_url}{path}?return_to={quote(self._signer.sign(origin + there))}"

    def _origin(self, scope: HTTPScope) -> str | None:
        """The protected origin about which a proxy asks. The proxy names the scheme, or https is preferred."""
        hosts, schemes = header_values(scope, b"x-forwarded-host"), header_values(scope, b"x-forwarded-proto")
        if len(hosts) != 1:
            return None
        found = (self._by_host.get((scheme, hosts[0].lower())) for scheme in (*schemes, "https", "http"))
        return next((origin for origin in found if origin is not None), None)


def _names(origin: str) -> Iterator[tuple[SplitResult, str]]:
    """The host of an origin as proxies write it: with and without the port of the scheme."""
    parts = urlsplit(origin)
    yield parts, parts.netloc
    if parts.port is None:
        yield parts, f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"
