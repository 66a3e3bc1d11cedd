from joserfc import jwt
from joserfc.jwk import KeySet
from journey import ALGORITHM, JWKS, URL, call, journey

keys = KeySet.import_key_set(call("GET", JWKS)[1])
claims = jwt.JWTClaimsRegistry(iss={"essential": True, "value": URL}, aud={"essential": True, "value": URL})


def accept(token: str) -> None:
    # joserfc accepts ES256 by default, but EdDSA only if it is listed.
    decoded = jwt.decode(token, keys, algorithms=None if ALGORITHM == "ES256" else [ALGORITHM])
    claims.validate(decoded.claims)


journey(accept)
