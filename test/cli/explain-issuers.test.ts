import { expect, test } from 'vitest';
import { cli } from './support.ts';

const CONFIG = `
version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 127.0.0.1:8080 } }
issuers:
  cluster: { kubernetes: {} }
  mesh: { spiffe: { trustDomain: prod.example, bundleUrl: https://spire.example/bundle } }
  ours: { own: {} }
  shared: { issuer: https://shared.example, secretFile: secret }
  metadata: { issuer: https://id.example, discovery: https://id.example/.well-known/openid-configuration, algorithms: [EdDSA] }
  keys: { issuer: https://keys.example, jwksUrl: https://keys.example/jwks.json, algorithms: [PS256], types: [at+jwt] }
upstreams: { app: { endpoints: [https://app:8443] } }
routes:
  - id: any
    match: { path: / }
    credential: { service: [cluster, mesh, ours, shared, metadata, keys] }
    upstream: app
  - id: shop
    match: { path: /shop }
    credential: { service: [cluster] }
    allow: { serviceAccounts: [shop/*] }
    upstream: app
`;

async function outcomeOf(path: string, service: string): Promise<Record<string, unknown>> {
  const { code, out, err } = await cli(['explain', 'GET', path, '--service', service, '--json', '-c', '-'], {
    stdin: CONFIG,
  });
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as Record<string, unknown>;
}

test.each([
  ['cluster:system:serviceaccount:shop:cart'],
  ['mesh:spiffe://prod.example/ns/shop/sa/cart'],
  ['ours:bob'],
  ['shared:cart'],
  ['metadata:cart'],
  ['keys:cart'],
])('explain makes a token of %s that the gateway accepts, and fetches no keys', async (service) => {
  expect(await outcomeOf('/', service)).toMatchObject({ outcome: 'forwarded' });
});

test.each([
  ['cluster:cart', 'sub is missing, or not of the form that the issuer’s have'],
  ['mesh:cart', 'issuer is not one that the route accepts'],
  ['mesh:spiffe://other.example/cart', 'issuer is not one that the route accepts'],
])('explain says why a token of %s is refused', async (service, note) => {
  expect(await outcomeOf('/', service)).toMatchObject({ response: { status: 401, reason: 'token_invalid', note } });
});

test('explain applies rules about ServiceAccounts', async () => {
  expect(await outcomeOf('/shop', 'cluster:system:serviceaccount:shop:cart')).toMatchObject({ outcome: 'forwarded' });
  expect(await outcomeOf('/shop', 'cluster:system:serviceaccount:bank:cart')).toMatchObject({
    response: { status: 403 },
  });
});
