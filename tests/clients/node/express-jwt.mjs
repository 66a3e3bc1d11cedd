import express from 'express';
import { expressjwt } from 'express-jwt';
import jwksRsa from 'jwks-rsa';
import { algorithms, journeyThrough, jwksUri, url } from './journey.mjs';

const secret = jwksRsa.expressJwtSecret({ jwksUri });
await journeyThrough(express(), expressjwt({ secret, issuer: url, audience: url, algorithms }));
