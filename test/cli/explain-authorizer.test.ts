/** `sallyport explain --as`: the answer that a proxy gets about a request. */

import { describe, expect, test } from 'vitest';
import { cli } from './support.ts';

const CONFIG = `
version: 1
publicOrigin: https://shop.example.com
listeners:
  public: { address: 127.0.0.1:8080 }
  authorizer: { address: 127.0.0.1:4180, peers: [10.1.0.0/16] }
  grpcAuthorizer: { address: 127.0.0.1:4181, peers: [10.2.0.0/16] }
upstreams: { app: { endpoints: [http://127.0.0.1:3000] } }
routes:
  - { id: public, match: { path: /public }, credential: none, upstream: app }
  - id: app
    match: { path: / }
    credential: session
    allow: { roles: [customer] }
    upstream: app
    identityHeaders: { X-User: subject }
    requestHeaders: { set: { X-Api-Key: hunter2 } }
`;
const ask = (...argv: string[]) => cli(['explain', ...argv, '-c', '-'], { stdin: CONFIG });
async function asked(...argv: string[]) {
  const { code, out, err } = await ask(...argv, '--json');
  expect(err).toBe('');
  expect(code).toBe(0);
  expect(out).not.toContain('hunter2');
  return JSON.parse(out) as Record<string, unknown>;
}
const BOB = ['--session', 'roles=customer,subject=bob'];

describe.each(['forward-auth', 'auth-request', 'ext-authz', 'ext-authz-grpc'])('--as %s', (form) => {
  test('a permitted request: the headers that the proxy adds, and the claims of the token', async () => {
    const said = await asked('GET', '/orders?a=1', '--as', form, ...BOB, '--from', '203.0.113.7');
    expect(said).toMatchObject({
      outcome: 'allowed',
      canonical: { path: '/orders', query: '?a=1', client: '203.0.113.7', publicOrigin: 'https://shop.example.com' },
      route: { id: 'app' },
      upstream: null,
      response: null,
      headers: { added: { 'X-User': 'bob', 'X-Api-Key': '<as the configuration says>' } },
      token: { kind: 'minted', header: 'Authorization', claims: { sub: 'bob', aud: 'app' } },
    });
    expect(JSON.stringify(said)).not.toMatch(/__Host-sid=|Bearer ey/);
  });

  test('a refused request: the status that the proxy gets, and the reason', async () => {
    const navigation = ['--header', 'Accept: text/html'];
    expect(await asked('GET', '/orders', '--as', form, ...navigation)).toMatchObject({
      outcome: 'denied',
      response: {
        status: form === 'auth-request' ? 401 : 302,
        reason: 'credential_missing',
        headers: { Location: 'https://shop.example.com/auth/login?return_to=%2Forders' },
      },
    });
    expect(await asked('GET', '/orders', '--as', form, '--session', 'subject=eve')).toMatchObject({
      outcome: 'denied',
      response: { status: 403, reason: 'route_forbidden' },
    });
    expect(await asked('GET', '/auth/login', '--as', form)).toMatchObject({
      outcome: 'denied',
      response: { reason: 'route_not_found' },
    });
  });
});

test.each(['ext-authz', 'ext-authz-grpc'])('the answer tells Envoy which headers to remove: %s', async (form) => {
  const said = await asked('GET', '/public', '--as', form, '--header', 'X-User: mallory', '--header', 'Remote-User: x');
  expect((said['headers'] as { removed: string[] }).removed).toEqual(
    expect.arrayContaining(['cookie', 'authorization', 'x-user', 'remote-user']),
  );
});

test('the text names the proxy, not an endpoint', async () => {
  const { out } = await ask('GET', '/orders', '--as', 'forward-auth', ...BOB);
  expect(out).toContain('allowed: the proxy gets 200');
  expect(out).not.toContain('127.0.0.1:3000');
});

test('--expect allow applies to the answer to the proxy', async () => {
  expect((await ask('GET', '/orders', '--as', 'forward-auth', ...BOB, '--expect', 'allow')).code).toBe(0);
  expect((await ask('GET', '/orders', '--as', 'forward-auth', '--expect', 'allow')).code).toBe(1);
});

test('invalid command lines are refused', async () => {
  expect((await ask('GET', '/', '--as', 'forwardauth')).err).toContain('forward-auth');
  expect((await ask('GET', '/', '--as', 'forward-auth', '--outbound')).code).toBe(2);
  const without = CONFIG.replace(/ {2}authorizer:.*\n/, '');
  const { err, code } = await cli(['explain', 'GET', '/', '--as', 'forward-auth', '-c', '-'], { stdin: without });
  expect([code, err]).toEqual([2, expect.stringContaining('listeners.authorizer')]);
});
