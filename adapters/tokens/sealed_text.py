"""Short binary values with an HMAC-SHA-256 by itsdangerous, as base64url."""

import hashlib
from collections.abc import Sequence

from itsdangerous import BadData, HMACAlgorithm, Signer
from itsdangerous.encoding import base64_decode, base64_encode

_MAC = HMACAlgorithm(hashlib.sha256)
_MAC_LENGTH = 32


class SealedText:
    """Each value of `size` bytes has exactly one valid text for each secret. `secrets` go from newest to oldest: the
    first signs, all verify. `salt` names the purpose. Raises ValueError for a secret below 32 bytes."""

    def __init__(self, *, secrets: Sequence[bytes], salt: str, size: int) -> None:
        if not secrets or min(map(len, secrets)) < 32:
            raise ValueError("signing needs secrets of at least 32 bytes")
        # A Signer would derive its key again for every value.
        derive = Signer(secrets[0], salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)
        self._keys = [derive.derive_key(secret) for secret in secrets]
        self._size = size
        self._length = len(base64_encode(bytes(size + _MAC_LENGTH)))

    def seal(self, body: bytes) -> str:
        return base64_encode(body + _MAC.get_signature(self._keys[0], body)).decode()

    def open(self, text: str) -> bytes:
        """Raises ValueError."""
        try:
            signed = base64_decode(text) if len(text) == self._length and text.isascii() else b""
        except BadData as error:
            raise ValueError("not base64url") from error
        body, mac = signed[: self._size], signed[self._size :]
        # base64_decode ignores spare bits and stray characters.
        if base64_encode(signed) != text.encode() or not self._is_signed(body, mac):
            raise ValueError("not canonical, or a wrong signature")
        return body

    def _is_signed(self, body: bytes, mac: bytes) -> bool:
        return any(_MAC.verify_signature(key, body, mac) for key in self._keys)
