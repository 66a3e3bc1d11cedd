import jwt
from journey import ALGORITHM, JWKS, URL, journey

keys = jwt.PyJWKClient(JWKS)


def accept(token: str) -> object:
    return jwt.decode(token, keys.get_signing_key_from_jwt(token), [ALGORITHM], issuer=URL, audience=URL)


journey(accept)
