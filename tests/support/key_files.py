"""Signing keys as files, for tests."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from adapters.tokens.key_files import key_entries, usable_keys
from adapters.tokens.pem_keys import SigningKey

AT = 4_000_000_000
"""In the far future, so that the modification time, which can be set, is later than the change time, which cannot."""

Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey | x25519.X25519PrivateKey
Other = rsa.RSAPrivateKey | dsa.DSAPrivateKey


def private_pem(key: Private | Other, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


def public_pem(key: Private | Other) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def put(folder: Path, name: str, pem: bytes, *, age: float = 0) -> Path:
    """Create a key file `age` seconds before AT; files are sorted by name."""
    file = folder / name
    file.write_bytes(pem)
    os.utime(file, (AT - age, AT - age))
    return file


def load_keys(path: Path) -> list[SigningKey]:
    """Newest first. Raises what `usable_keys` raises."""
    return [entry.key for entry in key_entries(usable_keys(path).values())]
