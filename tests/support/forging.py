"""Access tokens that are valid except for what a test changes."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.tokens.jwt_codec import JwtCodec
from adapters.tokens.key_store import KeySet
from adapters.tokens.pem_keys import SigningKey
from domain.refusals import ErrorCode, Refusal

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
ED, P256 = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
KEYS = [SigningKey.of(ED), SigningKey.of(P256), SigningKey.of(RSA)]
ISSUER = "https://id.example.org"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SID = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b6"
CLAIMS: dict[str, Any] = {
    **{"iss": ISSUER, "aud": ISSUER, "client_id": "latchkey", "jti": f"{SID}.7"},
    **{"sub": "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5", "sid": SID, "gen": 7, "iat": AT, "exp": AT + 600},
    **{"role": "moderator", "verified": True},
}
HEADER = {"alg": "EdDSA", "kid": KEYS[0].kid, "typ": "at+jwt"}


def codec(now: datetime = NOW, keys: Sequence[SigningKey] = KEYS, **other: Any) -> JwtCodec:
    where = {"issuer": ISSUER, "horizon": timedelta(hours=1)}
    return JwtCodec(**{"keys": fixed(keys), "clock": lambda: now, **where, **other})


def fixed(keys: Sequence[SigningKey]) -> Callable[[], KeySet]:
    """Keys that never change."""
    always = KeySet.of(keys)
    return lambda: always


def signing(key: object) -> Callable[[bytes], bytes]:
    """The function that signs a JWT with this key."""

    def with_p256(body: bytes) -> bytes:
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        r, s = decode_dss_signature(key.sign(body, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")

    match key:
        case ed25519.Ed25519PrivateKey():
            return key.sign
        case rsa.RSAPrivateKey():
            return lambda body: key.sign(body, PKCS1v15(), SHA256())
        case _:
            return with_p256


def segment(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(claims: object = CLAIMS, header: object = HEADER, sign: Callable[[bytes], bytes] = ED.sign) -> str:
    """A token that is valid except for what a test changes; the signature always matches the content."""
    body = f"{segment(header)}.{segment(claims)}"
    return f"{body}.{segment(sign(body.encode()))}"


def code(text: str, *, now: datetime = NOW, **other: Any) -> ErrorCode | None:
    refused = None
    try:
        codec(now, **other).decode(text)
    except Refusal as refusal:
        refused = refusal
    return refused.code if refused else None


def claiming(**changed: Any) -> ErrorCode | None:
    return code(forged({**CLAIMS, **changed}))
