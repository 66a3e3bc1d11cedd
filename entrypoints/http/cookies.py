"""The cookies of browser sessions (RFC 6265bis)."""

from litestar.datastructures import Cookie
from litestar.types import HTTPScope

_A_YEAR = 365 * 24 * 3600


class Cookies:
    """Over https the names begin with `__Host-`: then no other host and no page over http can set them, and only this
    host receives them. Over plain http, which is for development, browsers would refuse such names."""

    def __init__(self, public_url: str) -> None:
        self._secure = public_url.startswith("https:")
        prefix = "__Host-" if self._secure else ""
        self.session, self.step_up = f"{prefix}latchkey", f"{prefix}latchkey-step-up"
        self.language = f"{prefix}latchkey-language"
        """Not a credential: it holds the language that a person has chosen."""
        self._session_start, self._step_up_start = f"{self.session}=".encode(), f"{self.step_up}=".encode()

    def session_of(self, scope: HTTPScope) -> str | None:
        """The session cookie of a request. None if there is none, or more than one: another site of the same domain
        may have set the second."""
        return _value(scope, self._session_start)

    def step_up_of(self, scope: HTTPScope) -> str | None:
        return _value(scope, self._step_up_start)

    def language_of(self, scope: HTTPScope) -> str:
        return _value(scope, f"{self.language}=".encode()) or ""

    def carried_by(self, scope: HTTPScope) -> bool:
        """Whether the request carries a credential."""
        return any(
            name == b"cookie" and (self._session_start in value or self._step_up_start in value)
            for name, value in scope["headers"]
        )

    def with_session(self, value: str, *, max_age: int) -> Cookie:
        return self._cookie(self.session, value, max_age)

    def with_step_up(self, value: str, *, max_age: int) -> Cookie:
        return self._cookie(self.step_up, value, max_age)

    def with_language(self, value: str) -> Cookie:
        """Without a value, the browser deletes the cookie."""
        return self._cookie(self.language, value, _A_YEAR if value else 0)

    def cleared(self) -> list[Cookie]:
        return [self._cookie(name, "", 0) for name in (self.session, self.step_up)]

    def _cookie(self, name: str, value: str, max_age: int) -> Cookie:
        return Cookie(name, "/", value, max_age=max_age, secure=self._secure, httponly=True, samesite="lax")


def _value(scope: HTTPScope, start: bytes) -> str | None:
    found = [
        part[len(start) :]
        for name, header in scope["headers"]
        if name == b"cookie" and start in header
        for part in (piece.strip(b" ") for piece in header.split(b";"))
        if part.startswith(start)
    ]
    return found[0].decode("latin-1") if len(found) == 1 else None
