"""Refresh tokens: session and generation, authenticated by an HMAC."""

import struct
from collections.abc import Sequence
from uuid import UUID

from adapters.tokens.sealed_text import SealedText
from application.ports import RefreshTokenCodec
from domain.refusals import ErrorCode, Refusal
from domain.tokens import RefreshToken

_BODY = struct.Struct(">16sI")


class ItsDangerousRefreshCodec(RefreshTokenCodec):
    """`secrets` go from newest to oldest: the first signs, all verify. Raises ValueError for one below 32 bytes."""

    def __init__(self, *, secrets: Sequence[bytes]) -> None:
        self._sealed = SealedText(secrets=secrets, salt="latchkey.refresh", size=_BODY.size)

    def encode(self, token: RefreshToken) -> str:
        return self._sealed.seal(_BODY.pack(token.session_id.bytes, token.generation))

    def decode(self, text: str) -> RefreshToken:
        try:
            session_id, generation = _BODY.unpack(self._sealed.open(text))
        except ValueError:
            raise Refusal(ErrorCode.TOKEN_INVALID, "This refresh token is not valid.") from None
        return RefreshToken(session_id=UUID(bytes=session_id), generation=generation)
