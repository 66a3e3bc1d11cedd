// Finds the keys by itself, from the metadata of RFC 8414.
import express from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import { algorithms, journeyThrough, url } from './journey.mjs';

const [tokenSigningAlg] = algorithms;
await journeyThrough(express(), auth({ issuerBaseURL: url, audience: url, tokenSigningAlg }));
