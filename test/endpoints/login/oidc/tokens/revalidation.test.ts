/** Sessions follow their identity provider (`revalidate`), which is asked in the background of requests. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { OidcStage } from '../../../../attack/oidc-stage.ts';
import type { PlainBrowser } from '../../../../support/browsers/plain-browser.ts';
import { TestClocks } from '../../../../support/clocks.ts';
import { HOST, PUBLIC_ORIGIN } from '../../../../support/gateway.ts';
import type { MisbehaviourName } from '../../../../support/providers/misbehaviours.ts';
import { RawConnection, requestHead } from '../../../../support/raw-client.ts';
import { until } from '../../../../support/until.ts';

const MINUTE_MS = 60_000;
const EVERY_MS = 5 * MINUTE_MS;

/** One gateway for all tests, with a long idle timeout. */
let stage: OidcStage;
const clocks = new TestClocks();

beforeAll(async () => {
  stage = await OidcStage.start({
    clocks,
    provider: {
      revalidate: '5m',
      outageGrace: '20m',
      groups: 'groups',
      allow: { groups: ['staff', 'admins'] },
      refreshEvery: '1d',
    },
    config: { session: { idleTimeout: '10h', absoluteTimeout: '12h' } },
    routes: [
      { id: 'admin', match: { path: '/admin' }, credential: 'session', allow: { claims: { groups: ['admins'] } } },
      { id: 'app', match: { path: '/' }, credential: 'session' },
    ],
  });
});
afterAll(() => stage[Symbol.asyncDispose]());
beforeEach(() => {
  stage.provider.reform();
  // Ends the pause after a failure of the provider.
  clocks.advance(30_000);
});

async function loggedIn(): Promise<PlainBrowser> {
  const browser = stage.browser();
  expect((await stage.logIn(browser)).status).toBe(200);
  return browser;
}

const status = async (browser: PlainBrowser, path = '/') => (await browser.fetch(`${PUBLIC_ORIGIN}${path}`)).status;
const refreshes = () =>
  stage.provider.calls.filter(({ parameters }) => parameters.get('grant_type') === 'refresh_token').length;
const events = (name: string) => stage.gateway.audit.records.filter((record) => record['event'] === name);

async function outcomes(): Promise<Record<string, number>> {
  const text = await stage.gateway.metrics.text();
  const found = text.matchAll(/provider_refreshes_total\{provider="corporate",outcome="(\w+)"\} (\d+)/g);
  return Object.fromEntries([...found].map(([, outcome, count]) => [outcome, Number(count)]));
}

/** Does some work, then waits until the provider has been asked again and the outcome is counted. */
async function revalidated(work: () => Promise<void>): Promise<void> {
  const sum = async () => Object.values(await outcomes()).reduce((total, count) => total + count, 0);
  const before = await sum();
  await work();
  await until(async () => (await sum()) > before, 'the provider was asked');
}

describe('a session due for revalidation', () => {
  test('updates the user’s attributes in the background, asking the provider once', async () => {
    const browser = await loggedIn();
    expect(await status(browser, '/admin')).toBe(403);
    const before = refreshes();
    stage.provider.user = { ...stage.provider.user, groups: ['admins'] };
    expect(await status(browser, '/admin')).toBe(403);
    clocks.advance(EVERY_MS);
    await revalidated(async () => {
      const statuses = await Promise.all(Array.from({ length: 10 }, () => status(browser, '/admin')));
      expect(statuses[0]).toBe(403);
    });
    expect(refreshes()).toBe(before + 1);
    expect(await status(browser, '/admin')).toBe(200);
    expect(events('session_changed').at(-1)).toMatchObject({ provider: 'corporate', subject: 'corporate|mallory-1' });
  });

  test('stores each new refresh token, so that ten rounds succeed', async () => {
    const browser = await loggedIn();
    const before = await outcomes();
    for (let round = 0; round < 10; round += 1) {
      clocks.advance(EVERY_MS);
      await revalidated(async () => expect(await status(browser)).toBe(200));
    }
    expect(await outcomes()).toEqual({ ...before, confirmed: (before['confirmed'] ?? 0) + 10 });
  });

  test('is also revalidated by /auth/session, but not with ?prolong=no', async () => {
    const browser = await loggedIn();
    clocks.advance(EVERY_MS);
    const before = refreshes();
    expect(await status(browser, '/auth/session?prolong=no')).toBe(200);
    expect(refreshes()).toBe(before);
    stage.provider.misbehave('refresh-invalid-grant');
    await revalidated(async () => expect(await status(browser, '/auth/session')).toBe(200));
    expect(await status(browser, '/auth/session?prolong=no')).toBe(401);
  });

  test('is not revalidated while it is idle', async () => {
    await loggedIn();
    const before = refreshes();
    clocks.advance(10 * EVERY_MS);
    await stage.gateway.metrics.text();
    expect(refreshes()).toBe(before);
  });

  test.each([
    ['the provider answers invalid_grant', 'refresh-invalid-grant', {}, 'token endpoint: invalid_grant'],
    ['sub names another user', 'refresh-sub-wrong', {}, 'refresh: sub of a different user'],
    ['allow no longer admits the user', null, { groups: ['guests'] }, 'allow.groups: in none of them'],
  ] as const)('ends everywhere when %s', async (_what, misbehaviour, claims, note) => {
    const browser = await loggedIn();
    const [{ handle, subject } = { handle: '', subject: '' }] = (
      await stage.gateway.gateway.sessions.list('corporate|mallory-1')
    ).slice(-1);
    if (misbehaviour !== null) stage.provider.misbehave(misbehaviour);
    stage.provider.user = { ...stage.provider.user, ...claims };
    clocks.advance(EVERY_MS);
    await revalidated(async () => expect(await status(browser)).toBe(200));
    await until(async () => (await status(browser)) === 401, 'it has ended');
    expect(events('revalidation_refused').at(-1)).toMatchObject({ provider: 'corporate', subject, handle, note });
    expect(await stage.gateway.gateway.sessions.live(handle as never)).toBeNull();
  });
});

describe('REF-06: a provider without a usable answer', () => {
  const unusable: readonly MisbehaviourName[] = [
    'refresh-500',
    'refresh-html',
    'refresh-invalid-client',
    'refresh-iss-wrong',
    'refresh-aud-wrong',
    'refresh-azp-wrong',
    'refresh-nonce-other',
  ];

  test.each(unusable)(
    '%s: ends no session; after outageGrace requests get 503 until it recovers',
    async (misbehaviour) => {
      const browser = await loggedIn();
      stage.provider.misbehave(misbehaviour);
      clocks.advance(EVERY_MS);
      await revalidated(async () => expect(await status(browser)).toBe(200));
      clocks.advance(14 * MINUTE_MS);
      await revalidated(async () => expect(await status(browser)).toBe(200));
      clocks.advance(2 * MINUTE_MS);
      const page = await browser.fetch(`${PUBLIC_ORIGIN}/`);
      expect([page.status, page.headers['retry-after']]).toEqual([503, expect.stringMatching(/^\d+$/)]);
      expect(page.body).toContain('provider_unavailable');
      // The provider was asked a moment ago and is not asked again.
      const before = refreshes();
      expect(await status(browser)).toBe(503);
      expect(refreshes()).toBe(before);
      // The user is not logged out: the session continues once the provider recovers.
      stage.provider.reform();
      clocks.advance(2 * MINUTE_MS);
      expect(await status(browser)).toBe(200);
    },
  );

  test('for one session does not block others', async () => {
    const [one, other] = [await loggedIn(), await loggedIn()];
    clocks.advance(60 * MINUTE_MS);
    stage.provider.misbehave('refresh-aud-wrong');
    expect(await status(one)).toBe(503);
    stage.provider.reform();
    expect(await status(other)).toBe(200);
  });

  test.each(['refresh-without-id-token', 'refresh-without-refresh-token'] as const)(
    '%s: confirms the session, and the missing token stays as it was',
    async (misbehaviour) => {
      const browser = await loggedIn();
      stage.provider.misbehave(misbehaviour);
      const before = await outcomes();
      clocks.advance(EVERY_MS);
      await revalidated(async () => expect(await status(browser)).toBe(200));
      expect(await outcomes()).toEqual({ ...before, confirmed: (before['confirmed'] ?? 0) + 1 });
    },
  );
});

describe('a session that was idle for longer than outageGrace', () => {
  test('waits for the provider and has current attributes at once', async () => {
    const browser = await loggedIn();
    stage.provider.user = { ...stage.provider.user, groups: ['admins'] };
    clocks.advance(60 * MINUTE_MS);
    expect(await status(browser, '/admin')).toBe(200);
  });

  test('gets 401 at once if it has ended', async () => {
    const browser = await loggedIn();
    stage.provider.misbehave('refresh-invalid-grant');
    clocks.advance(60 * MINUTE_MS);
    expect(await status(browser)).toBe(401);
  });
});

describe('a stream of a session that makes no requests', () => {
  /** Opens a stream in a logged-in browser. */
  async function opened(): Promise<{ readonly browser: PlainBrowser; readonly stream: RawConnection }> {
    const browser = await loggedIn();
    const cookie = `Cookie: __Host-sid=${browser.cookies.get('shop.example.com', '__Host-sid')?.value}`;
    stage.upstream.answer = (_, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
      socket.write('5\r\ndata:\r\n');
    };
    const stream = await RawConnection.open(stage.gateway.port);
    stream.socket.write(requestHead('GET', '/events', [HOST, cookie]));
    await until(() => stream.socket.bytesRead > 0, 'it has begun');
    return { browser, stream };
  }
  const answer = () => stage.upstream.answer;
  let usual: ReturnType<typeof answer>;
  beforeAll(() => {
    usual = answer();
  });
  afterEach(() => {
    stage.upstream.answer = usual;
  });

  test('is cut when the provider no longer admits the user', async () => {
    const { stream } = await opened();
    await using _ = stream;
    stage.provider.misbehave('refresh-invalid-grant');
    clocks.advance(EVERY_MS);
    await until(() => stream.socket.closed || stream.socket.readableEnded, 'it is cut');
    expect(events('revalidation_refused').at(-1)).toMatchObject({ note: 'token endpoint: invalid_grant' });
  });

  test('continues while the provider is down, until requests would get 503', async () => {
    const { browser, stream } = await opened();
    await using _ = stream;
    stage.provider.misbehave('refresh-500');
    await revalidated(async () => clocks.advance(EVERY_MS));
    expect(stream.socket.readableEnded || stream.socket.closed).toBe(false);
    clocks.advance(16 * MINUTE_MS);
    await until(() => stream.socket.closed || stream.socket.readableEnded, 'it is cut');
    // The session has not ended.
    stage.provider.reform();
    stage.upstream.answer = usual;
    clocks.advance(30_000);
    expect(await status(browser)).toBe(200);
  });
});

describe('a session without tokens', () => {
  test('is served for as long as an unconfirmed one, then ends', async () => {
    const { sessionId, record } = await stage.gateway.gateway.sessions.open({
      subject: 'corporate|old',
      user: { groups: ['staff'] },
      method: 'oidc',
      device: 'test',
      login: { provider: 'corporate', subject: 'old', sid: null, authTimeMs: null, acr: null, amr: [] },
    });
    const browser = stage.browser();
    browser.cookies.put('shop.example.com', '__Host-sid', sessionId);
    expect(await status(browser)).toBe(200);
    clocks.advance(19 * MINUTE_MS);
    expect(await status(browser)).toBe(200);
    clocks.advance(2 * MINUTE_MS);
    expect(await status(browser)).toBe(401);
    expect(events('revalidation_refused').at(-1)).toMatchObject({ handle: record.handle, reason: 'session_expired' });
  });

  test('cannot come from a login: the provider must give a refresh token', async () => {
    stage.upstream.reset();
    stage.provider.misbehave('refresh-token-missing');
    const browser = stage.browser();
    await stage.isRefused(browser, await stage.logIn(browser), {
      reason: 'login_response_invalid',
      note: /no refresh token, which revalidate needs/,
    });
  });
});
