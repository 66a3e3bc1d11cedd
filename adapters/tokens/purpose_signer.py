"""Signs bytes as URL-safe text by itsdangerous: HMAC-SHA-256 with a key for each purpose."""

import hashlib
from collections.abc import Iterable, Sequence
from enum import StrEnum

from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode

_LONGEST = 512
"""Characters of a signed text."""


class PurposeSigner:
    """`salt` separates these texts from all others under the same secrets. `secrets` go from newest to oldest: the
    first signs, all verify. Raises ValueError for one below 32 bytes."""

    def __init__(self, salt: str, purposes: Iterable[StrEnum], *, secrets: Sequence[bytes]) -> None:
        if not secrets or min(map(len, secrets)) < 32:
            raise ValueError(f"signing by {salt} needs secrets of at least 32 bytes")
        self._signers = {
            purpose: Signer(
                # itsdangerous wants them from oldest to newest.
                list(reversed(secrets)),
                salt=f"{salt}.{purpose}",
                key_derivation="hmac",
                digest_method=hashlib.sha256,
            )
            for purpose in purposes
        }

    def sign(self, body: bytes, purpose: StrEnum) -> str:
        return self._signers[purpose].sign(base64_encode(body)).decode()

    def verify(self, text: str, purpose: StrEnum) -> bytes:
        """Raises ValueError, also for a text of another purpose."""
        try:
            if len(text) > _LONGEST or not text.isascii() or not all(map(_is_canonical, text.split("."))):
                raise ValueError("size or base64")
            return base64_decode(self._signers[purpose].unsign(text))
        except BadData as error:
            raise ValueError(str(error)) from None


def _is_canonical(segment: str) -> bool:
    """itsdangerous also accepts padding, stray characters and spare bits; a signed text has one valid form."""
    return base64_encode(base64_decode(segment)) == segment.encode()
