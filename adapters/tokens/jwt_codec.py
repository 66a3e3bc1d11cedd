"""Access tokens as JWTs (RFC 9068), each with one spelling only."""

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import ECAlgorithm
from jwt.api_jws import PyJWS
from jwt.utils import base64url_decode, base64url_encode

from adapters.tokens.key_store import KeySet
from adapters.tokens.pem_keys import SigningKey
from application.ports import AccessTokenCodec, Clock
from domain.refusals import Code, Refusal
from domain.role import Role
from domain.session import ENDED
from domain.token import AccessToken

_LONGEST = 8192
_AHEAD = timedelta(seconds=30)  # by which the clock that issued a token may be ahead of ours
REMEMBERED = 8192
"""Tokens, of about a kilobyte each."""
_CLAIMS: dict[str, type] = {
    **dict.fromkeys(("iss", "sub", "sid", "jti", "client_id", "role"), str),
    **dict.fromkeys(("iat", "exp", "gen"), int),
    "verified": bool,
}
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class _Ring:
    """All that follows from a set of keys; whatever else is remembered of a key belongs in here, to go with it."""

    keys: KeySet
    header: str
    """Of what is signed now."""
    headers: dict[str, SigningKey]
    jwks: dict[str, list[dict[str, str]]]
    read: OrderedDict[str, AccessToken] = field(default_factory=OrderedDict, repr=False)
    """Tokens by their exact text, the one that was used last at the end."""

    @classmethod
    def of(cls, keys: KeySet) -> Self:
        # A header is compared, never interpreted: whatever it says besides (another alg, a crit, a jwk) is refused.
        headers = {_header(key): key for key in keys.verifying}
        return cls(keys, _header(keys.signing), headers, {"keys": [key.jwk for key in keys.verifying]})


class JwtCodec(AccessTokenCodec):
    """`keys` tells the keys of the moment, the same object while they are the same, and never waits for anything.
    What a token says is remembered while its key is there, for the last few thousand; the time is checked again.

    A token is for the issuer and for what `audience` lists (RFC 9068, section 3); here it has to be for the issuer,
    other recipients. `horizon` is the longest lifetime a token may claim. Times in tokens are whole seconds:
    `issued_at` and `expires_at` come back without their fractions. Raises ValueError for settings under which a check
    would be empty.
    """

    def __init__(
        self,
        *,
        keys: Callable[[], KeySet],
        issuer: str,
        audience: tuple[str, ...] = (),
        clock: Clock,
        horizon: timedelta,
    ) -> None:
        if not (issuer and all(audience) and horizon > timedelta()):
            raise ValueError("an access token needs an issuer, audiences with names and a horizon")
        self._keys = keys
        self._last = _Ring.of(keys())
        self._fixed = {"iss": issuer, "client_id": "latchkey"}
        others = [name for name in dict.fromkeys(audience) if name != issuer]
        self._aud = [issuer, *others] if others else issuer
        self._clock, self._horizon = clock, int(horizon.total_seconds())
        self._jws = PyJWS(algorithms=["EdDSA", "RS256"])
        self._jws.register_algorithm("ES256", _PlainES256(SHA256, ec.SECP256R1))

    def claims(self, token: AccessToken) -> dict[str, Any]:
        """What the text of a token says (RFC 9068, section 2.2); times are seconds since 1970."""
        return {
            **self._fixed,
            "aud": self._aud,
            "sub": str(token.user_id),
            "sid": str(token.session_id),
            "jti": f"{token.session_id}.{token.generation}",
            "iat": int(token.issued_at.timestamp()),
            "exp": int(token.expires_at.timestamp()),
            "role": token.role.value,
            "verified": token.verified,
            "gen": token.generation,
        }

    def encode(self, token: AccessToken) -> str:
        ring = self._ring()
        said = f"{ring.header}.{base64url_encode(msgspec.json.encode(self.claims(token))).decode()}"
        algorithm = self._jws.get_algorithm_by_name(ring.keys.signing.alg)
        return f"{said}.{base64url_encode(algorithm.sign(said.encode(), ring.keys.private)).decode()}"

    def decode(self, text: str) -> AccessToken:
        now, read = self._clock(), self._ring().read
        token = read.pop(text, None) or self._verified(text)
        if token.issued_at - now > _AHEAD:
            raise _invalid()
        if token.expires_at <= now:
            raise Refusal(Code.TOKEN_EXPIRED, "This access token has expired.")
        read[text] = token
        if len(read) > REMEMBERED:
            read.popitem(last=False)
        return token

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Every key that still verifies, public parts only (RFC 7517)."""
        return self._ring().jwks

    def _ring(self) -> _Ring:
        keys, ring = self._keys(), self._last
        if ring.keys is not keys:
            self._last = ring = _Ring.of(keys)
        return ring

    def _key(self, header: str) -> SigningKey:
        return self._ring().headers[header]

    def _verified(self, text: str) -> AccessToken:
        try:
            return self._read(text)
        except Exception:
            # Whatever goes wrong while reading a token is the token's fault, and never a reason to let it in.
            raise _invalid() from None

    def _read(self, text: str) -> AccessToken:
        if len(text) > _LONGEST or not text.isascii():
            raise ValueError("size or alphabet")
        header, payload, signature = text.split(".")
        key = self._key(header)
        algorithm = self._jws.get_algorithm_by_name(key.alg)
        if not algorithm.verify(f"{header}.{payload}".encode(), key.public, _decoded(signature)):
            raise ValueError("signature")
        # UTF-8 only (RFC 8725 section 3.7): left to itself, json guesses.
        claims = json.loads(_decoded(payload).decode(), object_pairs_hook=_without_doubles)
        # "nbf" would have to be honoured (RFC 7519 section 4.1.5); no token of ours has one.
        if any(type(claims[name]) is not kind for name, kind in _CLAIMS.items()) or "nbf" in claims:
            raise ValueError("claims")
        sid, gen, iat, exp = (claims[name] for name in ("sid", "gen", "iat", "exp"))
        if any(claims[name] != value for name, value in self._fixed.items()) or claims["jti"] != f"{sid}.{gen}":
            raise ValueError("not from here")
        if self._fixed["iss"] not in _audience(claims["aud"]):
            raise ValueError("not for here")
        if not (1 <= gen < ENDED and 0 < exp - iat <= self._horizon):
            raise ValueError("numbers")
        return AccessToken(
            user_id=_uuid(claims["sub"]),
            session_id=_uuid(sid),
            generation=gen,
            role=Role(claims["role"]),
            verified=claims["verified"],
            issued_at=datetime.fromtimestamp(iat, UTC),
            expires_at=datetime.fromtimestamp(exp, UTC),
        )


def _invalid() -> Refusal:
    return Refusal(Code.TOKEN_INVALID, "This access token is not valid.")


class _PlainES256(ECAlgorithm):
    """ES256 with one signature a message: the nonce follows from it (RFC 6979), and s is the lower of its twins."""

    def sign(self, msg: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
        r, s = decode_dss_signature(key.sign(msg, ec.ECDSA(SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + min(s, _P256_ORDER - s).to_bytes(32, "big")

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        return int.from_bytes(sig[32:], "big") <= _P256_ORDER // 2 and super().verify(msg, key, sig)


def _header(key: SigningKey) -> str:
    return base64url_encode(msgspec.json.encode({"alg": key.alg, "kid": key.kid, "typ": "at+jwt"})).decode()


def _decoded(segment: str) -> bytes:
    """One spelling only: no padding, no stray characters, no spare bits (RFC 4648 section 3.5)."""
    data = base64url_decode(segment)
    if base64url_encode(data) != segment.encode():
        raise ValueError("not canonical")
    return data


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    claims = dict(pairs)
    if len(claims) != len(pairs):
        raise ValueError("a name stands twice")
    return claims


def _audience(claim: object) -> list[object]:
    """One recipient may stand alone (RFC 7519, section 4.1.3)."""
    names = claim if isinstance(claim, list) else [claim]
    if not all(isinstance(name, str) for name in names):
        raise TypeError("audience")
    return names


def _uuid(text: str) -> UUID:
    value = UUID(text)
    if str(value) != text:
        raise ValueError("not canonical")
    return value
