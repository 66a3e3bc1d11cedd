import buildGetJwks from 'get-jwks';
import jwt from 'jsonwebtoken';
import { algorithms, journey, url } from './journey.mjs';

const keys = buildGetJwks();
await journey(async (token) => {
  const { header } = jwt.decode(token, { complete: true });
  const key = await keys.getPublicKey({ kid: header.kid, alg: header.alg, domain: url });
  return jwt.verify(token, key, { issuer: url, audience: url, algorithms });
});
