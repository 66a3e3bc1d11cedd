"""Access tokens as JWTs (RFC 9068). PyJWT signs and verifies; each token has exactly one valid text."""

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

import jwt
from jwt.utils import base64url_decode, base64url_encode

from adapters.tokens.es256 import DeterministicES256, has_low_s
from adapters.tokens.key_store import KeySet
from adapters.tokens.pem_keys import Algorithm, SigningKey
from application.ports import AccessTokenCodec, Clock
from domain.authentication import PASSWORD_AT_UNKNOWN_TIME, Authentication, AuthenticationMethod
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.session import ENDED
from domain.tokens import AccessToken

MAX_LENGTH = 8192
CACHE_SIZE = 8192
"""Verified tokens, of about a kilobyte each."""
CLOCK_SKEW = timedelta(seconds=30)
"""How far the clock of the process that issued a token may be ahead of ours."""
_TYPES = {"sid": str, "role": str, "client_id": str, "iat": int, "exp": int, "gen": int, "verified": bool}
"""PyJWT checks the types of the other claims."""
_AUTHENTICATION = {"acr": str, "amr": list, "auth_time": int}
"""Claims that tokens of release 0.2 lack."""
_CHECKS: Any = {
    "require": ["iss", "aud", "sub", "jti", *_TYPES],
    # By our own clock, and again for tokens in the cache.
    **{"verify_iat": False, "verify_exp": False},
}


@dataclass(frozen=True, slots=True)
class _KeyContext:
    """What follows from a set of keys. It is replaced as a whole when the keys change."""

    keys: KeySet
    by_header: dict[str, SigningKey]
    jwks: dict[str, list[dict[str, str]]]
    verified: OrderedDict[str, AccessToken] = field(default_factory=OrderedDict, repr=False)
    """Tokens by their exact text, the most recently used last."""

    @classmethod
    def of(cls, keys: KeySet) -> Self:
        # A header is compared, never interpreted: another alg, a crit or a jwk makes it unknown.
        by_header = {_segment({"alg": key.alg, "kid": key.kid, "typ": "at+jwt"}): key for key in keys.verifying}
        return cls(keys, by_header, {"keys": [key.jwk for key in keys.verifying]})


class JwtCodec(AccessTokenCodec):
    """`keys` returns the current keys, the same object until they change, and never blocks. Verified tokens are
    cached until the keys change; their times are checked at each use.

    A token's audience is the issuer and the names in `audience` (RFC 9068 section 3); decoding requires the issuer.
    `horizon` is the longest lifetime a token may claim. Times in tokens are whole seconds: `issued_at` and
    `expires_at` come back without fractions. Raises ValueError for settings that would make a check void.
    """

    def __init__(
        self,
        *,
        keys: Callable[[], KeySet],
        issuer: str,
        audience: tuple[str, ...] = (),
        clock: Clock,
        horizon: timedelta,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        if not (issuer and all(audience) and horizon > timedelta()):
            raise ValueError("an access token needs an issuer, audiences with names and a horizon")
        self._keys = keys
        self._latest = _KeyContext.of(keys())
        self._issuer = issuer
        others = [name for name in dict.fromkeys(audience) if name != issuer]
        self._audience = [issuer, *others] if others else issuer
        self._clock, self._horizon, self._cache_size = clock, int(horizon.total_seconds()), cache_size
        self._jws = jwt.PyJWS(algorithms=["EdDSA", "RS256"])
        self._jws.register_algorithm("ES256", DeterministicES256())

    def claims(self, token: AccessToken) -> dict[str, Any]:
        """The claims of a token (RFC 9068 section 2.2); times are seconds since 1970."""
        return {
            "iss": self._issuer,
            "client_id": "latchkey",
            "aud": self._audience,
            "sub": str(token.user_id),
            "sid": str(token.session_id),
            "jti": _jti(token),
            "iat": int(token.issued_at.timestamp()),
            "exp": int(token.expires_at.timestamp()),
            "role": token.role.value,
            "verified": token.verified,
            "gen": token.generation,
            "acr": token.authentication.level.value,
            "amr": [method.value for method in token.authentication.methods],
            "auth_time": int(token.authentication.at.timestamp()),
        }

    def encode(self, token: AccessToken) -> str:
        keys = self._context().keys
        header = {"kid": keys.signing.kid, "typ": "at+jwt"}
        return self._jws.encode(_json(self.claims(token)), keys.private, keys.signing.alg, header)

    def decode(self, text: str) -> AccessToken:
        now, verified = self._clock(), self._context().verified
        token = verified.pop(text, None) or self.verify(text)
        if token.issued_at - now > CLOCK_SKEW:
            raise _invalid()
        if token.expires_at <= now:
            raise Refusal(ErrorCode.TOKEN_EXPIRED, "This access token has expired.")
        verified[text] = token
        if len(verified) > self._cache_size:
            verified.popitem(last=False)
        return token

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Every key that verifies, public parts only (RFC 7517)."""
        return self._context().jwks

    def _context(self) -> _KeyContext:
        keys, context = self._keys(), self._latest
        if context.keys is not keys:
            self._latest = context = _KeyContext.of(keys)
        return context

    def verify(self, text: str) -> AccessToken:
        """Check everything but the times, without the cache. Raises `token_invalid`."""
        try:
            return self._read(text)
        except Exception:
            # Any error while reading a token makes that token invalid.
            raise _invalid() from None

    def _read(self, text: str) -> AccessToken:
        # PyJWT takes base64url with padding, too; a token has one valid text.
        if len(text) > MAX_LENGTH or "=" in text:
            raise ValueError("size or padding")
        header, payload, signature = text.split(".")
        key = self._context().by_header[header]
        jwt.decode(text, key.public, [key.alg], _CHECKS, issuer=self._issuer, audience=self._issuer)
        if key.alg is Algorithm.ES256 and not has_low_s(base64url_decode(signature)):
            raise ValueError("signature")
        # PyJWT guesses the encoding (RFC 8725 section 3.7 wants UTF-8) and accepts a name that occurs twice.
        claims = json.loads(base64url_decode(payload).decode(), object_pairs_hook=_unique)
        if any(type(claims[name]) is not kind for name, kind in _TYPES.items()) or "nbf" in claims:
            raise ValueError("claims")
        gen, lifetime = claims["gen"], claims["exp"] - claims["iat"]
        if not (1 <= gen < ENDED and 0 < lifetime <= self._horizon):
            raise ValueError("numbers")
        token = AccessToken(
            user_id=UUID(claims["sub"]),
            session_id=UUID(claims["sid"]),
            generation=gen,
            role=Role(claims["role"]),
            verified=claims["verified"],
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            authentication=_authentication(claims),
            extra_id=_extra_id(claims["jti"]),
        )
        # Ids in canonical form, `jti` of this session and generation, our `client_id`: as we would write them.
        own = self.claims(token)
        if _AUTHENTICATION.keys().isdisjoint(claims):
            own = {name: value for name, value in own.items() if name not in _AUTHENTICATION}
        if {**claims, **own, "aud": claims["aud"]} != claims:
            raise ValueError("not canonical")
        return token


def _jti(token: AccessToken) -> str:
    """Unique (RFC 7519 section 4.1.7): each generation of a session has one token, and each further token an id."""
    name = f"{token.session_id}.{token.generation}"
    return name if token.extra_id is None else f"{name}.{token.extra_id}"


def _extra_id(jti: str) -> UUID | None:
    further = jti.split(".")[2:]
    return UUID(further[0]) if further else None


def _authentication(claims: dict[str, Any]) -> Authentication:
    if _AUTHENTICATION.keys().isdisjoint(claims):
        return PASSWORD_AT_UNKNOWN_TIME
    if any(type(claims[name]) is not kind for name, kind in _AUTHENTICATION.items()):
        raise ValueError("claims")
    methods = tuple(AuthenticationMethod(method) for method in claims["amr"])
    return Authentication(methods=methods, at=datetime.fromtimestamp(claims["auth_time"], UTC))


def _invalid() -> Refusal:
    return Refusal(ErrorCode.TOKEN_INVALID, "This access token is not valid.")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _segment(value: object) -> str:
    return base64url_encode(_json(value)).decode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    claims = dict(pairs)
    if len(claims) != len(pairs):
        raise ValueError("a name occurs twice")
    return claims
