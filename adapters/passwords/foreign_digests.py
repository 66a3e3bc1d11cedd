"""What others computed of a password. Each takes what a row says of its settings, and the password's bytes."""

import hashlib
from base64 import b64decode
from re import Match

import bcrypt
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from adapters.passwords.md5_crypt import md5_crypt

Row = Match[str]


def from_base64(text: str) -> bytes:
    """With or without padding, and with passlib's dot for a plus. Raises ValueError."""
    bare = text.rstrip("=").replace(".", "+")
    return b64decode(bare + "=" * (-len(bare) % 4), validate=True)


def pbkdf2(row: Row, secret: bytes) -> bytes:
    """RFC 8018 section 5.2, as long as its hash."""
    return hashlib.pbkdf2_hmac(_named(row, "hash") or "sha1", secret, _salt(row), int(row["rounds"]))


def scrypt(row: Row, secret: bytes, *, size: int, salt_end: bytes = b"") -> bytes:
    """RFC 7914, `size` bytes of it."""
    n, r, p = scrypt_costs(row)
    room = 128 * r * (n + p + 2) + 1024
    return hashlib.scrypt(secret, salt=_salt(row) + salt_end, n=n, r=r, p=p, maxmem=room, dklen=size)


def scrypt_costs(row: Row) -> tuple[int, int, int]:
    """N, r and p. A row names N, or its logarithm."""
    n = _named(row, "n")
    return int(n) if n else 1 << int(row["log_n"]), int(row["r"]), int(row["p"])


def better_auth(row: Row, secret: bytes) -> bytes:
    """The salt is the hexadecimal text itself (@better-auth/utils, src/password.ts)."""
    return hashlib.scrypt(secret, salt=row["salt"].encode(), n=16384, r=16, p=1, maxmem=2**26, dklen=64)


def firebase(row: Row, secret: bytes) -> bytes:
    """The signer key of the project, encrypted with a key that the password gives (firebase/scrypt, main.c)."""
    separator = _named(row, "separator64")
    key = scrypt(row, secret, size=32, salt_end=from_base64(separator) if separator else b"")
    return Cipher(AES(key), CTR(bytes(16))).encryptor().update(from_base64(row["signer64"]))


def bcrypted(row: Row, secret: bytes) -> bytes:
    # It reads 72 bytes, and the system that made this hash dropped the rest.
    return bcrypt.hashpw(secret[:72], row["salt"].encode())[-31:]


def bcrypted_sha256(row: Row, secret: bytes) -> bytes:
    """Django's way around the 72 bytes."""
    return bcrypted(row, hashlib.sha256(secret).hexdigest().encode())


def hashed(row: Row, secret: bytes) -> bytes:
    return hashlib.new(row["hash"], _salt(row) + secret, usedforsecurity=False).digest()


def md5_crypted(row: Row, secret: bytes) -> bytes:
    return md5_crypt(secret, _salt(row), row["magic"].encode())


def _salt(row: Row) -> bytes:
    """Some write it as text, some in base64."""
    text = _named(row, "salt")
    return from_base64(row["salt64"]) if text is None else text.encode()


def _named(row: Row, group: str) -> str | None:
    found: str | None = row.groupdict().get(group)
    return found
