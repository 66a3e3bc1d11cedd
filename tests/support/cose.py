"""Keys of authenticators: signatures, and public keys in COSE (RFC 9052, RFC 9053, RFC 8230)."""

from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey

ES256, EDDSA, RS256 = -7, -8, -257


def algorithm_of(key: PrivateKey) -> int:
    algorithm: int = cose_parameters(key)[3]
    return algorithm


def cose_key(key: PrivateKey) -> bytes:
    return cbor2.dumps(cose_parameters(key))


def cose_parameters(key: PrivateKey) -> dict[int, Any]:
    match key:
        case EllipticCurvePrivateKey():
            numbers = key.public_key().public_numbers()
            x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
            return {1: 2, 3: ES256, -1: 1, -2: x, -3: y}
        case Ed25519PrivateKey():
            return {1: 1, 3: EDDSA, -1: 6, -2: key.public_key().public_bytes_raw()}
        case RSAPrivateKey():
            modulus = key.public_key().public_numbers().n.to_bytes(key.key_size // 8, "big")
            return {1: 3, 3: RS256, -1: modulus, -2: b"\x01\x00\x01"}


def sign(key: PrivateKey, data: bytes) -> bytes:
    match key:
        case EllipticCurvePrivateKey():
            return key.sign(data, ECDSA(SHA256()))
        case Ed25519PrivateKey():
            return key.sign(data)
        case RSAPrivateKey():
            return key.sign(data, PKCS1v15(), SHA256())
