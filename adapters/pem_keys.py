"""Signing keys, and how they are written: in PEM, Ed25519 (EdDSA, RFC 8037) or P-256 (ES256, RFC 7518) only."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """`kid` is the thumbprint of the public part (RFC 7638); without a private part a key only verifies."""

    kid: str
    alg: str
    private: PrivateKey | None = field(repr=False)
    public: PublicKey = field(repr=False)

    @classmethod
    def of(cls, key: object) -> Self:
        """Raises ValueError for every kind of key but the two."""
        private = key if isinstance(key, PrivateKey) else None
        public = key if private is None else private.public_key()
        if not isinstance(public, PublicKey) or _is_foreign(public):
            raise ValueError("neither an Ed25519 nor a P-256 key")
        alg = "EdDSA" if isinstance(public, ed25519.Ed25519PublicKey) else "ES256"
        canonical = json.dumps(_jwk(public), sort_keys=True, separators=(",", ":"))
        kid = _base64url(hashlib.sha256(canonical.encode()).digest())
        return cls(kid=kid, alg=alg, private=private, public=public)

    @property
    def jwk(self) -> dict[str, str]:
        """The public part alone (RFC 7517)."""
        return {**_jwk(self.public), "kid": self.kid, "use": "sig", "alg": self.alg}


def read_pem(pem: bytes) -> SigningKey:
    """Raises ValueError, in words that never quote what was read."""
    if pem.count(b"-----BEGIN ") != 1:
        raise ValueError("not one PEM key")
    try:
        if b"PUBLIC KEY-----" in pem:
            return SigningKey.of(serialization.load_pem_public_key(pem))
        return SigningKey.of(serialization.load_pem_private_key(pem, password=None))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's words may quote the file; ours must not.
        raise ValueError("not an unencrypted Ed25519 or P-256 key in PEM") from None


def new_pem() -> tuple[SigningKey, bytes]:
    """A new Ed25519 key, and how it is written."""
    private = ed25519.Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SigningKey.of(private), pem


def _is_foreign(public: PublicKey) -> bool:
    return isinstance(public, ec.EllipticCurvePublicKey) and not isinstance(public.curve, ec.SECP256R1)


def _jwk(public: PublicKey) -> dict[str, str]:
    """The members that RFC 7638 hashes, as RFC 8037 and RFC 7518 section 6.2.1 spell them."""
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(public.public_bytes_raw())}
    at = public.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": _base64url(at.x.to_bytes(32, "big")),
        "y": _base64url(at.y.to_bytes(32, "big")),
    }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
