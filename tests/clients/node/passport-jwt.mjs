import express from 'express';
import jwksRsa from 'jwks-rsa';
import passport from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { algorithms, journeyThrough, jwksUri, url } from './journey.mjs';

passport.use(
  new Strategy(
    {
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKeyProvider: jwksRsa.passportJwtSecret({ jwksUri }),
      issuer: url,
      audience: url,
      algorithms,
    },
    (claims, done) => done(null, claims),
  ),
);
await journeyThrough(express(), passport.authenticate('jwt', { session: false }));
