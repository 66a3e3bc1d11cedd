"""Short binary values with an HMAC-SHA-256 by itsdangerous, as base64url."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from itsdangerous import BadData, HMACAlgorithm, Signer
from itsdangerous.encoding import base64_decode, base64_encode

_MAC = HMACAlgorithm(hashlib.sha256)
_MAC_LENGTH = 32


@dataclass(frozen=True, slots=True)
class SealedText:
    """Each value of `size` bytes has exactly one valid text for each key. The first key signs, all verify."""

    keys: Sequence[bytes] = field(repr=False)
    size: int

    @classmethod
    def of(cls, *, secrets: Sequence[bytes], salt: str, size: int) -> Self:
        """`secrets` go from newest to oldest; `salt` names the purpose. Raises ValueError for a secret below 32
        bytes."""
        if not secrets or min(map(len, secrets)) < 32:
            raise ValueError("signing needs secrets of at least 32 bytes")
        # A Signer would derive its key again for every value.
        derive = Signer(secrets[0], salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)
        return cls([derive.derive_key(secret) for secret in secrets], size)

    def seal(self, body: bytes) -> str:
        return base64_encode(body + _MAC.get_signature(self.keys[0], body)).decode()

    def open(self, text: str) -> bytes:
        """Raises ValueError."""
        try:
            signed = (
                base64_decode(text)
                if len(text) == len(base64_encode(bytes(self.size + _MAC_LENGTH))) and text.isascii()
                else b""
            )
        except BadData as error:
            raise ValueError("not base64url") from error
        body, mac = signed[: self.size], signed[self.size :]
        # base64_decode ignores spare bits and stray characters.
        if base64_encode(signed) != text.encode() or not any(
            _MAC.verify_signature(key, body, mac) for key in self.keys
        ):
            raise ValueError("not canonical, or a wrong signature")
        return body
