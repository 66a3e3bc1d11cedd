"""authlib's validator of RFC 9068 access tokens."""

from typing import Any

from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import KeySet
from journey import JWKS, URL, call, journey


class Validator(JWTBearerTokenValidator):
    def get_jwks(self) -> Any:
        return KeySet.import_key_set(call("GET", JWKS)[1])


validator = Validator(issuer=URL, resource_server=URL)


def accept(token: str) -> None:
    claims = validator.authenticate_token(token)
    assert claims is not None
    validator.validate_token(claims, [], None)


journey(accept)
