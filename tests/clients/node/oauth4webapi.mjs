import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import { client, journey, url } from './journey.mjs';

const issuer = new URL(url);
const insecure = { [oauth.allowInsecureRequests]: true };
const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
const server = await oauth.processDiscoveryResponse(issuer, found);
const program = { client_id: client.id };

for (const authentication of [oauth.ClientSecretBasic(client.secret), oauth.ClientSecretPost(client.secret)]) {
  await journey(
    async (token) => {
      const request = new Request('https://resource.example.org/', { headers: { authorization: `Bearer ${token}` } });
      const claims = await oauth.validateJwtAccessToken(server, request, url, insecure);
      const answer = await oauth.introspectionRequest(server, program, authentication, token, insecure);
      const told = await oauth.processIntrospectionResponse(server, program, answer);
      assert.ok(told.active);
      assert.equal(told.sub, claims.sub);
    },
    { asks: true },
  );
  const answer = await oauth.revocationRequest(server, program, authentication, 'no-token', insecure);
  await oauth.processRevocationResponse(answer);
}
