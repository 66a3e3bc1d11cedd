"""Ports of logins and browser sessions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from uuid import UUID

from domain.session import Session
from domain.tokens import AccessToken
from domain.user import User

Result = TypeVar("Result")
Issue = Callable[[Session, User], Result]
"""Makes the result of a login from the opened session: a token pair, or the cookie of a browser session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCookie:
    """The content of the cookie of a browser session."""

    session_id: UUID
    secret: bytes = field(repr=False)


class CookieCodec(Protocol):
    """Encodes session cookies as authenticated text, and decodes them, without I/O."""

    def encode(self, cookie: SessionCookie) -> str: ...

    def decode(self, text: str) -> SessionCookie:
        """Raises `token_invalid`."""
        ...


class CallerCache(Protocol):
    """Who the holders of recently presented cookies are. A value may disappear at any time."""

    def get(self, cookie: str) -> AccessToken | None: ...

    def put(self, cookie: str, caller: AccessToken) -> None: ...

    def forget(self, cookie: str) -> None: ...


class ReturnSigner(Protocol):
    """Signs the URLs to which a person returns after signing in, so that a link cannot send them anywhere else."""

    def sign(self, url: str) -> str: ...

    def verify(self, text: str) -> str | None:
        """The URL; None if the text is not genuine, or too old."""
        ...
