/** Logouts sent by a provider: by a real one, across replicas, for open streams, and the logout tokens it may send. */

import { describe, expect, test } from 'vitest';
import { OidcStage, type OidcStageOptions } from '../../../../attack/oidc-stage.ts';
import { TestClocks } from '../../../../support/clocks.ts';
import { HOST, PUBLIC_ORIGIN, SOON_UNANSWERED, startGateway } from '../../../../support/gateway.ts';
import type { Misbehaviour } from '../../../../support/providers/misbehaviour.ts';
import { type RawResponse, rawRequest, requestHead } from '../../../../support/raw-client.ts';
import { RedisServer } from '../../../../support/redis.ts';
import { RedisProxy } from '../../../../support/redis-proxy.ts';
import { startEchoUpstream, WebSocketClient } from '../../../../support/websocket.ts';
import { ProviderStage } from '../stage.ts';

const FORM = 'Content-Type: application/x-www-form-urlencoded';
const LOGOUT_URI = `${PUBLIC_ORIGIN}/auth/backchannel-logout/corporate`;

/** A provider that sends logout tokens to the stage's gateway, whose port is known only later. */
async function withLogout(client: object, options: Parameters<typeof ProviderStage.start>[0] = {}) {
  const origins: Record<string, number> = {};
  const idp = { client: { backchannel_logout_uri: LOGOUT_URI, ...client }, origins };
  const stage = await ProviderStage.start({ ...options, idp });
  origins[PUBLIC_ORIGIN] = stage.gateway.port;
  return { stage, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
}

/** Logs the browser out at the provider, on its own page. */
async function logOutThere(stage: ProviderStage, browser: ReturnType<ProviderStage['browser']>): Promise<void> {
  await stage.idp.confirmLogout(browser, await browser.open(`${stage.idp.issuer}/session/end`));
}

const post = (port: number, token: string, host = HOST): Promise<RawResponse> => {
  const body = `logout_token=${token}`;
  const lines = [host, FORM, `Content-Length: ${body.length}`];
  return rawRequest(port, requestHead('POST', '/auth/backchannel-logout/corporate', lines) + body);
};

describe('Back-Channel Logout §2: logging out at a real provider', () => {
  test.each([
    ['by sid', { backchannel_logout_session_required: true }],
    ['by sub', { backchannel_logout_session_required: false }],
  ])('Back-Channel Logout §2.4: %s, ends the session here', async (_how, client) => {
    await using it = await withLogout(client);
    const { stage } = it;
    const browser = stage.browser();
    await stage.logIn(browser);
    const handle = (await stage.gateway.gateway.sessions.list('corporate|ada'))[0]?.handle;
    await logOutThere(stage, browser);
    await expect.poll(() => stage.who(browser)).toBeNull();
    expect(stage.lastEvent('backchannel_logout')).toMatchObject({ provider: 'corporate', handles: [handle] });
    const metrics = await stage.gateway.metrics.text();
    expect(metrics).toContain('sallyport_provider_backchannel_logouts_total{provider="corporate",outcome="ended"} 1');
    expect(metrics).toContain('sallyport_sessions_ended_total{cause="provider"} 1');
  });

  test('Back-Channel Logout §2.7: by sid, ends only that session of the user', async () => {
    await using it = await withLogout({ backchannel_logout_session_required: true });
    const { stage } = it;
    const [laptop, phone] = [stage.browser(), stage.browser()];
    await stage.logIn(laptop);
    await stage.logIn(phone);
    await logOutThere(stage, phone);
    await expect.poll(() => stage.who(phone)).toBeNull();
    expect(await stage.who(laptop)).toMatchObject({ subject: 'corporate|ada' });
  });

  test('Back-Channel Logout §2.7: by sub, ends all sessions of that user and no other user’s', async () => {
    await using it = await withLogout({ backchannel_logout_session_required: false });
    const { stage } = it;
    const [laptop, phone, other] = [stage.browser(), stage.browser(), stage.browser()];
    await stage.logIn(laptop);
    await stage.logIn(phone);
    await stage.logIn(other, '/', 'grace');
    await logOutThere(stage, phone);
    await expect.poll(() => stage.who(laptop)).toBeNull();
    expect(await stage.who(phone)).toBeNull();
    expect(await stage.who(other)).toMatchObject({ subject: 'corporate|grace' });
  });

  test('ends the session and its open WebSocket on another replica at once', async () => {
    await using redis = await RedisServer.start();
    await using echo = await startEchoUpstream();
    const store = { redis: { url: redis.url } };
    const routes = [{ id: 'app', match: { path: '/' }, credential: 'session' }];
    const options = { upstream: echo.origin, routes, config: { store } };
    await using it = await withLogout({ backchannel_logout_session_required: true }, options);
    const { stage } = it;
    await using replica = await startGateway({ ...options, config: { store, login: { oidc: [stage.corporate] } } });
    const browser = stage.browser();
    const start = await browser.step(`${PUBLIC_ORIGIN}/auth/login?provider=corporate&return_to=%2Fauth%2Fsession`);
    await stage.idp.logIn(browser, await browser.open(new URL(start.headers.location ?? '', start.url)));
    const cookie = `Cookie: __Host-sid=${browser.cookies.of('shop.example.com')['__Host-sid']}`;
    await using socket = await WebSocketClient.open(replica.port, '/', [cookie]);
    socket.send('hello');
    expect(await socket.text()).toBe('hello');
    await logOutThere(stage, browser);
    expect(await socket.closeCode()).toBe(1008);
    const answer = await rawRequest(replica.port, requestHead('GET', '/auth/session', [HOST, cookie]));
    expect(answer.status).toBe(401);
  });
});

describe('a logout token', () => {
  const honest: readonly (readonly [string, Misbehaviour])[] = [
    ['typ JWT', { header: (header) => ({ ...header, typ: 'JWT' }) }],
    ['typ application/logout+jwt', { header: (header) => ({ ...header, typ: 'application/logout+jwt' }) }],
    ['no typ', { header: (header) => ({ ...header, typ: undefined }) }],
    ['aud as a list with others', { claims: (claims) => ({ ...claims, aud: ['another', 'shop'] }) }],
    ['sid and sub', { claims: (claims) => ({ ...claims, sub: 'mallory-1' }) }],
    ['an unknown claim', { claims: (claims) => ({ ...claims, more: { of: 'it' } }) }],
    ['an iat 20 s ahead', { claims: (claims) => ({ ...claims, iat: (claims['iat'] as number) + 20 }) }],
  ];

  test.each(honest)('Back-Channel Logout §2.4: with %s is accepted', async (_what, change) => {
    await using stage = await loggedIn();
    const answer = await post(stage.gateway.port, stage.provider.logoutToken({ sid: 'session-1' }, change));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body.toString()).toBe('');
    expect(await stage.gateway.gateway.sessions.list('corporate|mallory-1')).toEqual([]);
  });

  test('Back-Channel Logout §2.8: for an unknown session gets 200', async () => {
    await using stage = await loggedIn();
    const answer = await post(stage.gateway.port, stage.provider.logoutToken({ sid: 'another' }));
    expect(answer.status).toBe(200);
    expect(await stage.gateway.gateway.sessions.list('corporate|mallory-1')).toHaveLength(1);
    const metrics = await stage.gateway.metrics.text();
    expect(metrics).toContain('sallyport_provider_backchannel_logouts_total{provider="corporate",outcome="none"} 1');
  });

  test('is accepted under any host name, since providers may call from inside', async () => {
    await using stage = await loggedIn();
    const token = stage.provider.logoutToken({ sid: 'session-1' });
    expect((await post(stage.gateway.port, token, 'Host: sallyport.internal')).status).toBe(200);
  });

  test('with only a sub is refused where another claim names users; with a sid it is accepted', async () => {
    await using stage = await loggedIn({ provider: { subject: 'name' } });
    const refused = await post(stage.gateway.port, stage.provider.logoutToken({ sub: 'mallory-1' }));
    expect(refused.status).toBe(400);
    expect(await stage.gateway.gateway.sessions.list('corporate|Mallory')).toHaveLength(1);
    expect((await post(stage.gateway.port, stage.provider.logoutToken({ sid: 'session-1' }))).status).toBe(200);
    expect(await stage.gateway.gateway.sessions.list('corporate|Mallory')).toEqual([]);
  });
});

describe('a logout token during an outage', () => {
  test('gets 503 and logs nobody out while the store is down, and works later', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    const config = { store: { redis: { url: proxy.url, ...SOON_UNANSWERED } } };
    await using stage = await loggedIn({ config });
    const token = stage.provider.logoutToken({ sid: 'session-1' });
    proxy.block();
    const answer = await post(stage.gateway.port, token);
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ error: 'temporarily_unavailable' });
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(stage.gateway.audit.records.at(-1)).toMatchObject({
      event: 'backchannel_logout_refused',
      reason: 'store_unavailable',
    });
    proxy.unblock();
    const { sessions } = stage.gateway.gateway;
    await expect.poll(() => sessions.list('corporate|mallory-1').catch(() => null)).toHaveLength(1);
    await expect.poll(async () => (await post(stage.gateway.port, token)).status).toBe(200);
    expect(await sessions.list('corporate|mallory-1')).toEqual([]);
  });

  test('gets 503 when the provider’s keys cannot be fetched, and the session lives on', async () => {
    const clocks = new TestClocks();
    const session = { idleTimeout: '30d', absoluteTimeout: '30d' };
    await using stage = await loggedIn({ clocks, config: { session } });
    stage.provider.misbehave('key-set-500');
    // The keys that the gateway has are too old by then.
    clocks.advance(25 * 3_600_000);
    const answer = await post(stage.gateway.port, stage.provider.logoutToken({ sid: 'session-1' }));
    expect(answer.status).toBe(503);
    expect(await stage.gateway.gateway.sessions.list('corporate|mallory-1')).toHaveLength(1);
  });
});

async function loggedIn(options: OidcStageOptions = {}): Promise<OidcStage> {
  const stage = await OidcStage.start(options);
  const browser = stage.browser();
  await stage.isLoggedIn(browser, await stage.logIn(browser));
  return stage;
}
