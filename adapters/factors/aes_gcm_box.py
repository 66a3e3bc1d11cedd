"""Encryption of stored secrets by AES-256-GCM (NIST SP 800-38D)."""

import hashlib
import os
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.factors.ports import SecretBox

EncryptionKeys = Callable[[], Sequence[bytes]]
"""The present keys, from newest to oldest."""

_VERSION = b"\x01"
_NAME_LENGTH, _NONCE_LENGTH = 8, 12


class AesGcmBox(SecretBox):
    """An encrypted secret is: version, name of the key, nonce, ciphertext with tag. The newest key encrypts, all
    decrypt."""

    def __init__(self, keys: EncryptionKeys) -> None:
        self._keys = keys

    def encrypt(self, secret: bytes, *, context: bytes) -> bytes:
        key = self._keys()[0]
        nonce = os.urandom(_NONCE_LENGTH)
        return _VERSION + key_name(key) + nonce + _cipher(key).encrypt(nonce, secret, context)

    def decrypt(self, encrypted: bytes, *, context: bytes) -> bytes | None:
        key = next((key for key in self._keys() if encrypted.startswith(_VERSION + key_name(key))), None)
        if key is None:
            return None
        body = encrypted[1 + _NAME_LENGTH :]
        try:
            return _cipher(key).decrypt(body[:_NONCE_LENGTH], body[_NONCE_LENGTH:], context)
        except (InvalidTag, ValueError):
            return None

    def is_current(self, encrypted: bytes) -> bool:
        return encrypted.startswith(_VERSION + key_name(self._keys()[0]))


def key_name(key: bytes) -> bytes:
    """Identifies a key without revealing it."""
    return hashlib.sha256(b"latchkey.encryption.name:" + key).digest()[:_NAME_LENGTH]


def _cipher(key: bytes) -> AESGCM:
    """A key is text of at least 32 random bytes, like all secrets of the settings. The cipher needs exactly 32."""
    return AESGCM(hashlib.sha256(b"latchkey.encryption.key:" + key).digest())
