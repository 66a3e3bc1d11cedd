import { createRemoteJWKSet, jwtVerify } from 'jose';
import { algorithms, journey, jwksUri, url } from './journey.mjs';

const keys = createRemoteJWKSet(new URL(jwksUri));
await journey((token) => jwtVerify(token, keys, { issuer: url, audience: url, typ: 'at+jwt', algorithms }));
