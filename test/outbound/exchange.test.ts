/** Calls that carry the token of the workload's caller: it is exchanged for one for the destination (RFC 8693). */

import { decodeJwt } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalControl } from '../../src/gateway/control.ts';
import { TestClocks } from '../support/clocks.ts';
import { json, refusing, TestAuthorizationServer } from '../support/issuers/authorization-server.ts';
import { asHandle, asJti } from '../support/names.ts';
import { foreignToken, OutboundStage, ReplacedFiles } from './stage.ts';

let files: ReplacedFiles;
let server: TestAuthorizationServer;
let clocks: TestClocks;
beforeEach(async () => {
  files = new ReplacedFiles();
  clocks = new TestClocks();
  server = await TestAuthorizationServer.start();
  server.answer = server.exchanging();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  files[Symbol.dispose]();
});

const exchange = (more: Record<string, unknown> = {}) => ({
  tokenUrl: server.tokenUrl,
  clientId: 'cart',
  clientSecretFile: files.put('secret', 'a-secret-of-the-workload'),
  ...more,
});
const start = (more: Record<string, unknown> = {}) =>
  OutboundStage.start({ destinations: [{ audience: 'orders-api', token: { exchange: exchange(more) } }], clocks });

/** A user's token, as the workload received it. */
const userToken = (sub: string, lifetimeSec = 120) =>
  foreignToken({ sub, aud: 'cart', jti: sub, exp: Math.floor(clocks.wallMs() / 1_000) + lifetimeSec });
const bearer = (token: string) => `Authorization: Bearer ${token}`;
const exchangedFor = (token: string) => `for.orders-api.${token.split('.')[2]}`;

describe('the token of a call', () => {
  test('RFC 8693 §2.1: is exchanged for the destination’s audience, and is not sent there itself', async () => {
    await using stage = await start({ scopes: ['orders:read'] });
    const token = await userToken('bob');
    expect((await stage.call('/', bearer(token))).status).toBe(200);
    expect(Object.fromEntries(server.requests[0]?.parameters ?? [])).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      audience: 'orders-api',
      scope: 'orders:read',
    });
    expect(stage.orders.last.values('authorization')).toEqual([`Bearer ${exchangedFor(token)}`]);
    expect(stage.orders.text).not.toContain(token);
    expect(stage.gateway.log.text).not.toContain(token);
  });

  test('is exchanged once for all simultaneous calls that carry it', async () => {
    await using stage = await start();
    const token = await userToken('bob');
    await Promise.all(Array.from({ length: 20 }, () => stage.call('/', bearer(token))));
    await stage.call('/', bearer(token));
    expect(server.requests).toHaveLength(1);
    expect(new Set(stage.orders.requests.map((request) => request.values('authorization')[0]))).toEqual(
      new Set([`Bearer ${exchangedFor(token)}`]),
    );
  });

  test('SES-15: is never mixed up with other users’ tokens in simultaneous calls', async () => {
    await using stage = await start();
    const tokens = await Promise.all(Array.from({ length: 50 }, (_, index) => userToken(`user-${index}`)));
    const calls = Array.from({ length: 500 }, (_, index) => ({ index, token: tokens[(index * 7) % 50] as string }));
    await Promise.all(calls.map(({ index, token }) => stage.call(`/${index}`, bearer(token))));
    expect(server.requests).toHaveLength(50);
    for (const { index, token } of calls) {
      const sent = stage.orders.requests.find(({ head }) => head.startsWith(`GET /${index} `));
      expect(sent?.values('authorization')).toEqual([`Bearer ${exchangedFor(token)}`]);
    }
  });

  test('is exchanged for a separate token for each destination', async () => {
    const destinations = ['orders', 'billing'].map((id) => ({
      id,
      match: { host: `${id}.internal` },
      audience: id,
      token: { exchange: exchange() },
    }));
    await using stage = await OutboundStage.start({ destinations, clocks });
    const token = await userToken('bob');
    for (const id of ['orders', 'billing', 'orders']) {
      await stage.call('/', bearer(token), `Host: ${id}.internal`);
      expect(stage.lastToken).toBe(`for.${id}.${token.split('.')[2]}`);
    }
    expect(server.requests).toHaveLength(2);
  });

  test.each([
    ['the exchanged token', 300, 60, 45_000],
    ['the token of the call', 60, 300, 45_000],
  ])(
    'is exchanged again after three quarters of the remaining life of %s, if that ends first',
    async (_what, subjectSec, expiresIn, untilMs) => {
      server.answer = server.exchanging({ expires_in: expiresIn });
      await using stage = await start();
      const token = await userToken('bob', subjectSec);
      await stage.call('/', bearer(token));
      clocks.advance(untilMs - 1);
      await stage.call('/', bearer(token));
      expect(server.requests).toHaveLength(1);
      clocks.advance(1);
      await stage.call('/', bearer(token));
      expect(server.requests).toHaveLength(2);
    },
  );

  test('gets 401 without an exchange once it has expired, even if an exchanged one is kept', async () => {
    await using stage = await start();
    const token = await userToken('bob', 60);
    await stage.call('/', bearer(token));
    clocks.advance(60_000);
    stage.orders.reset();
    const answer = await stage.call('/', bearer(token));
    expect(answer).toMatchObject({ status: 401, reason: 'token_invalid' });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="sallyport", error="invalid_token"');
    expect(server.requests).toHaveLength(1);
    expect(stage.orders.requests).toEqual([]);
  });

  test.each([
    ['invalid_request', 401, 'token_invalid'],
    ['invalid_grant', 401, 'token_invalid'],
    ['invalid_target', 403, 'exchange_refused'],
    ['invalid_scope', 403, 'exchange_refused'],
    ['unauthorized_client', 403, 'exchange_refused'],
    ['invalid_client', 503, 'token_unavailable'],
    ['server_error', 503, 'token_unavailable'],
  ])('RFC 8693 §2.2.2: if the exchange is refused with %s, gets %i', async (error, status, reason) => {
    await using stage = await start();
    server.answer = refusing(error);
    expect(await stage.call('/', bearer(await userToken('bob')))).toMatchObject({ status, reason });
    expect(stage.orders.requests).toEqual([]);
  });

  test('does not affect other callers if it is refused, and the refusal is not cached', async () => {
    await using stage = await start();
    const bob = await userToken('bob');
    for (const answer of [refusing('invalid_grant'), refusing('nonsense'), refusing('server_error', 500)]) {
      server.answer = answer;
      expect((await stage.call('/', bearer(bob))).status).toBeGreaterThan(400);
      server.answer = server.exchanging();
      expect((await stage.call('/', bearer(await userToken(`ann-${server.requests.length}`)))).status).toBe(200);
    }
    expect((await stage.call('/', bearer(bob))).status).toBe(200);
  });

  test('gets 401 once another exchange is refused, and the last exchanged token is not used up', async () => {
    await using stage = await start();
    const token = await userToken('bob', 120);
    await stage.call('/', bearer(token));
    server.answer = refusing('invalid_grant');
    clocks.advance(90_000);
    expect((await stage.call('/', bearer(token))).status).toBe(401);
    expect((await stage.call('/', bearer(token))).status).toBe(401);
  });

  test.each([
    ['session', { kind: 'session', handle: asHandle('a-handle') }],
    ['subject', { kind: 'subject', subject: 'bob', issuer: null, lifetimeMs: null }],
  ] as const)('gets 401 at once if revoked here by %s, without an exchange or a call', async (_what, request) => {
    await using stage = await start();
    const nowSec = Math.floor(clocks.wallMs() / 1_000);
    const token = await foreignToken({ sub: 'bob', sid: 'a-handle', iat: nowSec, exp: nowSec + 120 });
    expect((await stage.call('/', bearer(token))).status).toBe(200);
    clocks.advance(2_000);
    const control = new LocalControl(stage.gateway.gateway, stage.gateway.metrics);
    await control.revokeTokens(request, { requestId: null, client: null });
    stage.orders.reset();
    expect(await stage.call('/', bearer(token))).toMatchObject({ status: 401, reason: 'token_invalid' });
    expect(server.requests).toHaveLength(1);
    expect(stage.orders.requests).toEqual([]);
  });

  test('is exchanged again if the exchanged token was revoked', async () => {
    const nowSec = Math.floor(clocks.wallMs() / 1_000);
    const issued = ['one', 'two'].map((jti) => foreignToken({ sub: 'bob', jti, iat: nowSec, exp: nowSec + 120 }));
    server.answer = (_request, response) =>
      void issued.shift()?.then((access_token) => json(response, 200, { access_token, token_type: 'Bearer' }));
    await using stage = await start();
    const token = await userToken('bob');
    await stage.call('/', bearer(token));
    const control = new LocalControl(stage.gateway.gateway, stage.gateway.metrics);
    await control.revokeTokens(
      { kind: 'token', tokenId: asJti('one'), issuer: null, expMs: null, lifetimeMs: null },
      { requestId: null, client: null },
    );
    await stage.call('/', bearer(token));
    expect(decodeJwt(stage.lastToken).jti).toBe('two');
  });

  test('gets 503 if the exchanged token has already expired', async () => {
    const over = await foreignToken({ exp: Math.floor(clocks.wallMs() / 1_000) - 1 });
    server.answer = (_request, response) =>
      json(response, 200, { access_token: over, token_type: 'Bearer', expires_in: 300 });
    await using stage = await start();
    expect(await stage.call('/', bearer(await userToken('bob')))).toMatchObject({ status: 503 });
    expect(stage.orders.requests).toEqual([]);
  });

  test.each(['Basic Ym9iOmhpZGRlbg==', 'Bearer', 'Bearer a b', 'Bearer a,b', 'a.b.c'])(
    'gets 401 without an exchange if written %j, which is not a bearer token',
    async (authorization) => {
      await using stage = await start({ whenMissing: 'service' });
      const answer = await stage.call('/', `Authorization: ${authorization}`);
      expect(answer).toMatchObject({ status: 401, reason: 'token_invalid' });
      expect(server.requests).toEqual([]);
      expect(stage.orders.requests).toEqual([]);
    },
  );

  test('is exchanged again if it is the least recently used and the cache is full', async () => {
    await using stage = await start({ maxEntries: 2 });
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((sub) => userToken(sub)));
    for (const token of [a, b, a, c, a, b]) await stage.call('/', bearer(token as string));
    const subjects = server.requests.map(({ parameters }) => decodeJwt(parameters.get('subject_token') ?? '').sub);
    expect(subjects).toEqual(['a', 'b', 'c', 'b']);
  });
});

describe('a call without a token', () => {
  test('gets 401 without an exchange', async () => {
    await using stage = await start();
    const answer = await stage.call('/');
    expect(answer).toMatchObject({ status: 401, reason: 'credential_missing' });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="sallyport"');
    expect(server.requests).toEqual([]);
    expect(stage.orders.requests).toEqual([]);
  });

  test('gets a service token of the workload if configured', async () => {
    await using stage = await start({ whenMissing: 'service', scopes: ['orders:read'] });
    expect((await stage.call('/')).status).toBe(200);
    expect(decodeJwt(stage.lastToken)).toMatchObject({ sub: 'cart', aud: 'orders-api', scope: 'orders:read' });
    const token = await userToken('bob');
    await stage.call('/', bearer(token));
    expect(stage.lastToken).toBe(exchangedFor(token));
    expect(server.requests).toHaveLength(1);
  });
});
