"""Signing keys in PEM: P-256 (ES256, RFC 7518), Ed25519 (EdDSA, RFC 8037) or RSA (RS256, RFC 7518)."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_RSA_BITS = range(2048, 8192 + 1)
"""The minimum is that of RFC 7518 section 3.3. Signing takes cubic time in the size, and blocks other requests."""
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
_PARAMETERS = b"EC PARAMETERS"
"""`openssl ecparam -genkey` writes this block before the key, which names its curve itself."""


class Algorithm(StrEnum):
    """Signature algorithms of access tokens (RFC 7518 section 3.1, RFC 8037 section 3.1)."""

    ES256 = "ES256"
    EDDSA = "EdDSA"
    RS256 = "RS256"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """`kid` is the thumbprint of the public part (RFC 7638). Without a private part a key only verifies."""

    kid: str
    alg: Algorithm
    private: PrivateKey | None = field(repr=False)
    public: PublicKey = field(repr=False)

    @classmethod
    def of(cls, key: object) -> Self:
        """Raises ValueError for a key of another kind."""
        private = key if isinstance(key, PrivateKey) else None
        public = key if private is None else private.public_key()
        if isinstance(public, PublicKey):
            alg = _algorithm(public)
            canonical = json.dumps(_jwk(public), sort_keys=True, separators=(",", ":"))
            kid = _base64url(hashlib.sha256(canonical.encode()).digest())
            return cls(kid=kid, alg=alg, private=private, public=public)
        raise ValueError(_KINDS)

    @property
    def jwk(self) -> dict[str, str]:
        """The public part alone (RFC 7517)."""
        return {**_jwk(self.public), "kid": self.kid, "use": "sig", "alg": str(self.alg)}


_KINDS = "not an unencrypted P-256, Ed25519 or RSA key in PEM"


def read_pem(pem: bytes) -> SigningKey:
    """The one key in a PEM file. Text around it is ignored (RFC 7468 section 2).

    Raises ValueError with a text that never quotes the file.
    """
    blocks = [block for block in _BLOCK.finditer(pem) if block[1] != _PARAMETERS]
    begun = pem.count(b"-----BEGIN ") - pem.count(b"-----BEGIN " + _PARAMETERS)
    if begun != 1:
        raise ValueError("not one PEM key")
    if not blocks:
        raise ValueError(_KINDS)
    text = b"\n".join(line.strip() for line in blocks[0][0].splitlines()) + b"\n"
    try:
        if b"PUBLIC KEY" in blocks[0][1]:
            key: object = serialization.load_pem_public_key(text)
        else:
            key = serialization.load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's message may quote the file.
        raise ValueError(_KINDS) from None
    return SigningKey.of(key)


def new_pem(algorithm: Algorithm, before: SigningKey | None = None) -> tuple[SigningKey, bytes]:
    """A new key and its PEM. An RSA key has the size of the one before."""
    match algorithm:
        case Algorithm.ES256:
            private: PrivateKey = ec.generate_private_key(ec.SECP256R1())
        case Algorithm.EDDSA:
            private = ed25519.Ed25519PrivateKey.generate()
        case Algorithm.RS256:
            public = None if before is None else before.public
            bits = public.key_size if isinstance(public, rsa.RSAPublicKey) else _RSA_BITS.start
            private = rsa.generate_private_key(65537, bits)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SigningKey.of(private), pem


def _algorithm(public: PublicKey) -> Algorithm:
    """Raises ValueError for another curve or an unsupported size."""
    match public:
        case ed25519.Ed25519PublicKey():
            return Algorithm.EDDSA
        case ec.EllipticCurvePublicKey():
            if public.curve.name != ec.SECP256R1.name:
                raise ValueError(_KINDS)
            return Algorithm.ES256
        case rsa.RSAPublicKey():
            if public.key_size not in _RSA_BITS:
                raise ValueError(
                    f"an RSA key has {_RSA_BITS.start} to {_RSA_BITS.stop - 1} bits, this has another size"
                )
            return Algorithm.RS256


def _jwk(public: PublicKey) -> dict[str, str]:
    """The members that RFC 7638 hashes (RFC 8037; RFC 7518 sections 6.2.1 and 6.3.1)."""
    match public:
        case ed25519.Ed25519PublicKey():
            return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(public.public_bytes_raw())}
        case ec.EllipticCurvePublicKey():
            at = public.public_numbers()
            x, y = _base64url(at.x.to_bytes(32, "big")), _base64url(at.y.to_bytes(32, "big"))
            return {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        case rsa.RSAPublicKey():
            numbers = public.public_numbers()
            return {"kty": "RSA", "n": _unsigned(numbers.n), "e": _unsigned(numbers.e)}


def _unsigned(number: int) -> str:
    """In as few bytes as possible (Base64urlUInt, RFC 7518 section 2)."""
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
