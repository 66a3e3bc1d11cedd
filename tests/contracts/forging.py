"""Access tokens that are right but for what a test makes wrong."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from adapters.jwt_sealer import JwtSealer
from adapters.live_keys import KeySet
from adapters.pem_keys import SigningKey
from domain.refusals import Code, Refusal

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
ED, P256 = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
KEYS = [SigningKey.of(ED), SigningKey.of(P256)]
SID = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b6"
CLAIMS: dict[str, Any] = {
    **{"iss": "https://id.example.org", "aud": "example", "client_id": "latchkey", "jti": f"{SID}.7"},
    **{"sub": "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5", "sid": SID, "gen": 7, "iat": AT, "exp": AT + 600},
    **{"role": "moderator", "verified": True},
}
HEADER = {"alg": "EdDSA", "kid": KEYS[0].kid, "typ": "at+jwt"}


def sealer(now: datetime = NOW, keys: Sequence[SigningKey] = KEYS, **other: Any) -> JwtSealer:
    where = {"issuer": "https://id.example.org", "audience": "example", "horizon": timedelta(hours=1)}
    return JwtSealer(**{"keys": fixed(keys), "clock": lambda: now, **where, **other})


def fixed(keys: Sequence[SigningKey]) -> Callable[[], KeySet]:
    """Keys that never change."""
    always = KeySet.of(keys)
    return lambda: always


def segment(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(claims: object = CLAIMS, header: object = HEADER, sign: Callable[[bytes], bytes] = ED.sign) -> str:
    """A token that is right but for what a test makes wrong: the signature is always that of what it says."""
    body = f"{segment(header)}.{segment(claims)}"
    return f"{body}.{segment(sign(body.encode()))}"


def code(text: str, *, now: datetime = NOW, **other: Any) -> Code | None:
    refused = None
    try:
        sealer(now, **other).unseal(text)
    except Refusal as refusal:
        refused = refusal
    return refused.code if refused else None


def claiming(**changed: Any) -> Code | None:
    return code(forged({**CLAIMS, **changed}))
