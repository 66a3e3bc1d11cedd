"""Cookies of browser sessions: session id and secret, authenticated by an HMAC."""

import struct
from collections.abc import Sequence
from uuid import UUID

from adapters.tokens.sealed_text import SealedText
from application.sessions.ports import CookieCodec, SessionCookie
from domain.refusals import ErrorCode, Refusal
from domain.session import SECRET_LENGTH

_BODY = struct.Struct(f">16s{SECRET_LENGTH}s")


class ItsDangerousCookieCodec(CookieCodec):
    """`secrets` go from newest to oldest: the first signs, all verify. Raises ValueError for one below 32 bytes."""

    def __init__(self, *, secrets: Sequence[bytes]) -> None:
        self._sealed = SealedText(secrets=secrets, salt="latchkey.cookie", size=_BODY.size)

    def encode(self, cookie: SessionCookie) -> str:
        return self._sealed.seal(_BODY.pack(cookie.session_id.bytes, cookie.secret))

    def decode(self, text: str) -> SessionCookie:
        try:
            session_id, secret = _BODY.unpack(self._sealed.open(text))
        except ValueError:
            raise Refusal(ErrorCode.TOKEN_INVALID, "This session cookie is not valid.") from None
        return SessionCookie(session_id=UUID(bytes=session_id), secret=secret)
