"""Encryption of stored secrets by AES-256-GCM (NIST SP 800-38D)."""

import hashlib
import os
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.factors.ports import SecretBox
from domain.messages import translatable
from domain.refusals import unavailable

EncryptionKeys = Callable[[], Sequence[bytes]]
"""The current keys, from newest to oldest."""

_VERSION = b"\x01"
_NAME_LENGTH, _NONCE_LENGTH = 8, 12
HEADER_LENGTH = len(_VERSION) + _NAME_LENGTH


class AesGcmBox(SecretBox):
    """An encrypted secret is: version and name of the key (the header), nonce, ciphertext with tag. The newest key
    encrypts, all decrypt. For a secret of an unknown key, `reload` reads the keys again: another process may have
    read them before. Without keys, nothing can be encrypted: raises `unavailable`."""

    def __init__(self, keys: EncryptionKeys, *, reload: Callable[[], None] = lambda: None) -> None:
        self._keys, self._reload = keys, reload

    def encrypt(self, secret: bytes, *, context: bytes) -> bytes:
        keys = self._keys()
        if not keys:
            raise unavailable(translatable("The enrolment of authenticator apps"))
        key = keys[0]
        nonce = os.urandom(_NONCE_LENGTH)
        return header(key) + nonce + _cipher(key).encrypt(nonce, secret, context)

    def decrypt(self, encrypted: bytes, *, context: bytes) -> bytes | None:
        key = self._key_of(encrypted)
        if key is None:
            self._reload()
            key = self._key_of(encrypted)
        if key is None:
            return None
        body = encrypted[HEADER_LENGTH:]
        try:
            return _cipher(key).decrypt(body[:_NONCE_LENGTH], body[_NONCE_LENGTH:], context)
        except (InvalidTag, ValueError):
            return None

    def is_current(self, encrypted: bytes) -> bool:
        return any(encrypted.startswith(header(key)) for key in self._keys()[:1])

    def _key_of(self, encrypted: bytes) -> bytes | None:
        return next((key for key in self._keys() if encrypted.startswith(header(key))), None)


def header(key: bytes) -> bytes:
    """The beginning of all secrets that the key has encrypted. It does not reveal the key."""
    return _VERSION + hashlib.sha256(b"latchkey.encryption.name:" + key).digest()[:_NAME_LENGTH]


def _cipher(key: bytes) -> AESGCM:
    """A key is text of at least 32 random bytes, like all secrets of the settings. The cipher needs exactly 32."""
    return AESGCM(hashlib.sha256(b"latchkey.encryption.key:" + key).digest())
