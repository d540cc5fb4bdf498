/**
 * Checks that the figures of a variant mean something: that it answers what the upstream answers, that
 * the upstream gets a token that it can verify and no cookie, and that a request without a credential is refused.
 */

import assert from 'node:assert/strict';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { newSessionId } from '../../src/authentication/session/session-id.ts';
import { ANSWER, INSPECT_PATH, type Received } from './answer.ts';
import { AUDIENCE, COOKIE_NAME, PUBLIC_ORIGIN } from './gateway.ts';
import { get } from './http.ts';
import type { Variant } from './variants.ts';

/** The subject of the token, where it is not a user with a session. */
const SUBJECTS: Readonly<Partial<Record<Variant['name'], RegExp>>> = {
  service: /^service-0$/,
  'service-cold': /^service-0$/,
  outbound: /^bench$/,
};

/** @throws AssertionError when a check fails */
export async function check(variant: Variant): Promise<void> {
  const { name, port, base } = variant;
  const { header, values } = await variant.credentials(2);
  const credential = { [header]: values[0] as string };

  const { status, headers, body } = await get(port, `${base}/orders`, credential);
  assert.deepEqual({ status, body }, { status: 200, body: variant.answer ?? ANSWER }, `${name}: the answer`);
  if (name === 'upstream' || name === 'relay') return;

  // The authorizer tells the proxy what the upstream would get.
  const told = Object.entries(headers).flatMap(([field, value]) => [field, String(value)]);
  const received =
    name === 'authorizer'
      ? { method: 'GET', target: `${base}/orders`, headers: told }
      : await inspect(variant, credential);
  const lines = received.headers.join('\n');
  assert.ok(!lines.includes(COOKIE_NAME), `${name}: the upstream sees no session cookie`);
  if (name === 'public') {
    assert.ok(!/^authorization$/im.test(lines), `${name}: the upstream gets no token`);
    return;
  }
  await checkToken(variant, received, SUBJECTS[name] ?? /^user-/);
  // The workload has no credential but its place on the loopback.
  if (name === 'outbound') return;
  const kinds = { anonymous: {}, 'unknown session': { cookie: `${COOKIE_NAME}=${newSessionId()}` } };
  for (const [kind, headers] of Object.entries(kinds)) {
    assert.equal((await get(port, `${base}/orders`, headers)).status, 401, `${name}: ${kind} is refused`);
  }
}

/** The token is signed by a key that the gateway publishes, for this audience, for two minutes; and it is not the caller's. */
async function checkToken({ name, keysPort }: Variant, { headers }: Received, subject: RegExp): Promise<void> {
  const at = headers.findIndex((field, index) => index % 2 === 0 && field.toLowerCase() === 'authorization');
  const token = /^Bearer (.+)$/.exec(headers[at + 1] ?? '')?.[1];
  assert.ok(at !== -1 && token !== undefined, `${name}: the upstream gets a bearer token`);
  const jwks = JSON.parse((await get(keysPort, '/.well-known/jwks.json')).body) as JSONWebKeySet;
  const options = { issuer: PUBLIC_ORIGIN, audience: AUDIENCE, algorithms: ['ES256'] };
  const { payload } = await jwtVerify(token, createLocalJWKSet(jwks), options);
  assert.match(payload.sub ?? '', subject, `${name}: the token names the caller`);
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 120, `${name}: the token lives for two minutes`);
}

async function inspect({ port, base, name }: Variant, credential: Readonly<Record<string, string>>): Promise<Received> {
  const { status, body } = await get(port, `${base}${INSPECT_PATH}`, credential);
  assert.equal(status, 200, `${name}: what the upstream received`);
  return JSON.parse(body) as Received;
}
