"""Refresh tokens: session, generation and an HMAC-SHA-256 by itsdangerous, in base64url."""

import hashlib
import struct
from collections.abc import Sequence
from uuid import UUID

from itsdangerous import BadData, HMACAlgorithm, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from application.ports import RefreshTokenCodec
from domain.refusals import ErrorCode, Refusal
from domain.tokens import RefreshToken

_MAC = HMACAlgorithm(hashlib.sha256)
_BODY = struct.Struct(">16sI")
_LENGTH = len(base64_encode(bytes(_BODY.size + 32)))


class ItsDangerousRefreshCodec(RefreshTokenCodec):
    """`secrets` go from newest to oldest: the first signs, all verify. Raises ValueError for one below 32 bytes."""

    def __init__(self, *, secrets: Sequence[bytes]) -> None:
        if not secrets or min(map(len, secrets)) < 32:
            raise ValueError("signing refresh tokens needs secrets of at least 32 bytes")
        # A Signer would derive its key again for every token.
        derive = Signer(secrets[0], salt="latchkey.refresh", key_derivation="hmac", digest_method=hashlib.sha256)
        self._keys = [derive.derive_key(secret) for secret in secrets]

    def encode(self, token: RefreshToken) -> str:
        body = _BODY.pack(token.session_id.bytes, token.generation)
        return base64_encode(body + _MAC.get_signature(self._keys[0], body)).decode()

    def decode(self, text: str) -> RefreshToken:
        try:
            signed = base64_decode(text) if len(text) == _LENGTH and text.isascii() else b""
            body, mac = signed[: _BODY.size], signed[_BODY.size :]
            # base64_decode ignores spare bits and stray characters; a token has one valid text.
            if base64_encode(signed) != text.encode() or not self._is_signed(body, mac):
                raise ValueError("not canonical, or a wrong signature")
            session_id, generation = _BODY.unpack(body)
        except (BadData, struct.error, ValueError):
            raise Refusal(ErrorCode.TOKEN_INVALID, "This refresh token is not valid.") from None
        return RefreshToken(session_id=UUID(bytes=session_id), generation=generation)

    def _is_signed(self, body: bytes, mac: bytes) -> bool:
        return any(_MAC.verify_signature(key, body, mac) for key in self._keys)
