"""Issue the cookie of a browser session that was just opened."""

import math
from dataclasses import dataclass, field
from uuid import UUID

from application.sessions.ports import CookieCodec, SessionCookie
from domain.session import Lifetimes, Session
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """The result of a sign-in. `max_age` is the longest time, in seconds, for which the cookie can be valid."""

    cookie: str = field(repr=False)
    max_age: int
    session_id: UUID
    locale: str | None
    """The language that the user has chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueCookie:
    cookie_codec: CookieCodec
    lifetimes: Lifetimes

    def __call__(self, session: Session, user: User) -> SignedIn:
        cookie = SessionCookie(session_id=session.id, secret=session.secret)
        return SignedIn(
            cookie=self.cookie_codec.encode(cookie),
            max_age=math.ceil(self.lifetimes.session.total_seconds()),
            session_id=session.id,
            locale=user.locale,
        )
