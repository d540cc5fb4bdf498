import { generateKeyPair, SignJWT } from 'jose';
import { describe, expect, test, vi } from 'vitest';
import { TestClocks } from '../../support/clocks.ts';
import {
  AS_ORDERS,
  accessTokenOf,
  basic,
  errorOf,
  ISSUER,
  JWT_BEARER,
  jsonOf,
  SECRET,
  TOKEN_URL,
  TokenStage,
} from './fixture.ts';

const OWN = { grant_type: 'client_credentials' };
const BILLING = { ...OWN, audience: 'billing' };
const plainBasic = (pair: string) => `Authorization: Basic ${Buffer.from(pair).toString('base64')}`;

describe('client_secret_basic', () => {
  test('RFC 6749 §2.3.1: id and secret are form-encoded before base64', async () => {
    await using stage = await TokenStage.start();
    expect((await stage.token(OWN, AS_ORDERS)).status).toBe(200);
    const percent = [...Buffer.from(SECRET)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
    expect((await stage.token(OWN, plainBasic(`%6frders:${percent}`))).status).toBe(200);
    expect(errorOf(await stage.token(OWN, plainBasic(`orders:${SECRET}`)))).toEqual([401, 'invalid_client']);
  });

  test.each([
    ['no credential', []],
    ['a wrong secret', [basic('orders', `${SECRET}x`)]],
    ['a prefix of the secret', [basic('orders', SECRET.slice(0, -1))]],
    ['an empty secret', [basic('orders', '')]],
    ['the secret of another client', [basic('stock', SECRET)]],
    ['a client that does not exist', [basic('nobody', SECRET)]],
    ['an id from Object.prototype', [basic('constructor', SECRET)]],
    ['an empty id', [basic('', SECRET)]],
    ['no colon', [plainBasic('orders')]],
    ['a broken escape', [plainBasic('orders:%zz')]],
    ['bytes that are not UTF-8', [`Authorization: Basic ${Buffer.from([0x6f, 0x3a, 0xff]).toString('base64')}`]],
    ['base64 with spare bits', ['Authorization: Basic b3JkZXJzOng=='.replace('g==', 'h==')]],
    ['base64url', ['Authorization: Basic _-_-']],
    ['JWT-57: two spaces', [AS_ORDERS.replace('Basic ', 'Basic  ')]],
    ['JWT-57: another scheme', ['Authorization: Digest x']],
    ['JWT-57: no scheme', ['Authorization: x']],
  ])('%s gets 401 invalid_client with a challenge', async (_title, headers) => {
    await using stage = await TokenStage.start();
    const response = await stage.token(OWN, ...headers);
    expect(errorOf(response)).toEqual([401, 'invalid_client']);
    expect(response.headers.get('www-authenticate')).toBe('Basic realm="sallyport", charset="UTF-8"');
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  test('RFC 6749 §2.3: a secret in the body is not accepted', async () => {
    await using stage = await TokenStage.start();
    const inBody = { ...OWN, client_id: 'orders', client_secret: SECRET };
    expect(errorOf(await stage.token(inBody))).toEqual([401, 'invalid_client']);
  });

  test('a secret that is too short fails the start', async () => {
    await using files = new (await import('../login/fixture.ts')).Files();
    const clientSecretFile = await files.write('short', 'x'.repeat(31));
    await expect(TokenStage.start({ clients: { orders: { clientSecretFile } } })).rejects.toThrow(
      'fewer than 32 characters',
    );
  });
});

describe('exactly one credential', () => {
  test.each([
    ['Basic and an assertion', async (stage: TokenStage) => [await stage.asStock(), AS_ORDERS]],
    ['Basic and a secret in the body', async () => [{ client_secret: SECRET }, AS_ORDERS]],
    [
      'an assertion and a secret in the body',
      async (stage: TokenStage) => [{ client_secret: SECRET, ...(await stage.asStock()) }],
    ],
    [
      'a Bearer token and an assertion',
      async (stage: TokenStage) => [await stage.asStock(), `Authorization: Bearer ${await stage.cluster.token()}`],
    ],
  ] as [string, (stage: TokenStage) => Promise<[Record<string, string>, ...string[]]>][])(
    'RFC 6749 §2.3: %s get invalid_request',
    async (_title, credentials) => {
      await using stage = await TokenStage.start();
      const [form, ...headers] = await credentials(stage);
      expect(errorOf(await stage.token({ ...BILLING, ...form }, ...headers))).toEqual([400, 'invalid_request']);
    },
  );

  test('two Authorization headers get 400', async () => {
    await using stage = await TokenStage.start();
    expect((await stage.token(OWN, AS_ORDERS, AS_ORDERS)).status).toBe(400);
  });

  test('RFC 6749 §3.2.1: client_id must match the client of the credential', async () => {
    await using stage = await TokenStage.start();
    expect((await stage.token({ ...OWN, client_id: 'orders' }, AS_ORDERS)).status).toBe(200);
    expect(errorOf(await stage.token({ ...OWN, client_id: 'stock' }, AS_ORDERS))).toEqual([400, 'invalid_request']);
    const assertion = { ...BILLING, ...(await stage.asStock()), client_id: 'orders' };
    expect(errorOf(await stage.token(assertion))).toEqual([400, 'invalid_request']);
  });

  test('a session cookie is not a credential', async () => {
    await using stage = await TokenStage.start();
    const cookie = await stage.cookie();
    expect(errorOf(await stage.token(OWN, cookie))).toEqual([401, 'invalid_client']);
    const response = await stage.token(OWN, cookie, AS_ORDERS);
    expect([response.status, jsonOf(response)['token_type']]).toEqual([200, 'Bearer']);
  });
});

describe('private_key_jwt', () => {
  const own = (stage: TokenStage, assertion: string) =>
    stage.token({ ...BILLING, client_assertion_type: JWT_BEARER, client_assertion: assertion });

  test('RFC 7523 §2.2: a client that signs with its own key gets a token', async () => {
    await using stage = await TokenStage.start();
    const claims = await stage.verified(accessTokenOf(await own(stage, await stage.assertion())));
    expect(claims).toMatchObject({ sub: 'stock', aud: 'billing', client_id: 'stock', scope: 'bill:read' });
  });

  test('RFC 7523 §3: accepts the issuer, the token endpoint or both as aud', async () => {
    await using stage = await TokenStage.start();
    for (const aud of [ISSUER, TOKEN_URL, [ISSUER], [ISSUER, TOKEN_URL]]) {
      expect((await own(stage, await stage.assertion({ aud }))).status).toBe(200);
    }
  });

  test.each([
    ['JWT-36: aud naming another server', { aud: 'https://other.example' }],
    ['JWT-36: aud naming another server as well', { aud: [TOKEN_URL, 'https://other.example'] }],
    ['JWT-36: an empty aud', { aud: [] }],
    ['JWT-36: no aud', { aud: undefined }],
    ['JWT-36: an object as aud', { aud: { [TOKEN_URL]: true } }],
    ['JWT-35: the token endpoint with a trailing slash', { aud: `${TOKEN_URL}/` }],
    ['sub of another client', { sub: 'orders' }],
    ['no sub', { sub: undefined }],
    ['iss of a client without keys', { iss: 'orders', sub: 'orders' }],
    ['an unknown iss', { iss: 'nobody', sub: 'nobody' }],
    ['a list as iss', { iss: ['stock'] }],
    ['no iss', { iss: undefined }],
    ['JWT-28: no exp', { exp: undefined }],
    ['JWT-29: exp as text', { exp: '9999999999' }],
    ['JWT-30: exp far in the future', { exp: Math.floor(Date.now() / 1_000) + 3_600 }],
    ['JWT-30: an enormous exp', { exp: 1e300 }],
    ['exp in the past', { exp: Math.floor(Date.now() / 1_000) - 31 }],
    ['JWT-31: nbf as text', { nbf: '0' }],
    ['JWT-44: no jti', { jti: undefined }],
    ['JWT-44: an empty jti', { jti: '' }],
    ['JWT-44: a jti that is not a string', { jti: 7 }],
    ['JWT-44: a very long jti', { jti: 'x'.repeat(257) }],
  ])('%s gets invalid_client', async (_title, claims) => {
    await using stage = await TokenStage.start();
    expect(errorOf(await own(stage, await stage.assertion(claims)))).toEqual([401, 'invalid_client']);
  });

  // These take the time of the request, since on a busy machine a test may begin long after its table was made.
  test.each(['iat', 'nbf'])('JWT-31: %s in the future gets invalid_client', async (claim) => {
    await using stage = await TokenStage.start();
    const assertion = await stage.assertion({ [claim]: Math.floor(Date.now() / 1_000) + 60 });
    expect(errorOf(await own(stage, assertion))).toEqual([401, 'invalid_client']);
  });

  test('JWT-30: accepts times with a fraction (RFC 7519 §2)', async () => {
    await using stage = await TokenStage.start();
    const nowSec = Math.floor(Date.now() / 1_000);
    const assertion = await stage.assertion({ iat: nowSec - 0.5, exp: nowSec + 30.5 });
    expect((await own(stage, assertion)).status).toBe(200);
  });

  test.each([
    ['JWT-33: typ of an access token', { typ: 'at+jwt' }],
    ['JWT-10: a kid that the client does not have', { kid: 'stock-2' }],
    ['JWT-10: a kid that is a path', { kid: '../../dev/null' }],
    ['JWT-14: a key address', { x5u: 'http://127.0.0.1:9/' }],
    ['JWT-13: a key set address', { jku: 'http://127.0.0.1:9/' }],
  ])('%s gets invalid_client', async (_title, header) => {
    await using stage = await TokenStage.start();
    expect(errorOf(await own(stage, await stage.assertion({}, header)))).toEqual([401, 'invalid_client']);
  });

  test('RFC 7523 §3: another key, no signature or an HMAC gets invalid_client', async () => {
    await using stage = await TokenStage.start();
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const [head, payload, signature] = (await stage.assertion()).split('.');
    const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString());
    const signed = (alg: string, key: Parameters<SignJWT['sign']>[0]) =>
      new SignJWT(claims).setProtectedHeader({ alg, kid: 'stock-1' }).sign(key);
    const none = Buffer.from('{"alg":"none","kid":"stock-1"}').toString('base64url');
    const spki = Buffer.from(await crypto.subtle.exportKey('spki', publicKey));
    for (const [what, assertion] of [
      ['another key', await signed('ES256', privateKey)],
      ['JWT-06: the public key as a secret', await signed('HS256', spki)],
      ['JWT-01: alg none', `${none}.${payload}.${signature}`],
      ['JWT-20: no signature', `${head}.${payload}.`],
      ['JWT-20: one part', 'x'],
    ] as const) {
      expect([what, ...errorOf(await own(stage, assertion))]).toEqual([what, 401, 'invalid_client']);
    }
    const notes = stage.events('token_refused').map(({ note }) => note);
    expect(notes[0]).toBe('assertion: signature does not verify');
    expect(notes.slice(1, 3)).toEqual(Array(2).fill('assertion: algorithm is not one of the client’s'));
  });

  test('RFC 7521 §4.2: an assertion with a missing or wrong type gets invalid_request', async () => {
    await using stage = await TokenStage.start();
    const assertion = await stage.assertion();
    for (const form of [
      { client_assertion: assertion },
      { client_assertion_type: JWT_BEARER },
      {
        client_assertion: assertion,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer',
      },
    ]) {
      expect(errorOf(await stage.token({ ...BILLING, ...form }))).toEqual([400, 'invalid_request']);
    }
  });

  test('JWT-44: an assertion works once, even among concurrent requests', async () => {
    await using stage = await TokenStage.start();
    const assertion = await stage.assertion();
    const answers = await Promise.all(Array.from({ length: 20 }, () => own(stage, assertion)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(errorOf(await own(stage, await stage.assertion()))).not.toEqual([401, 'invalid_client']);
    const notes = stage.events('token_refused').map(({ note }) => note);
    expect(notes).toContain('assertion: jti was used before');
  });

  test('JWT-44: an assertion refused for another reason does not use up its jti', async () => {
    await using stage = await TokenStage.start();
    const jti = 'once';
    expect(errorOf(await own(stage, await stage.assertion({ jti, aud: 'x' })))).toEqual([401, 'invalid_client']);
    expect((await own(stage, await stage.assertion({ jti }))).status).toBe(200);
    expect(errorOf(await own(stage, await stage.assertion({ jti })))).toEqual([401, 'invalid_client']);
  });

  test('JWT-44: a jti stays used up until its assertion expires', async () => {
    const clocks = new TestClocks();
    await using stage = await TokenStage.start({ clocks });
    const nowSec = clocks.wallMs() / 1_000;
    const assertion = await stage.assertion({ exp: nowSec + 300 });
    expect((await own(stage, assertion)).status).toBe(200);
    clocks.advance(329_000);
    expect(errorOf(await own(stage, assertion))).toEqual([401, 'invalid_client']);
    expect(stage.events('token_refused')).toMatchObject([{ note: 'assertion: jti was used before' }]);
    clocks.advance(1_000);
    expect(errorOf(await own(stage, assertion))).toEqual([401, 'invalid_client']);
    expect(stage.events('token_refused').at(-1)).toMatchObject({ note: expect.stringContaining('passed') });
  });
});

describe('a service token', () => {
  const REPORTS = 'system:serviceaccount:shop:reports';

  test('authenticates a client as a Bearer token or client assertion', async () => {
    await using stage = await TokenStage.start();
    const token = await stage.cluster.token({ sub: REPORTS });
    const asBearer = await stage.token(OWN, `Authorization: Bearer ${token}`);
    const asAssertion = await stage.token({ ...OWN, client_assertion_type: JWT_BEARER, client_assertion: token });
    for (const response of [asBearer, asAssertion]) {
      const claims = await stage.verified(accessTokenOf(response));
      expect(claims).toMatchObject({ sub: REPORTS, aud: 'billing', client_id: 'reports' });
      expect(claims).not.toHaveProperty('scope');
    }
  });

  test.each([
    ['of another subject', { sub: 'system:serviceaccount:shop:other' }],
    ['of another issuer', { sub: REPORTS, iss: 'https://other.example' }],
    ['for another audience', { sub: REPORTS, aud: 'https://other.example' }],
    ['that has expired', { sub: REPORTS, exp: 1 }],
    ['that names a session', { sub: REPORTS, sid: 'x'.repeat(43) }],
    ['that names an actor', { sub: REPORTS, act: { sub: 'x' } }],
  ])('%s gets 401 invalid_client with a Bearer challenge', async (_title, claims) => {
    await using stage = await TokenStage.start();
    const response = await stage.token(OWN, `Authorization: Bearer ${await stage.cluster.token(claims)}`);
    expect(errorOf(response)).toEqual([401, 'invalid_client']);
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="sallyport", error="invalid_token"');
  });

  test('of a user is refused, even if the user is named like a service', async () => {
    await using stage = await TokenStage.start({
      issuers: { own: { own: {}, audience: 'orders' } },
      clients: { reports: { service: { issuer: 'own', subjects: [REPORTS] } } },
    });
    const token = await stage.userToken(REPORTS);
    expect(errorOf(await stage.token(OWN, `Authorization: Bearer ${token}`))).toEqual([401, 'invalid_client']);
    expect(stage.events('token_refused')).toMatchObject([{ note: expect.stringContaining('stands for a user') }]);
  });
});

describe('failed authentications', () => {
  const WRONG = basic('orders', 'wrong');

  test('slow the client from that network, not from others', async () => {
    const clocks = new TestClocks();
    await using stage = await TokenStage.start({
      clocks,
      config: {
        listeners: {
          public: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] },
          admin: { address: '127.0.0.1:0' },
        },
      },
      tokenEndpoint: { throttle: { freeAttemptsPerClient: 3 } },
    });
    const from = (address: string) => `X-Forwarded-For: ${address}`;
    const attacker = from('203.0.113.7');
    for (let i = 0; i < 3; i++) {
      expect(errorOf(await stage.token(OWN, WRONG, attacker))).toEqual([401, 'invalid_client']);
    }
    const slowed = await stage.token(OWN, WRONG, attacker);
    expect(errorOf(slowed)).toEqual([429, 'temporarily_unavailable']);
    expect(slowed.headers.get('retry-after')).toBe('1');
    // Even a right guess has to wait there, but nowhere else.
    expect((await stage.token(OWN, AS_ORDERS, attacker)).status).toBe(429);
    expect((await stage.token(OWN, AS_ORDERS, from('203.0.113.8'))).status).toBe(200);
    expect((await stage.token({ ...BILLING, ...(await stage.asStock()) }, attacker)).status).toBe(200);
    clocks.advance(1_000);
    expect((await stage.token(OWN, AS_ORDERS, attacker)).status).toBe(200);
    expect(errorOf(await stage.token(OWN, WRONG, attacker))).toEqual([401, 'invalid_client']);
  });

  test('do not include many right ones in parallel, which ask the store nothing', async () => {
    await using stage = await TokenStage.start({ tokenEndpoint: { throttle: { freeAttemptsPerClient: 1 } } });
    const { attempts, once, codes, sessions } = stage.gateway.gateway.store;
    const questions = [
      vi.spyOn(attempts, 'begin'),
      vi.spyOn(attempts, 'succeeded'),
      vi.spyOn(once, 'use'),
      vi.spyOn(codes, 'read'),
      vi.spyOn(sessions, 'read'),
    ];
    const answers = await Promise.all(Array.from({ length: 50 }, () => stage.token(OWN, AS_ORDERS)));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    for (const question of questions) expect(question).not.toHaveBeenCalled();
  });

  test('with unknown ids count together per address, and slow no existing client', async () => {
    await using stage = await TokenStage.start({ tokenEndpoint: { throttle: { freeAttemptsPerClient: 1 } } });
    expect((await stage.token(OWN, basic('a', SECRET))).status).toBe(401);
    expect((await stage.token(OWN, basic('b', SECRET))).status).toBe(429);
    expect((await stage.token(OWN, AS_ORDERS)).status).toBe(200);
  });
});

describe('the rate of a client', () => {
  test('is limited: more requests get 429 with Retry-After, and other clients are not affected', async () => {
    const clocks = new TestClocks();
    await using stage = await TokenStage.start({
      clocks,
      tokenEndpoint: { limits: { requestsPerSecond: 2, burst: 3 } },
    });
    const statuses = async (count: number) => {
      const found: number[] = [];
      for (let i = 0; i < count; i++) found.push((await stage.token(OWN, AS_ORDERS)).status);
      return found;
    };
    expect(await statuses(4)).toEqual([200, 200, 200, 429]);
    const refused = await stage.token(OWN, AS_ORDERS);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(errorOf(refused)).toEqual([429, 'temporarily_unavailable']);
    const series = 'sallyport_token_requests_total{grant="client_credentials",result="rate_limited"}';
    expect(await stage.metric(series)).toBe(2);
    expect((await stage.token({ ...BILLING, ...(await stage.asStock()) })).status).toBe(200);
    clocks.advance(500);
    expect(await statuses(2)).toEqual([200, 429]);
    clocks.advance(60_000);
    expect(await statuses(4)).toEqual([200, 200, 200, 429]);
  });
});
