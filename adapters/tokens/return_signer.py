"""URLs to return to after signing in, signed by itsdangerous: HMAC-SHA-256 and a time."""

import hashlib
from collections.abc import Sequence

from itsdangerous import BadData, URLSafeTimedSerializer

from application.sessions.ports import ReturnSigner

_LIFETIME = 3600
"""Seconds. A sign-in page may stay open for a while."""


class ItsDangerousReturnSigner(ReturnSigner):
    """`secrets` go from newest to oldest: the first signs, all verify."""

    def __init__(self, *, secrets: Sequence[bytes]) -> None:
        self._serializer = URLSafeTimedSerializer(
            list(reversed(secrets)),
            salt="latchkey.return",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    def sign(self, url: str) -> str:
        return str(self._serializer.dumps(url))

    def verify(self, text: str) -> str | None:
        try:
            return str(self._serializer.loads(text, max_age=_LIFETIME))
        except BadData:
            return None
