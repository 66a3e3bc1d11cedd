import { promisify } from 'node:util';
import jwt from 'jsonwebtoken';
import jwksRsa from 'jwks-rsa';
import { algorithms, journey, jwksUri, url } from './journey.mjs';

const keys = jwksRsa({ jwksUri });
const keyOf = (header, done) => keys.getSigningKey(header.kid, (error, key) => done(error, key?.getPublicKey()));
const verify = promisify(jwt.verify);
await journey((token) => verify(token, keyOf, { issuer: url, audience: url, algorithms }));
