from jose import jwt
from journey import ALGORITHM, JWKS, URL, call, journey

keys = call("GET", JWKS)[1]
journey(lambda token: jwt.decode(token, keys, algorithms=[ALGORITHM], issuer=URL, audience=URL))
