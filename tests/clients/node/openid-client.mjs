import assert from 'node:assert/strict';
import * as openid from 'openid-client';
import { client, journey, url } from './journey.mjs';

const options = { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] };
for (const authentication of [undefined, openid.ClientSecretPost(client.secret), openid.ClientSecretBasic(client.secret)]) {
  const config = await openid.discovery(new URL(url), client.id, client.secret, authentication, options);
  const accept = async (token) => assert.ok((await openid.tokenIntrospection(config, token)).active);
  await journey(accept, { asks: true });
  await openid.tokenRevocation(config, 'no-token');
}
