"""What other systems compute from a password, given the settings in a hash and the bytes of the password."""

import hashlib
import re
from base64 import b64decode

import bcrypt
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from adapters.passwords.md5_crypt import md5_crypt

Match = re.Match[str]


def from_base64(text: str) -> bytes:
    """With or without padding; passlib writes a dot for a plus. Raises ValueError."""
    bare = text.rstrip("=").replace(".", "+")
    return b64decode(bare + "=" * (-len(bare) % 4), validate=True)


def pbkdf2(match: Match, secret: bytes) -> bytes:
    """RFC 8018 section 5.2, as long as its hash."""
    return hashlib.pbkdf2_hmac(_group(match, "hash") or "sha1", secret, _salt(match), int(match["rounds"]))


def scrypt(match: Match, secret: bytes, *, size: int, salt_end: bytes = b"") -> bytes:
    """RFC 7914, `size` bytes of it."""
    n, r, p = scrypt_parameters(match)
    maxmem = 128 * r * (n + p + 2) + 1024
    return hashlib.scrypt(secret, salt=_salt(match) + salt_end, n=n, r=r, p=p, maxmem=maxmem, dklen=size)


def scrypt_parameters(match: Match) -> tuple[int, int, int]:
    """N, r and p. A hash has N, or its logarithm."""
    n = _group(match, "n")
    return int(n) if n else 1 << int(match["log_n"]), int(match["r"]), int(match["p"])


def better_auth(match: Match, secret: bytes) -> bytes:
    """The salt is the hexadecimal text itself (@better-auth/utils, src/password.ts)."""
    return hashlib.scrypt(secret, salt=match["salt"].encode(), n=16384, r=16, p=1, maxmem=2**26, dklen=64)


def firebase(match: Match, secret: bytes) -> bytes:
    """The signer key of the project, encrypted with a key derived from the password (firebase/scrypt, main.c)."""
    separator = _group(match, "separator64")
    key = scrypt(match, secret, size=32, salt_end=from_base64(separator) if separator else b"")
    return Cipher(AES(key), CTR(bytes(16))).encryptor().update(from_base64(match["signer64"]))


def bcrypted(match: Match, secret: bytes) -> bytes:
    # bcrypt reads 72 bytes, and the system that made this hash dropped the rest.
    return bcrypt.hashpw(secret[:72], match["salt"].encode())[-31:]


def bcrypted_sha256(match: Match, secret: bytes) -> bytes:
    """Django's way around the 72 bytes."""
    return bcrypted(match, hashlib.sha256(secret).hexdigest().encode())


def hashed(match: Match, secret: bytes) -> bytes:
    return hashlib.new(match["hash"], _salt(match) + secret, usedforsecurity=False).digest()


def md5_crypted(match: Match, secret: bytes) -> bytes:
    return md5_crypt(secret, _salt(match), match["magic"].encode())


def _salt(match: Match) -> bytes:
    """Some systems write it as text, some in base64."""
    text = _group(match, "salt")
    return from_base64(match["salt64"]) if text is None else text.encode()


def _group(match: Match, name: str) -> str | None:
    """None also for a group that the scheme does not have."""
    value: str | None = match.groupdict().get(name)
    return value
