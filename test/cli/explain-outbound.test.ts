/** `sallyport explain --outbound`: what would happen to a call of the workload. */

import { describe, expect, test } from 'vitest';
import { cli } from './support.ts';

const CONFIG = `
version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 127.0.0.1:8080 } }
upstreamToken: { header: X-Token, keys: { directory: keys } }
upstreams:
  app: { endpoints: [http://127.0.0.1:3000] }
  orders: { endpoints: ["https://orders:8443"], tls: { caFile: ca.pem } }
routes:
  - { id: a, match: { path: / }, credential: none, upstream: app }
outbound:
  address: 127.0.0.1:15001
  workload: cart
  destinations:
    - id: own
      match: { host: own.internal }
      upstream: orders
      audience: orders-api
      token: { service: { scopes: [a] } }
      requestHeaders: { set: { X-Api-Key: hunter2 } }
    - { id: pod, match: { path: /pod }, upstream: orders, token: { kubernetes: { tokenFile: token } }, rewrite: { stripPrefix: /pod } }
    - id: client
      match: { host: client.internal }
      upstream: orders
      hostHeader: preserve
      token: { clientCredentials: { tokenUrl: "https://id/token", clientId: cart, clientSecretFile: secret, caFile: ca.pem } }
    - id: user
      match: { host: user.internal }
      upstream: orders
      token: { exchange: { tokenUrl: "https://id/token", clientId: cart, privateKeyFile: key.pem } }
`;

const ask = (...argv: string[]) => cli(['explain', '--outbound', ...argv, '-c', '-'], { stdin: CONFIG });
async function asked(...argv: string[]) {
  const { code, out, err } = await ask(...argv, '--json');
  expect(err).toBe('');
  expect(code).toBe(0);
  expect(out).not.toContain('hunter2');
  return JSON.parse(out) as Record<string, unknown>;
}

describe('a call of the workload', () => {
  test('with a service token: its claims, the Host of the endpoint, and no header that the workload forged', async () => {
    const sent = ['--header', 'Authorization: Bearer mallory', '--header', 'X-Forwarded-For: 6.6.6.6'];
    const said = await asked('GET', 'http://own.internal/x?y=1', ...sent, '--header', 'X-Token: mallory');
    expect(said).toMatchObject({
      outcome: 'forwarded',
      canonical: { host: 'own.internal', path: '/x', client: '127.0.0.1', publicOrigin: null },
      route: { id: 'own', pattern: 'own.internal/…' },
      credential: { needed: 'to be the workload on this loopback' },
      upstream: { name: 'orders', target: '/x?y=1', host: 'orders:8443' },
      token: { kind: 'minted', header: 'Authorization', claims: { sub: 'cart', aud: 'orders-api', scope: 'a' } },
    });
    const { removed, added } = said['headers'] as { removed: string[]; added: Record<string, string> };
    expect(removed.toSorted()).toEqual(['Authorization', 'X-Forwarded-For', 'X-Token']);
    expect(added).toMatchObject({ Authorization: 'Bearer <token below>', 'X-Api-Key': '<as the configuration says>' });
    expect(Object.keys(added).filter((name) => /forwarded/i.test(name))).toEqual([]);
  });

  test.each([
    [['GET', '/pod/1'], '<the projected ServiceAccount token>', { target: '/1', host: 'orders:8443' }],
    [['POST', 'http://client.internal/'], '<an access token of https://id/token>', { host: 'client.internal' }],
    [
      ['GET', 'http://user.internal/', '--header', 'Authorization: Bearer a.b.c'],
      '<the token of the call, exchanged at https://id/token for orders>',
      { host: 'orders:8443' },
    ],
  ])('%j: a token from elsewhere is described in words, and not fetched', async (argv, claims, upstream) => {
    expect(await asked(...argv)).toMatchObject({
      outcome: 'forwarded',
      upstream,
      token: { kind: 'of somebody else', header: 'Authorization', claims },
    });
    expect((await ask(...argv)).out).toContain(`Token       ${claims}\n`);
  });

  test.each([
    ['without a token to exchange', ['GET', 'http://user.internal/'], 'credential_missing'],
    ['to a host that is not a destination', ['GET', 'http://evil.internal/'], 'host_not_served'],
    ['to a path that is not a destination', ['GET', '/elsewhere'], 'route_not_found'],
    ['from a browser', ['GET', 'http://own.internal/', '--header', 'Origin: https://evil'], 'browser_forbidden'],
  ])('%s is refused', async (_what, argv, reason) => {
    expect(await asked(...argv)).toMatchObject({ outcome: 'denied', response: { reason } });
    expect((await ask(...argv, '--expect', reason)).code).toBe(0);
  });
});

test.each([
  ['a session', ['--session', 'roles=a']],
  ['a service token', ['--service', 'shop/cart']],
])('%s is refused as the credential of a workload', async (_what, argv) => {
  const { code, err } = await ask('GET', '/', ...argv);
  expect(code).toBe(2);
  expect(err).toContain('on the outbound side the workload calls');
});

test('a configuration without an outbound side is refused', async () => {
  const stdin = CONFIG.slice(0, CONFIG.indexOf('outbound:'));
  const { code, err } = await cli(['explain', '--outbound', 'GET', '/', '-c', '-'], { stdin });
  expect(code).toBe(2);
  expect(err).toContain('has no section outbound');
});
