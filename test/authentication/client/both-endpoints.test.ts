/**
 * The two endpoints at which programs authenticate: the token endpoint and the login of trusted backends. Both use
 * the same code, so every case applies to both.
 */

import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { describe, expect, test } from 'vitest';
import { Files, JSON_TYPE } from '../../endpoints/login/fixture.ts';
import {
  accessTokenOf,
  basic,
  jsonOf,
  SECRET,
  TokenStage,
  type TokenStageOptions,
} from '../../endpoints/token/fixture.ts';
import { TestClocks } from '../../support/clocks.ts';
import type { RawResponse } from '../../support/raw-client.ts';

const REPORTS = 'system:serviceaccount:shop:reports';
const CLIENT_CHALLENGE = 'Basic realm="sallyport", charset="UTF-8"';
const TOKEN_CHALLENGE = 'Bearer realm="sallyport", error="invalid_token"';

const plain = (pair: string) => `Authorization: Basic ${Buffer.from(pair).toString('base64')}`;
const percentEncoded = (text: string) =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
const RIGHT = basic('orders', SECRET);
const WRONG = basic('orders', `${SECRET}x`);
const bearer = (token: string) => `Authorization: Bearer ${token}`;

/** Presents a credential. Only the status of success differs. */
interface Endpoint {
  readonly name: string;
  readonly success: number;
  readonly attempt: (stage: TokenStage, ...headers: readonly string[]) => Promise<RawResponse>;
}
const ENDPOINTS: readonly Endpoint[] = [
  {
    name: 'the token endpoint',
    success: 200,
    attempt: (stage, ...headers) => stage.token({ grant_type: 'client_credentials' }, ...headers),
  },
  {
    name: 'the login of a trusted backend',
    success: 201,
    attempt: (stage, ...headers) =>
      stage.send('POST', '/auth/sessions', [JSON_TYPE, ...headers], '{"subject":"carol"}'),
  },
];

/** A gateway at which `orders` (a secret) and `reports` (a service token) may use either endpoint. */
async function start(files: Files, { config = {}, ...options }: TokenStageOptions = {}): Promise<TokenStage> {
  const clientSecretFile = await files.write('secret', SECRET);
  const service = { issuer: 'cluster', subjects: [REPORTS] };
  const trustedBackends = [
    { id: 'orders', clientSecretFile },
    { id: 'reports', service },
  ];
  return TokenStage.start({ ...options, config: { login: { trustedBackends }, ...config } });
}

describe.each(ENDPOINTS)('$name', ({ attempt, success }) => {
  test('accepts a secret and a service token', async () => {
    await using files = new Files();
    await using stage = await start(files);
    expect((await attempt(stage, RIGHT)).status).toBe(success);
    expect((await attempt(stage, bearer(await stage.cluster.token({ sub: REPORTS })))).status).toBe(success);
  });

  test('RFC 6749 §2.3.1: decodes a form-encoded id and secret, whatever is escaped', async () => {
    await using files = new Files();
    await using stage = await start(files);
    const credential = plain(`${percentEncoded('orders')}:${percentEncoded(SECRET)}`);
    expect((await attempt(stage, credential)).status).toBe(success);
  });

  test.each([
    ['no credential', []],
    ['a wrong secret', [WRONG]],
    ['a prefix of the secret', [basic('orders', SECRET.slice(0, -1))]],
    ['an empty secret', [basic('orders', '')]],
    ['an unknown id', [basic('nobody', SECRET)]],
    ['the id of a client without a secret', [basic('reports', SECRET)]],
    ['an id from Object.prototype', [basic('constructor', SECRET)]],
    ['an empty id', [basic('', SECRET)]],
    ['RFC 6749 §2.3.1: a secret that is not form-encoded', [plain(`orders:${SECRET}`)]],
    ['a broken escape', [plain('orders:%zz')]],
    ['no colon', [plain('orders')]],
    ['bytes that are not UTF-8', [`Authorization: Basic ${Buffer.from([0x6f, 0x3a, 0xff]).toString('base64')}`]],
    ['base64url', ['Authorization: Basic _-_-']],
    ['JWT-57: two spaces', [RIGHT.replace('Basic ', 'Basic  ')]],
    ['JWT-57: another scheme', ['Authorization: Digest x']],
    ['JWT-57: no scheme', ['Authorization: x']],
  ])('RFC 7617 §2: refuses %s with 401 and a Basic challenge', async (_title, headers) => {
    await using files = new Files();
    await using stage = await start(files);
    const response = await attempt(stage, ...headers);
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, CLIENT_CHALLENGE]);
  });

  test.each([
    ['of another subject', { sub: 'system:serviceaccount:shop:other' }],
    ['of another issuer', { sub: REPORTS, iss: 'https://other.example' }],
    ['for another audience', { sub: REPORTS, aud: 'https://other.example' }],
    ['that has expired', { sub: REPORTS, exp: 1 }],
    ['that represents a session', { sub: REPORTS, sid: 'x'.repeat(43) }],
    ['that names an actor', { sub: REPORTS, act: { sub: 'x' } }],
    ['that was minted for the subject of another issuer', { sub: REPORTS, presented_iss: 'https://other.example' }],
  ])('RFC 6750 §3: refuses a service token %s with 401 and a Bearer challenge', async (_title, claims) => {
    await using files = new Files();
    await using stage = await start(files);
    const response = await attempt(stage, bearer(await stage.cluster.token(claims)));
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, TOKEN_CHALLENGE]);
  });

  test('makes as many digests and comparisons for an unknown id as for a known one', async () => {
    await using files = new Files();
    await using stage = await start(files);
    const counts = async (header: string) => {
      const { hash, timingSafeEqual } = crypto;
      let count = { hashed: 0, compared: 0 };
      crypto.hash = ((...args: Parameters<typeof hash>) => {
        count = { ...count, hashed: count.hashed + 1 };
        return hash(...args);
      }) as typeof hash;
      crypto.timingSafeEqual = (left, right) => {
        count = { ...count, compared: count.compared + 1 };
        return timingSafeEqual(left, right);
      };
      syncBuiltinESMExports();
      try {
        expect((await attempt(stage, header)).status).toBe(401);
      } finally {
        Object.assign(crypto, { hash, timingSafeEqual });
        syncBuiltinESMExports();
      }
      return count;
    };
    expect(await counts(WRONG)).toEqual({ hashed: 1, compared: 1 });
    expect(await counts(basic('nobody', SECRET))).toEqual({ hashed: 1, compared: 1 });
  });

  test('slows down guesses from one network without affecting others', async () => {
    const clocks = new TestClocks();
    await using files = new Files();
    const trustedProxies = ['127.0.0.1'];
    const listeners = { public: { address: '127.0.0.1:0', trustedProxies }, admin: { address: '127.0.0.1:0' } };
    const clientSecretFile = await files.write('secret', SECRET);
    const login = {
      trustedBackends: [{ id: 'orders', clientSecretFile }],
      throttle: { freeAttemptsPerAccount: 2 },
    };
    await using stage = await start(files, {
      clocks,
      config: { listeners, login },
      tokenEndpoint: { throttle: { freeAttemptsPerClient: 2 } },
    });
    const from = (address: string) => `X-Forwarded-For: ${address}`;
    const guesser = from('203.0.113.7');
    for (let count = 0; count < 2; count++) expect((await attempt(stage, WRONG, guesser)).status).toBe(401);
    const slowed = await attempt(stage, WRONG, guesser);
    expect([slowed.status, slowed.headers.get('retry-after')]).toEqual([429, '1']);
    expect((await attempt(stage, RIGHT, guesser)).status).toBe(429);
    expect((await attempt(stage, RIGHT, from('203.0.113.8'))).status).toBe(success);
    clocks.advance(1_000);
    expect((await attempt(stage, RIGHT, guesser)).status).toBe(success);
  });
});

test.each([
  ['a trusted backend', 'client', ENDPOINTS.toReversed()],
  ['a client', 'trusted backend', ENDPOINTS],
])('guesses at %s do not slow down the %s of the same name', async (_guessed, _other, endpoints) => {
  await using files = new Files();
  const clientSecretFile = await files.write('secret', SECRET);
  const login = { trustedBackends: [{ id: 'orders', clientSecretFile }], throttle: { freeAttemptsPerAccount: 1 } };
  const tokenEndpoint = { throttle: { freeAttemptsPerClient: 1 } };
  await using stage = await start(files, { config: { login }, tokenEndpoint });
  const [guessed, other] = endpoints as [Endpoint, Endpoint];
  expect((await guessed.attempt(stage, WRONG)).status).toBe(401);
  expect((await guessed.attempt(stage, WRONG)).status).toBe(429);
  expect((await other.attempt(stage, RIGHT)).status).toBe(other.success);
  // It still has its own free attempt, which the store counts.
  expect((await other.attempt(stage, WRONG)).status).toBe(401);
});

describe('RFC 9700 §4.15: a user’s token is not a credential of the service of the same name', () => {
  /** A stage where `cart` is a user, a client, a backend, and a subject of another issuer. */
  async function startWithCart(files: Files): Promise<TokenStage> {
    const service = { issuer: 'own', subjects: ['cart', 'stock'] };
    const logins = { id: 'logins', clientSecretFile: await files.write('secret', SECRET) };
    return TokenStage.start({
      issuers: { own: { own: {}, audience: ['orders', 'stock', 'billing'] } },
      clients: { reports: { service, subject: 'cart' } },
      config: {
        routes: [
          { id: 'orders', match: { path: '/orders' }, upstream: 'app', credential: 'session', audience: 'orders' },
          {
            id: 'api',
            match: { path: '/api' },
            upstream: 'app',
            credential: { service: ['cluster'] },
            audience: 'orders',
          },
        ],
        refresh: { clients: ['native'], accessToken: { audience: 'orders' } },
        login: { trustedBackends: [logins, { id: 'cart', service }] },
      },
    });
  }

  const accessToken = async (stage: TokenStage): Promise<string> => {
    const body = JSON.stringify({ subject: 'cart', refresh: 'native' });
    const opened = await stage.send('POST', '/auth/sessions', [JSON_TYPE, basic('logins', SECRET)], body);
    const { access_token } = jsonOf(opened)['tokens'] as { access_token: string };
    return access_token;
  };
  const ofForeignSubject = async (stage: TokenStage): Promise<string> => {
    const header = bearer(await stage.cluster.token({ sub: 'cart' }));
    expect((await stage.send('GET', '/api', [header])).status).toBe(200);
    return stage.upstream.last.values('authorization')[0]?.replace('Bearer ', '') ?? '';
  };

  test.each<readonly [string, (stage: TokenStage) => Promise<string>]>([
    ['the upstream token of a session', (stage) => stage.userToken('cart')],
    ['the access token of a refresh', accessToken],
    ['an exchanged token', async (stage) => accessTokenOf(await stage.exchange(await stage.userToken('cart')))],
    ['the upstream token of a subject of another issuer', ofForeignSubject],
  ])('%s', async (_title, tokenOf) => {
    await using files = new Files();
    await using stage = await startWithCart(files);
    const token = await tokenOf(stage);
    for (const { attempt } of ENDPOINTS) {
      const response = await attempt(stage, bearer(token));
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, TOKEN_CHALLENGE]);
    }
    const notes = [...stage.events('token_refused'), ...stage.events('login_failed')].map(({ note }) => note);
    expect(notes).toEqual(Array(2).fill(expect.stringContaining('stands for a user')));
  });

  test('a token that the service obtained for itself is its credential', async () => {
    await using files = new Files();
    await using stage = await startWithCart(files);
    const form = { grant_type: 'client_credentials', audience: 'orders', ...(await stage.asStock()) };
    const token = accessTokenOf(await stage.token(form));
    for (const { attempt, success } of ENDPOINTS) expect((await attempt(stage, bearer(token))).status).toBe(success);
  });
});
