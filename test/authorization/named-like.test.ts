/**
 * RFC 9700 §4.15: a user's credential never satisfies a rule about services, nor a service's one about users. Here a
 * user and a service are both called `cart`, and this gateway signed the tokens of both.
 */

import { chmodSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClocks } from '../../src/lib/clock.ts';
import { cli, temporaryFile } from '../cli/support.ts';
import { load } from '../config/support.ts';
import { USERS as ANY_USERS } from '../endpoints/login/fixture.ts';
import { AS_ORDERS, accessTokenOf, TokenStage } from '../endpoints/token/fixture.ts';

/** A users file with these names. */
function usersNamed(names: readonly string[]): string {
  const hash = /passwordHash: *(.*)/.exec(ANY_USERS)?.[1] ?? '';
  return `users:
${names
  .map(
    (name) => `  - name: ${name}
    passwordHash: ${hash}
`,
  )
  .join('')}`;
}

let stage: TokenStage;
let user: { readonly cookie: string; readonly token: string };
let serviceToken: string;
beforeAll(async () => {
  const route = (id: string, credential: unknown, subjects: unknown[]) => ({
    ...{ id, match: { path: `/${id}` }, upstream: 'app', credential, allow: { subjects }, audience: 'cart' },
  });
  const own = { service: ['own'] };
  stage = await TokenStage.start({
    clocks: systemClocks,
    issuers: { own: { own: {}, audience: ['cart', 'stock'] } },
    clients: { orders: { subject: 'cart', serviceTokens: { stock: {} } } },
    config: {
      routes: [
        { id: 'mint', match: { path: '/mint' }, upstream: 'app', credential: 'session', audience: 'cart' },
        route('services', own, ['cart']),
        route('either', ['session', own], [{ service: 'cart' }]),
        route('users', ['session', own], [{ user: 'cart' }]),
        route('sessions', 'session', ['cart']),
      ],
    },
  });
  const cookie = await stage.cookie('cart');
  user = { cookie, token: await stage.upstreamToken(cookie, '/mint') };
  serviceToken = accessTokenOf(await stage.token({ grant_type: 'client_credentials', audience: 'stock' }, AS_ORDERS));
});
afterAll(() => stage[Symbol.asyncDispose]());

const status = async (path: string, ...headers: string[]) => (await stage.send('GET', path, headers)).status;

describe('RFC 9700 §4.15, S3: rules about a name that a user and a service share', () => {
  test.each([
    ['/services', 403, 200],
    ['/either', 403, 200],
    ['/users', 200, 403],
  ])('%s: the user’s token gets %i, the service’s %i', async (path, byUser, byService) => {
    expect(await status(path, `Authorization: Bearer ${user.token}`)).toBe(byUser);
    expect(await status(path, `Authorization: Bearer ${serviceToken}`)).toBe(byService);
  });

  test('the user’s cookie passes where the user’s token does', async () => {
    expect(await status('/users', user.cookie)).toBe(200);
    expect(await status('/sessions', user.cookie)).toBe(200);
    expect(await status('/either', user.cookie)).toBe(403);
  });
});

describe('S3: validate warns about services named like a user', () => {
  const CONFIG = `version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 127.0.0.1:8080 } }
issuers: { own: { own: {} } }
upstreams: { app: { endpoints: [http://127.0.0.1:3000] } }
routes: [{ id: a, match: { path: / }, upstream: app, credential: session }]
acceptWarnings: [login/proxy-unknown, token-endpoint/unknown-audience, store/memory]
`;
  const USERS = usersNamed(['alice', 'cart', 'sso']);
  const shared = async (sections: object, accept = 'store/memory') => {
    const usersFile = temporaryFile('users.yaml', USERS);
    chmodSync(usersFile, 0o600);
    const all = { login: { password: { usersFile } }, ...sections };
    const stdin = `${CONFIG.replace('store/memory', accept)}${Object.entries(all)
      .map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
      .join('\n')}\n`;
    const { out } = await cli(['validate', '--format', 'json', '-'], { stdin });
    const { problems } = JSON.parse(out) as { problems: { code: string; path: string; severity: string }[] };
    return problems.filter(({ code }) => code === 'subjects/shared-name').map(({ path, severity }) => [severity, path]);
  };
  const secret = () => {
    const clientSecretFile = temporaryFile('secret', 'x'.repeat(40));
    chmodSync(clientSecretFile, 0o600);
    return { clientSecretFile, serviceTokens: { app: {} } };
  };

  test('that are clients of the token endpoint', async () => {
    const at = 'tokenEndpoint.clients';
    expect(await shared({ tokenEndpoint: { clients: { cart: secret(), orders: secret() } } })).toEqual([
      ['warning', `${at}.cart`],
    ]);
    expect(await shared({ tokenEndpoint: { clients: { orders: { ...secret(), subject: 'alice' } } } })).toEqual([
      ['warning', `${at}.orders`],
    ]);
    const other = { cart: { ...secret(), subject: 'svc:cart' } };
    expect(await shared({ tokenEndpoint: { clients: other } })).toEqual([]);
  });

  test('that are trusted backends, unless the warning is accepted', async () => {
    const usersFile = temporaryFile('users.yaml', USERS);
    chmodSync(usersFile, 0o600);
    const service = { issuer: 'own', subjects: ['x', 'sso'] };
    const login = { password: { usersFile }, trustedBackends: [{ id: 'b', service }] };
    expect(await shared({ login })).toEqual([['warning', 'login.trustedBackends[0].service.subjects[1]']]);
    expect(await shared({ login }, 'subjects/shared-name')).toEqual([]);
  });
});

describe('S3: findings about allow.subjects', () => {
  const findings = (credential: string, subjects: string) => {
    const config = [
      'version: 1',
      'publicOrigin: https://shop.example.com',
      'listeners: { public: { address: 127.0.0.1:8080 } }',
      'issuers:',
      '  own: { own: {} }',
      '  cluster: { kubernetes: {} }',
      'upstreams: { app: { endpoints: [http://127.0.0.1:9000] } }',
      `routes: [{ id: a, match: { path: / }, upstream: app, credential: ${credential}, allow: { subjects: [${subjects}] } }]`,
    ];
    return load(config.join('\n')).problems.flatMap(({ code, path }) =>
      code.startsWith('routes/subject') ? [`${code} ${path}`] : [],
    );
  };
  const AMBIGUOUS = 'routes/subject-ambiguous routes[0].allow.subjects[0]';
  const IMPOSSIBLE = 'routes/subject-impossible routes[0].allow.subjects[0]';

  test.each([
    ['session', 'alice', []],
    ['{ service: [cluster] }', 'cart', []],
    ['{ service: [own] }', '{ user: alice }', []],
    ['[session, { service: [own] }]', '{ user: alice }, { service: cart }', []],
    ['{ service: [own, cluster] }', '{ service: cart, issuer: own }, { user: eve, issuer: cluster }', []],
    ['[session, { service: [own] }]', 'alice', ['routes/subject-plain routes[0].allow.subjects[0]']],
    ['{ service: [own, cluster] }', 'cart', [AMBIGUOUS]],
    ['{ service: [own, cluster] }', '{ service: cart }', [AMBIGUOUS]],
    ['session', '{ service: cart }', [IMPOSSIBLE]],
    ['{ service: [cluster] }', '{ user: alice }', [IMPOSSIBLE]],
    ['{ service: [cluster] }', '{ service: cart, issuer: own }', [IMPOSSIBLE]],
    ['{ service: [own] }', '{ user: alice, issuer: own }', [IMPOSSIBLE]],
  ])('credential %s, subjects %s', (credential, subjects, expected) => {
    expect(findings(credential, subjects)).toEqual(expected);
  });
});
