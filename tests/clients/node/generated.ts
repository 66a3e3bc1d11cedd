// A typed client from openapi-typescript and openapi-fetch. It has to compile with every strict option.
import assert from 'node:assert/strict';
import createClient from 'openapi-fetch';
import type { components, paths } from './openapi.js';

const client = createClient<paths>({ baseUrl: process.env['LATCHKEY_URL']! });
const login = { login: process.env['LOGIN']!, password: process.env['PASSWORD']! };
const first = await client.POST('/v1/login', { body: login });
assert.ok(first.data);
const kind: 'Bearer' = first.data.token_type;
const second = await client.POST('/v1/refresh', { body: { refresh_token: first.data.refresh_token } });
assert.ok(second.data);
const headers = { authorization: `${kind} ${second.data.access_token}` };
const me = await client.GET('/v1/me', { headers });
assert.ok(me.data);
const name: string | null = me.data.username;
assert.equal(name, null);
const sessions = await client.GET('/v1/sessions', { headers });
assert.ok(sessions.data?.items.some((session) => session.current));
await client.POST('/v1/logout', { headers });
const refused = await client.GET('/v1/me', { headers });
const code: components['schemas']['Problem']['code'] | undefined = refused.error?.code;
assert.equal(code, 'token_revoked');
// Optional members are optional: this compiles without `username` and `confirm_password`.
const weak = await client.POST('/v1/register', { body: { email: 'weak@example.org', password: 'short' } });
assert.equal(weak.error?.code, 'password_weak');
// @ts-expect-error: there is no such code
const unknown: components['schemas']['Problem']['code'] = 'no_such_code';
assert.notEqual(weak.error?.code, unknown);
console.log('ok');
