"""Where a person goes after signing in: a path of ours, or a protected page of another origin in signed text."""

import re
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from litestar.types import HTTPScope

from application.sessions.ports import ReturnSigner
from entrypoints.http.request import header_values

_LOCAL = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
"""A path with its query: no backslash, no second slash in front, no control character or blank."""
_LONGEST = 2048


class ReturnTo:
    """`origins` are those of protected pages, for which a proxy asks at `/v1/forward-auth`."""

    def __init__(self, signer: ReturnSigner, *, origins: Sequence[str], public_url: str) -> None:
        self._signer = signer
        self._by_host = {urlsplit(origin).netloc: origin for origin in origins}
        self._origins = frozenset(origins)
        self._public_url = public_url

    def accept(self, text: str) -> str | None:
        """The path of ours, or the URL of a protected page, that a `return_to` names; None for anything else."""
        if len(text) > _LONGEST * 2:
            return None
        if _LOCAL.fullmatch(text):
            return text
        url = self._signer.verify(text)
        return url if url is not None and self.is_protected(url) else None

    def is_protected(self, url: str) -> bool:
        return any(url.startswith(f"{origin}/") for origin in self._origins)

    def sign_in_url(self, scope: HTTPScope) -> str | None:
        """The URL of the sign-in page for a browser that a proxy asks about; None for a program, and for a host that
        is not protected."""
        if not any("text/html" in value for value in header_values(scope, b"accept")):
            return None
        hosts = header_values(scope, b"x-forwarded-host")
        origin = self._by_host.get(hosts[0].lower()) if len(hosts) == 1 else None
        if origin is None:
            return None
        paths = header_values(scope, b"x-forwarded-uri")
        path = paths[0] if len(paths) == 1 and len(paths[0]) <= _LONGEST and _LOCAL.fullmatch(paths[0]) else "/"
        return f"{self._public_url}/sign-in?return_to={quote(self._signer.sign(origin + path))}"
