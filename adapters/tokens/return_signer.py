"""URLs to return to after signing in, signed by itsdangerous: HMAC-SHA-256 and a time."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from itsdangerous import BadData, URLSafeTimedSerializer

from application.ports import Clock
from application.sessions.ports import ReturnSigner

LIFETIME = timedelta(hours=1)
"""A sign-in page may stay open for a while."""
CLOCK_SKEW = timedelta(seconds=30)
"""How far the clock of the process that signed may be ahead of ours."""


class ItsDangerousReturnSigner(ReturnSigner):
    """`secrets` go from newest to oldest: the first signs, all verify. Raises ValueError for one below 32 bytes."""

    def __init__(self, *, secrets: Sequence[bytes], clock: Clock) -> None:
        if not secrets or min(map(len, secrets)) < 32:
            raise ValueError("signing needs secrets of at least 32 bytes")
        self._clock = clock
        self._serializer = URLSafeTimedSerializer(
            # itsdangerous wants them from oldest to newest.
            list(reversed(secrets)),
            salt="latchkey.return",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    def sign(self, url: str) -> str:
        return str(self._serializer.dumps(url))

    def verify(self, text: str) -> str | None:
        if not text.isascii():
            return None
        try:
            url, signed_at = self._serializer.loads(text, return_timestamp=True)
        except BadData:
            return None
        return str(url) if -CLOCK_SKEW <= self._clock() - signed_at <= LIFETIME else None
