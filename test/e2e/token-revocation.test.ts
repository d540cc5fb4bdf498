/**
 * Tokens that are revoked at one gateway and refused by another, with a real Redis between them: the ingress mints them
 * for people with a session, the sidecar in front of a service verifies them offline.
 */

import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TokenRevocationRequest } from '../../src/admin/control.ts';
import { LocalControl } from '../../src/gateway/control.ts';
import type { SessionHandle } from '../../src/jwt/names.ts';
import {
  HOST,
  PUBLIC_ORIGIN,
  parseTestConfig,
  SOON_UNANSWERED,
  startGateway,
  type TestGateway,
} from '../support/gateway.ts';
import { TokenAuthority } from '../support/issuers/token-authority.ts';
import { asHandle, asJti } from '../support/names.ts';
import { GatewayProcess } from '../support/process.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { RedisCluster, RedisServer } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { BUSY_MS, until } from '../support/until.ts';
import { startEchoUpstream, WebSocketClient } from '../support/websocket.ts';

/** Promise 5 of the README, on an idle machine. */
const BOUND_MS = 1_000;
const SOURCE = { requestId: null, client: null };

let authority: TokenAuthority;
let upstream: RecordingUpstream;
beforeAll(async () => {
  authority = await TokenAuthority.create();
  upstream = await RecordingUpstream.start();
});
afterAll(async () => {
  await upstream[Symbol.asyncDispose]();
  authority[Symbol.dispose]();
});

/** Patient, since a busy machine delays Redis as well. */
const store = (url: string, more: object = {}) => ({ redis: { url, ...more } });

function startIngress(url: string, more: object = {}): Promise<TestGateway> {
  return startGateway({
    upstream: upstream.origin,
    config: { store: store(url, more) },
    routes: [{ id: 'billing', match: { path: '/billing' }, credential: 'session', audience: 'billing' }],
  });
}

function sidecarOptions(ingress: TestGateway, url: string, more: Record<string, unknown> = {}) {
  const shop = {
    issuer: PUBLIC_ORIGIN,
    jwksUrl: `http://127.0.0.1:${ingress.port}/.well-known/jwks.json`,
    algorithms: ['ES256'],
    audience: 'billing',
  };
  return {
    upstream: upstream.origin,
    config: { store: store(url), issuers: { shop, cluster: authority.config }, ...more },
    routes: [{ id: 'billing', match: { path: '/' }, credential: { service: ['shop', 'cluster'] } }],
  };
}

const startSidecar = (ingress: TestGateway, url: string, more: Record<string, unknown> = {}) =>
  startGateway(sidecarOptions(ingress, url, more));

/** The token that the ingress sends to the service for a user, and the handle of the user's session. */
async function userToken(ingress: TestGateway, subject: string) {
  const { sessionId, record } = await ingress.gateway.sessions.open({
    subject,
    user: {},
    method: 'password',
    device: 'x',
  });
  const cookie = `Cookie: __Host-sid=${sessionId}`;
  const answer = await rawRequest(ingress.port, requestHead('GET', '/billing', [HOST, cookie]));
  expect(answer.status).toBe(200);
  const [token = ''] = upstream.last.values('authorization').map((value) => value.replace(/^Bearer /, ''));
  expect(decodeJwt(token)).toMatchObject({ sub: subject, aud: 'billing', sid: record.handle });
  return { token, handle: record.handle, cookie };
}

const call = ({ port }: { port: number }, token: string) =>
  rawRequest(port, requestHead('GET', '/', [HOST, `Authorization: Bearer ${token}`]));

const revoke = ({ gateway, metrics }: TestGateway, request: TokenRevocationRequest) =>
  new LocalControl(gateway, metrics).revokeTokens(request, SOURCE);

const byJti = (token: string): TokenRevocationRequest => ({
  kind: 'token',
  tokenId: asJti(decodeJwt(token).jti ?? ''),
  issuer: null,
  expMs: null,
  lifetimeMs: null,
});

function throws(act: () => unknown): boolean {
  try {
    act();
    return false;
  } catch {
    return true;
  }
}

/** Milliseconds from the start of an action until a token is refused. */
async function refusedAfterMs(sidecar: { port: number }, token: string, act: () => Promise<unknown>) {
  const startedMs = performance.now();
  await act();
  await until(async () => (await call(sidecar, token)).status === 401, 'the token is refused');
  return performance.now() - startedMs;
}

describe('two gateways and one Redis', () => {
  let redis: RedisServer;
  let ingress: TestGateway;
  let sidecar: TestGateway;
  beforeAll(async () => {
    redis = await RedisServer.start();
    ingress = await startIngress(redis.url);
    sidecar = await startSidecar(ingress, redis.url);
    await until(() => sidecar.gateway.longLived.revokedTokens.ageMs < BOUND_MS, 'the feed is proven');
    const { token } = await userToken(ingress, 'first');
    await until(async () => (await call(sidecar, token)).status === 200, 'the keys of the ingress are there');
  });
  afterAll(async () => {
    await sidecar[Symbol.asyncDispose]();
    await ingress[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
  });

  test('JWT-55: a session ends, and the sidecar refuses its upstream token within a second', async () => {
    const delaysMs: number[] = [];
    for (let i = 0; i < 20; i++) {
      const { token, handle } = await userToken(ingress, `alice-${i}`);
      const bystander = await userToken(ingress, `bob-${i}`);
      expect((await call(sidecar, token)).status).toBe(200);
      delaysMs.push(await refusedAfterMs(sidecar, token, () => ingress.gateway.sessions.end(handle, 'operator')));
      expect((await call(sidecar, bystander.token)).status).toBe(200);
    }
    delaysMs.sort((a, b) => a - b);
    console.log(
      `end of a session → refusal at the sidecar: median ${delaysMs[10]?.toFixed(1)} ms, most ${delaysMs.at(-1)?.toFixed(1)} ms`,
    );
    expect(delaysMs.at(-1)).toBeLessThan(BOUND_MS + BUSY_MS);
  });

  test('a revoked token is answered like any bad token; log, audit log and metric say why', async () => {
    const { token, handle } = await userToken(ingress, 'carol');
    await refusedAfterMs(sidecar, token, () => ingress.gateway.sessions.end(handle, 'operator'));
    const answer = await call(sidecar, token);
    const garbage = await call(sidecar, 'e30.e30.AA');
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="sallyport", error="invalid_token"');
    expect(answer.headers.get('www-authenticate')).toBe(garbage.headers.get('www-authenticate'));
    const document = (response: typeof answer) => ({ ...JSON.parse(response.body.toString()), requestId: '' });
    expect(document(answer)).toEqual(document(garbage));
    const refusal = { reason: 'token_invalid', note: 'token was revoked' };
    expect(sidecar.log.records).toContainEqual(expect.objectContaining(refusal));
    expect(sidecar.audit.records).toContainEqual(expect.objectContaining({ event: 'denied', ...refusal }));
    expect(await sidecar.metrics.text()).toMatch(
      /sallyport_service_tokens_refused_total\{issuer="shop",problem="revoked"\} [1-9]/,
    );
    expect(sidecar.log.text).not.toContain(token);
  });

  test('by jti: refuses that token and no other, even after the sidecar has verified it', async () => {
    const [token, other] = await Promise.all([authority.token({ jti: 'one' }), authority.token({ jti: 'two' })]);
    for (let i = 0; i < 2; i++) expect((await call(sidecar, token)).status).toBe(200);
    expect(await refusedAfterMs(sidecar, token, () => revoke(ingress, byJti(token)))).toBeLessThan(BOUND_MS + BUSY_MS);
    expect((await call(sidecar, other)).status).toBe(200);
  });

  test('by session: ends it and refuses its tokens', async () => {
    const { token, handle, cookie } = await userToken(ingress, 'dave');
    expect((await call(sidecar, token)).status).toBe(200);
    // At the sidecar this time: revocations go the other way as well.
    const delayMs = await refusedAfterMs(sidecar, token, () => revoke(sidecar, { kind: 'session', handle }));
    expect(delayMs).toBeLessThan(BOUND_MS + BUSY_MS);
    await until(
      async () => (await rawRequest(ingress.port, requestHead('GET', '/billing', [HOST, cookie]))).status === 401,
      'the session has ended at the ingress',
    );
  });

  test('by subject: refuses its current tokens, but not those minted in a later second', async () => {
    const token = await authority.token({ sub: 'cart' });
    const forUser = await authority.token({ sub: 'erin', act: { sub: 'cart' } });
    const stranger = await authority.token({ sub: 'stock' });
    for (const one of [token, forUser, stranger]) expect((await call(sidecar, one)).status).toBe(200);
    const request = { kind: 'subject', subject: 'cart', issuer: null, lifetimeMs: null } as const;
    expect(await refusedAfterMs(sidecar, token, () => revoke(ingress, request))).toBeLessThan(BOUND_MS + BUSY_MS);
    expect((await call(sidecar, forUser)).status).toBe(401);
    expect((await call(sidecar, stranger)).status).toBe(200);
    await until(
      async () => (await call(sidecar, await authority.token({ sub: 'cart' }))).status === 200,
      'a new one is',
    );
    expect((await call(sidecar, token)).status).toBe(401);
  });

  test('revoking the tokens of a user keeps the session: the ingress mints new ones instead of reusing them', async () => {
    const { token, cookie } = await userToken(ingress, 'frank');
    const request = { kind: 'subject', subject: 'frank', issuer: null, lifetimeMs: null } as const;
    await refusedAfterMs(sidecar, token, () => revoke(ingress, request));
    await until(async () => {
      await rawRequest(ingress.port, requestHead('GET', '/billing', [HOST, cookie]));
      const [fresh = ''] = upstream.last.values('authorization').map((value) => value.replace(/^Bearer /, ''));
      return (await call(sidecar, fresh)).status === 200;
    }, 'what the ingress sends is accepted');
  });

  test('WS-14: revoking a token closes its WebSocket with 1008 and cuts its stream; others continue', async () => {
    await using echo = await startEchoUpstream();
    await using streaming = await RecordingUpstream.start((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n');
    });
    const options = sidecarOptions(ingress, redis.url);
    const credential = { service: ['shop', 'cluster'] };
    await using chat = await startGateway({
      ...options,
      config: {
        ...options.config,
        upstreams: { app: { endpoints: [echo.origin] }, news: { endpoints: [streaming.origin] } },
      },
      routes: [
        { id: 'chat', match: { path: '/chat' }, credential },
        { id: 'news', match: { path: '/news' }, credential, upstream: 'news' },
      ],
    });
    const [token, other] = await Promise.all([authority.token({ jti: 'ws-one' }), authority.token({ jti: 'ws-two' })]);
    const bearer = (of: string) => [`Authorization: Bearer ${of}`];
    await using client = await WebSocketClient.open(chat.port, '/chat', bearer(token));
    await using bystander = await WebSocketClient.open(chat.port, '/chat', bearer(other));
    await using stream = await RawConnection.open(chat.port);
    stream.write(requestHead('GET', '/news', [HOST, ...bearer(token)]));
    await stream.bytes('HTTP/1.1 200 OK'.length);
    client.send('hello');
    expect(await client.text()).toBe('hello');
    await revoke(ingress, byJti(token));
    expect(await client.closeCode()).toBe(1008);
    await stream.remainder();
    bystander.send('still here');
    expect(await bystander.text()).toBe('still here');
    const why = { reason: 'token_invalid', note: 'token was revoked or expired while a stream of it was open' };
    await until(() => chat.log.records.filter(({ note }) => note === why.note).length === 2, 'both are in the log');
    expect(chat.log.records).toContainEqual(expect.objectContaining({ ...why, route: 'chat' }));
  });

  test('a verifier that starts later knows earlier revocations from its first request on', async () => {
    const { token, handle } = await userToken(ingress, 'grace');
    const service = await authority.token({ jti: 'early' });
    await ingress.gateway.sessions.end(handle, 'operator');
    await revoke(ingress, byJti(service));
    await using late = await startSidecar(ingress, redis.url);
    await until(async () => (await call(late, await authority.token())).status === 200, 'its keys are there');
    await until(async () => (await call(late, token)).status !== 503, 'the keys of the ingress are there');
    expect((await call(late, token)).status).toBe(401);
    expect((await call(late, service)).status).toBe(401);
  });

  test('Redis keeps a revocation no longer than the longest token lives', async () => {
    const { handle } = await userToken(ingress, 'heidi');
    await redis.cli('DEL', 'sallyport:revocations');
    await ingress.gateway.sessions.end(handle, 'operator');
    // An ingress that accepts no service tokens: upstreamToken.lifetime, and the tolerated clock skew.
    const leftMs = Number(await redis.cli('PTTL', 'sallyport:revocations'));
    expect(leftMs).toBeGreaterThan(120_000);
    expect(leftMs).toBeLessThanOrEqual(120_000 + 600_000);
  });
});

test('a reload with longer token lifetimes keeps ended sessions for longer, and its outage grace applies', async () => {
  await using redis = await RedisServer.start();
  await using gateway = await startIngress(redis.url);
  const keptMs = async (handle: SessionHandle) => {
    await gateway.gateway.sessions.end(handle, 'operator');
    return Number(await redis.cli('ZSCORE', 'sallyport:revocations', `s${handle}`)) - Date.now();
  };
  const apply = (config: Record<string, unknown>) => gateway.apply(parseTestConfig({ config }));
  await apply({ store: store(redis.url) });
  expect(await keptMs(asHandle('A'.repeat(43)))).toBeLessThanOrEqual(720_000);
  await apply({ store: store(redis.url), upstreamToken: { lifetime: '10m' }, revocation: { outageGrace: '1s' } });
  expect(await keptMs(asHandle('B'.repeat(43)))).toBeGreaterThan(1_000_000);
  await redis.kill();
  await until(
    () => throws(() => gateway.gateway.longLived.revokedTokens.isRevoked({ jti: 'any' })),
    'the grace is over',
  );
});

describe('an outage', () => {
  test('a sidecar that is cut off accepts tokens revoked meanwhile, and refuses them within a second of reconnecting', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using ingress = await startIngress(redis.url);
    await using sidecar = await startSidecar(ingress, proxy.url);
    const before = await authority.token({ jti: 'before' });
    const during = await authority.token({ jti: 'during' });
    const { token, handle } = await userToken(ingress, 'alice');
    await refusedAfterMs(sidecar, before, () => revoke(ingress, byJti(before)));
    await until(async () => (await call(sidecar, token)).status === 200, 'the keys are there');

    proxy.block();
    await until(() => sidecar.gateway.longLived.revokedTokens.ageMs > BOUND_MS, 'the feed is no longer proven');
    await revoke(ingress, byJti(during));
    await ingress.gateway.sessions.end(handle, 'operator');
    expect((await call(sidecar, before)).status).toBe(401);
    expect((await call(sidecar, during)).status).toBe(200);
    expect((await call(sidecar, token)).status).toBe(200);

    proxy.unblock();
    await until(() => sidecar.gateway.longLived.revokedTokens.ageMs < BOUND_MS, 'the feed is proven again');
    const backMs = performance.now();
    for (const one of [before, during, token]) {
      await until(async () => (await call(sidecar, one)).status === 401, 'it is refused');
    }
    expect(performance.now() - backMs).toBeLessThan(BOUND_MS + BUSY_MS);
  });

  test('after Redis stops and continues (SIGSTOP), both gateways refuse what was revoked before and since', async () => {
    await using redis = await RedisServer.start();
    await using ingress = await startIngress(redis.url, SOON_UNANSWERED);
    await using sidecar = await startSidecar(ingress, redis.url, { store: store(redis.url, SOON_UNANSWERED) });
    const [before, after] = await Promise.all([authority.token({ jti: 'before' }), authority.token({ jti: 'after' })]);
    await refusedAfterMs(sidecar, before, () => revoke(ingress, byJti(before)));
    redis.freeze();
    await until(() => !sidecar.gateway.store.isAvailable(), 'it is noticed');
    await expect(revoke(ingress, byJti(after))).rejects.toMatchObject({ reason: 'store_unavailable' });
    expect((await call(sidecar, before)).status).toBe(401);
    expect((await call(sidecar, after)).status).toBe(200);
    redis.thaw();
    await until(
      () =>
        revoke(ingress, byJti(after)).then(
          () => true,
          () => false,
        ),
      'it can be revoked',
    );
    await until(async () => (await call(sidecar, after)).status === 401, 'it is refused');
    expect((await call(sidecar, before)).status).toBe(401);
  });

  test('RDS-07: when Redis restarts empty, the gateways record again what they know, for one that starts later', async () => {
    const redis = await RedisServer.start();
    await using ingress = await startIngress(redis.url);
    await using sidecar = await startSidecar(ingress, redis.url);
    const service = await authority.token({ jti: 'one' });
    const { token, handle } = await userToken(ingress, 'alice');
    await refusedAfterMs(sidecar, service, () => revoke(ingress, byJti(service)));
    await ingress.gateway.sessions.end(handle, 'operator');
    await until(
      () => sidecar.gateway.longLived.revokedTokens.isRevoked({ sid: handle }),
      'the sidecar has heard of it',
    );
    await redis.kill();
    await until(() => !sidecar.gateway.store.isAvailable(), 'the loss is noticed');
    expect((await call(sidecar, service)).status).toBe(401);
    await using again = await RedisServer.start({ port: redis.port });
    for (const entry of ['t["one"]', `s${handle}`]) {
      const isOnRecord = async () => Number(await again.cli('ZSCORE', 'sallyport:revocations', entry)) > Date.now();
      await until(isOnRecord, 'it is on record again');
    }
    await using late = await startSidecar(ingress, again.url);
    await until(async () => (await call(late, token)).status !== 503, 'the keys are there');
    expect((await call(late, token)).status).toBe(401);
    expect((await call(late, service)).status).toBe(401);
    await redis[Symbol.asyncDispose]();
  });

  test('after revocation.outageGrace, a token that may have been revoked gets 503, and a revoked one still 401', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using ingress = await startIngress(redis.url);
    await using sidecar = await startSidecar(ingress, proxy.url, { revocation: { outageGrace: '2s' } });
    const [good, bad] = await Promise.all([authority.token({ jti: 'good' }), authority.token({ jti: 'bad' })]);
    await until(async () => (await call(sidecar, good)).status === 200, 'the feed is proven');
    await refusedAfterMs(sidecar, bad, () => revoke(ingress, byJti(bad)));

    await until(() => sidecar.gateway.longLived.revokedTokens.ageMs < BOUND_MS, 'the feed is proven');
    const cutAtMs = performance.now();
    proxy.block();
    await until(async () => (await call(sidecar, good)).status === 503, 'it is refused');
    expect(performance.now() - cutAtMs).toBeGreaterThan(2_000 - BOUND_MS);
    const answer = await call(sidecar, good);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ reason: 'store_unavailable' });
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(answer.headers.get('www-authenticate')).toBeUndefined();
    expect((await call(sidecar, bad)).status).toBe(401);

    proxy.unblock();
    await until(async () => (await call(sidecar, good)).status === 200, 'it is accepted again');
    expect((await call(sidecar, bad)).status).toBe(401);
  });

  test('with revocation.outageGrace, a verifier that never reached its store accepts nothing', async () => {
    await using redis = await RedisServer.start();
    await using ingress = await startIngress(redis.url);
    await redis.kill();
    await using sidecar = await startSidecar(ingress, redis.url, { revocation: { outageGrace: '1h' } });
    expect((await call(sidecar, await authority.token())).status).toBe(503);
    await using without = await startSidecar(ingress, redis.url);
    expect((await call(without, await authority.token())).status).toBe(200);
  });
});

describe('a Cluster', () => {
  test('carries revocations of a session, a token and a subject to another gateway, and to one that starts later', async () => {
    await using cluster = await RedisCluster.start();
    await using ingress = await startIngress(cluster.url);
    await using sidecar = await startSidecar(ingress, cluster.url);
    const users = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(async (name) => name));
    const sessions: { token: string; handle: SessionHandle }[] = [];
    for (const name of users) sessions.push(await userToken(ingress, name));
    const service = await authority.token({ jti: 'one' });
    const subject = await authority.token({ sub: 'cart' });
    const all = [...sessions.map(({ token }) => token), service, subject];
    for (const token of all) await until(async () => (await call(sidecar, token)).status === 200, 'it is accepted');
    const delaysMs: number[] = [];
    for (const { token, handle } of sessions)
      delaysMs.push(await refusedAfterMs(sidecar, token, () => ingress.gateway.sessions.end(handle, 'operator')));
    delaysMs.push(await refusedAfterMs(sidecar, service, () => revoke(ingress, byJti(service))));
    const cart = { kind: 'subject', subject: 'cart', issuer: null, lifetimeMs: null } as const;
    delaysMs.push(await refusedAfterMs(sidecar, subject, () => revoke(ingress, cart)));
    console.log(`Cluster: refused after ${Math.max(...delaysMs).toFixed(1)} ms at most`);
    expect(Math.max(...delaysMs)).toBeLessThan(BOUND_MS + BUSY_MS);
    await using late = await startSidecar(ingress, cluster.url);
    for (const token of all) {
      await until(async () => (await call(late, token)).status !== 503, 'its keys are there');
      expect((await call(late, token)).status).toBe(401);
    }
  });
});

describe('several workers', () => {
  test('all refuse what an operator revokes', async () => {
    await using redis = await RedisServer.start();
    await using ingress = await startIngress(redis.url);
    const upstreamToken = { algorithm: 'HS256', secretFile: 'token.secret' };
    const options = sidecarOptions(ingress, redis.url, { workers: 3, upstreamToken });
    const files = { 'token.secret': 'an-hs256-secret-of-32-bytes-or-more' };
    await using sidecar = await GatewayProcess.start({ ...options, files });
    const token = await authority.token({ jti: 'one' });
    const statuses = async () => {
      const answers = await Promise.all(Array.from({ length: 24 }, () => call(sidecar, token)));
      return new Set(answers.map(({ status }) => status));
    };
    expect(await statuses()).toEqual(new Set([200]));
    const startedMs = performance.now();
    const answer = await sidecar.admin('/api/token-revocations', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jti: 'one' }),
    });
    expect(answer.status).toBe(200);
    await until(async () => !(await statuses()).has(200), 'every worker refuses it');
    expect(performance.now() - startedMs).toBeLessThan(BOUND_MS + BUSY_MS);
    expect(await statuses()).toEqual(new Set([401]));
  });
});
