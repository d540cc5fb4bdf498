/** `explain --token-file`: what the gateway would do with an existing token. */

import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TokenAuthority } from '../support/issuers/token-authority.ts';
import { cli, temporaryFile } from './support.ts';

let ext: TokenAuthority;
let cluster: TokenAuthority;
beforeAll(async () => {
  ext = await TokenAuthority.create('https://ext.example');
  cluster = await TokenAuthority.create('https://cluster.example');
});
afterAll(() => {
  ext[Symbol.dispose]();
  cluster[Symbol.dispose]();
});

const CONFIG = `version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 127.0.0.1:8080 } }
issuers:
  ext: { issuer: https://ext.example, jwksFile: /nowhere/jwks.json, algorithms: [ES256], maxLifetime: 10m }
  cluster: { kubernetes: {} }
  own: { own: {} }
upstreams: { app: { endpoints: [http://127.0.0.1:3000] } }
login: { trustedBackends: [{ id: sso, service: { issuer: ext, subjects: [sso] } }] }
upstreamToken: { claims: { roles: user.roles } }
routes:
  - id: api
    match: { path: / }
    credential: { service: [ext, cluster, own] }
    allow: { any: [{ subjects: [{ service: cart, issuer: ext }] }, { serviceAccounts: [shop/*] }, { roles: [admin] }] }
    upstream: app
`;

/** Runs `explain` with a token, and checks that no part of it is printed. */
async function ask(token: string, ...argv: string[]) {
  const { code, out, err } = await cli(
    ['explain', 'GET', '/x', '--config', '-', '--token-file', temporaryFile('token', `Bearer ${token}\n`), ...argv],
    { stdin: CONFIG },
  );
  for (const part of token.split('.')) expect(`${out}${err}`).not.toContain(part);
  return { code, out, err };
}

async function answer(token: string, ...argv: string[]) {
  const { code, out, err } = await ask(token, '--json', ...argv);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as {
    outcome: string;
    token: { claims: Record<string, unknown> } | null;
    response: { note: string } | null;
    credential: { presented: string };
  };
}

describe('A7: explain --token-file', () => {
  test('applies the rules of the issuer to the claims, and says that the signature is not verified', async () => {
    const token = await ext.token({ scope: 'orders:read' });
    const { outcome, token: minted, credential } = await answer(token);
    expect(outcome).toBe('forwarded');
    expect(minted?.claims).toMatchObject({ sub: 'cart', presented_iss: 'https://ext.example', scope: 'orders:read' });
    expect(credential.presented).toContain('which claims to be one of ext; its signature was not verified');
  });

  test.each([
    ['another subject', { sub: 'mallory' }, 'subject is not listed'],
    ['another audience', { aud: 'orders' }, 'aud is missing, malformed, or does not mean us'],
    ['a long lifetime', { exp: Math.floor(Date.now() / 1_000) + 7_200 }, 'lifetime is longer than is accepted'],
    ['an expiry in the past', { iat: 1_000, exp: 1_100 }, 'token has expired'],
    ['an unknown issuer', { iss: 'https://other.example' }, 'issuer is not one that the route accepts'],
  ])('refuses a token with %s for that reason', async (_title, claims, note) => {
    const { outcome, response } = await answer(await ext.token(claims));
    expect([outcome, response?.note]).toEqual(['denied', note]);
  });

  test('refuses an algorithm that the issuer does not have', async () => {
    const [, payload, signature] = (await ext.token()).split('.');
    const header = Buffer.from('{"alg":"RS256","typ":"JWT"}').toString('base64url');
    const { response } = await answer(`${header}.${payload}.${signature}`);
    expect(response?.note).toBe('algorithm is not one of the issuer’s');
  });

  test('needs no cluster for a ServiceAccount token, and keeps its issuer', async () => {
    const { outcome, token } = await answer(await cluster.token({ sub: 'system:serviceaccount:shop:web' }));
    expect([outcome, token?.claims['presented_iss']]).toEqual(['forwarded', 'https://cluster.example']);
  });

  test('treats a session token of the gateway as its user, with the attributes of --session', async () => {
    using own = await TokenAuthority.create('https://shop.example.com');
    const token = await own.token({ sub: 'alice', sid: 'h'.repeat(43), typ: 'JWT' });
    expect((await answer(token)).outcome).toBe('denied');
    const { outcome, token: minted } = await answer(token, '--session', 'roles=admin');
    expect([outcome, minted?.claims['roles'], minted?.claims['presented_iss']]).toEqual([
      'forwarded',
      ['admin'],
      undefined,
    ]);
  });

  test('refuses a file without a token, without repeating it', async () => {
    const { code, err } = await ask('canary.canary.canary');
    expect([code, err.includes('no JWT')]).toEqual([2, true]);
    expect((await ask(await ext.token(), '--session', 'roles=admin')).err).toContain('--session goes with a token');
    expect(decodeJwt(await ext.token()).iss).toBe('https://ext.example');
  });
});
