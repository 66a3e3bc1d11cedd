// What every client does: log in, be accepted, refresh, be accepted again, log out, be refused.
import assert from 'node:assert/strict';

export const url = process.env.LATCHKEY_URL;
export const client = { id: process.env.CLIENT_ID, secret: process.env.CLIENT_SECRET };
export const algorithms = [process.env.ALGORITHM];
export const jwksUri = `${url}/.well-known/jwks.json`;

async function post(path, body, token) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(url + path, { method: 'POST', headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${path}: ${answer.status} ${answer.ok || (await answer.text())}`);
  return answer.status === 204 ? undefined : answer.json();
}

async function me(token) {
  return (await fetch(`${url}/v1/me`, { headers: { authorization: `Bearer ${token}` } })).status;
}

// `accept(token)` throws for a token that it refuses. `asks`: it asks Latchkey, so it refuses at once after a logout.
export async function journey(accept, { asks = false } = {}) {
  let pair = await post('/v1/login', { login: process.env.LOGIN, password: process.env.PASSWORD });
  await accept(pair.access_token);
  assert.equal(await me(pair.access_token), 200);
  pair = await post('/v1/refresh', { refresh_token: pair.refresh_token });
  await accept(pair.access_token);
  const [header, payload, signature] = pair.access_token.split('.');
  const forged = [header, payload, signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))].join('.');
  await assert.rejects(async () => accept(forged), 'a forged token is accepted');
  await post('/v1/logout', undefined, pair.access_token);
  assert.equal(await me(pair.access_token), 401);
  if (asks) await assert.rejects(async () => accept(pair.access_token), 'a revoked token is accepted');
  console.log('ok');
}

// Runs the journey against an express app that is guarded by `middleware`.
export async function journeyThrough(app, middleware) {
  app.get('/', middleware, (request, response) => response.json(request.auth ?? request.user));
  app.use((error, request, response, next) => response.status(error.status ?? 500).end(error.message));
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    await journey(async (token) => {
      const address = `http://127.0.0.1:${server.address().port}/`;
      const answer = await fetch(address, { headers: { authorization: `Bearer ${token}` } });
      assert.equal(answer.status, 200, await answer.text());
    });
  } finally {
    server.close();
  }
}
