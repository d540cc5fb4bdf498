/** `require` of a route: a sufficient authentication passes; everyone else is told what is needed (RFC 9470). */

import fc from 'fast-check';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { lackOf } from '../../src/authorization/step-up.ts';
import type { ProviderLogin } from '../../src/store/session-record.ts';
import { TestClocks } from '../support/clocks.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { TokenAuthority } from '../support/issuers/token-authority.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const NOW_MS = Date.parse('2026-11-29T12:00:00Z');
const SEEN = { authTimeMs: NOW_MS - 60_000, acr: 'gold', amr: ['pwd', 'otp'] };

describe('what an authentication lacks', () => {
  test.each([
    ['an acr that is listed', { acr: ['silver', 'gold'] }, SEEN, null],
    ['an acr that is not listed', { acr: ['platinum'] }, SEEN, 'acr'],
    ['an acr that is only part of the listed one', { acr: ['gold:strong'] }, SEEN, 'acr'],
    ['no acr', { acr: ['gold'] }, { ...SEEN, acr: null }, 'acr'],
    ['one of several amr values', { amr: ['hwk', 'otp'] }, SEEN, null],
    ['none of several amr values', { amr: ['hwk', 'face'] }, SEEN, 'amr'],
    ['all amr values', { amr: { all: ['pwd', 'otp'] } }, SEEN, null],
    ['not all amr values', { amr: { all: ['pwd', 'hwk'] } }, SEEN, 'amr'],
    ['no amr', { amr: { any: ['pwd'] } }, { ...SEEN, amr: [] }, 'amr'],
    ['exactly the maximum age', { maxAge: 60_000 }, SEEN, null],
    ['a millisecond over the maximum age', { maxAge: 59_999 }, SEEN, 'age'],
    ['no time of authentication', { maxAge: 86_400_000 }, { ...SEEN, authTimeMs: null }, 'age'],
    ['a time slightly in the future', { maxAge: 60_000 }, { ...SEEN, authTimeMs: NOW_MS + 59_000 }, null],
    [
      'a time far in the future, which would stay recent for years',
      { maxAge: 60_000 },
      { ...SEEN, authTimeMs: NOW_MS + 61_000 },
      'age',
    ],
  ] as const)('%s', (_what, requirement, authentication, expected) => {
    const { acr, ...others } = { acr: undefined, ...requirement };
    const rule = { ...others, ...(acr !== undefined && { acr: [...acr] }) } as Parameters<typeof lackOf>[0];
    expect(lackOf(rule, authentication, NOW_MS)).toBe(expected);
  });

  test('is what the first unmet key lacks, whichever other keys are present', () => {
    const word = fc.constantFrom('a', 'b', 'c');
    const rule = fc.record({
      acr: fc.array(word, { minLength: 1 }),
      amr: fc.array(word, { minLength: 1 }),
      maxAge: fc.nat(),
    });
    const said = fc.record({
      acr: fc.option(word),
      amr: fc.array(word),
      authTimeMs: fc.option(fc.integer({ min: -100, max: 100 })),
    });
    fc.assert(
      fc.property(rule, said, ({ acr, amr, maxAge }, authentication) => {
        const parts = [{ acr }, { amr }, { maxAge }].map((part) => lackOf(part, authentication, 0));
        const expected = parts.find((lack) => lack !== null) ?? null;
        expect(lackOf({ acr, amr, maxAge }, authentication, 0)).toBe(expected);
      }),
    );
  });
});

const REQUIRE = { acr: ['gold', 'urn:example:platinum'], maxAge: '5m' };
const ROUTES = [
  { id: 'payouts', match: { path: '/payouts' }, credential: 'session', require: REQUIRE },
  { id: 'keys', match: { path: '/keys' }, credential: 'session', require: { amr: { all: ['pwd', 'otp'] } } },
  { id: 'admin', match: { path: '/admin' }, credential: 'session', allow: { roles: ['admin'] }, require: REQUIRE },
  { id: 'account', match: { path: '/account' }, credential: 'session', require: { maxAge: '5m' } },
  { id: 'maybe', match: { path: '/maybe' }, credential: { session: 'optional' }, require: { maxAge: '5m' } },
  { id: 'app', match: { path: '/' }, credential: 'session' },
];
const LOGIN = { oidc: [{ name: 'corporate', issuer: 'https://id.example.com', clientId: 'shop' }] };

async function sessionOf(gateway: TestGateway, said: Partial<ProviderLogin> | 'password' | 'backend'): Promise<string> {
  const login = { provider: 'corporate', subject: 'ada', sid: null, authTimeMs: null, acr: null, amr: [] };
  const how =
    typeof said === 'string'
      ? ({ subject: 'ada', method: said } as const)
      : ({ subject: 'corporate|ada', method: 'oidc', login: { ...login, ...said } } as const);
  const { sessionId } = await gateway.gateway.sessions.open({ user: { roles: ['customer'] }, device: 'test', ...how });
  return `Cookie: __Host-sid=${sessionId}`;
}

async function open(clocks = new TestClocks()) {
  const upstream = await RecordingUpstream.start();
  const gateway = await startGateway({ upstream: upstream.origin, routes: ROUTES, clocks, config: { login: LOGIN } });
  const ask = (path: string, ...lines: string[]) =>
    rawRequest(gateway.port, requestHead('GET', path, ['Host: shop.example.com', ...lines]));
  return {
    upstream,
    gateway,
    clocks,
    ask,
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

describe('a route with require', () => {
  test('RFC 9470 §3: answers a program with 401 and what is needed, and forwards nothing', async () => {
    await using it = await open();
    const cookie = await sessionOf(it.gateway, { acr: 'silver', authTimeMs: it.clocks.wallMs() });
    const { status, headers, body } = await it.ask('/payouts', cookie);
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe(
      'Session realm="sallyport", error="insufficient_user_authentication", error_description="A different authentication level is required", acr_values="gold urn:example:platinum", max_age="300"',
    );
    expect(JSON.parse(`${body}`)).toMatchObject({ reason: 'step_up_required', status: 401 });
    expect(it.upstream.requests).toEqual([]);
    // The session is still valid.
    expect(headers.get('set-cookie')).toBe(undefined);
    expect((await it.ask('/', cookie)).status).toBe(200);
  });

  test('admits a sufficient login until maxAge, and describes it in the upstream token', async () => {
    await using it = await open();
    const authTimeMs = it.clocks.wallMs() - 60_000;
    const cookie = await sessionOf(it.gateway, { acr: 'gold', amr: ['pwd', 'otp'], authTimeMs });
    expect((await it.ask('/payouts', cookie)).status).toBe(200);
    const token = it.upstream.last.values('authorization')[0]?.replace('Bearer ', '') ?? '';
    expect(decodeJwt(token)).toMatchObject({
      acr: 'gold',
      amr: ['pwd', 'otp'],
      auth_time: Math.floor(authTimeMs / 1_000),
    });
    expect((await it.ask('/keys', cookie)).status).toBe(200);
    it.clocks.advance(241_000);
    const late = await it.ask('/payouts', cookie);
    expect([late.status, late.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('error_description="More recent authentication is required"'),
    ]);
  });

  test('names missing amr values in the description, as no parameter exists for them', async () => {
    await using it = await open();
    const { status, headers } = await it.ask('/keys', await sessionOf(it.gateway, { amr: ['pwd'] }));
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe(
      'Session realm="sallyport", error="insufficient_user_authentication", error_description="amr must contain pwd and otp"',
    );
  });

  test('answers 403 first to users who may not use the route at all', async () => {
    await using it = await open();
    const { status, body } = await it.ask('/admin', await sessionOf(it.gateway, {}));
    expect([status, JSON.parse(`${body}`).reason]).toEqual([403, 'route_forbidden']);
  });

  test('counts a password login as pwd at its time, and a backend’s session as nothing', async () => {
    await using it = await open();
    const [password, backend] = [await sessionOf(it.gateway, 'password'), await sessionOf(it.gateway, 'backend')];
    expect((await it.ask('/account', password)).status).toBe(200);
    expect((await it.ask('/account', backend)).status).toBe(401);
    expect((await it.ask('/payouts', password)).status).toBe(401);
    it.clocks.advance(300_001);
    expect((await it.ask('/account', password)).status).toBe(401);
  });

  test('asks an anonymous caller to log in first', async () => {
    await using it = await open();
    const { status, body } = await it.ask('/maybe');
    expect([status, JSON.parse(`${body}`).reason]).toEqual([401, 'credential_missing']);
  });

  test('RFC 9068 §2.2.1: judges a service token by its own claims, and answers in its scheme', async () => {
    using authority = await TokenAuthority.create();
    await using upstream = await RecordingUpstream.start();
    await using gateway = await startGateway({
      upstream: upstream.origin,
      routes: [
        { id: 'api', match: { path: '/' }, credential: ['session', { service: ['partner'] }], require: REQUIRE },
      ],
      config: { issuers: { partner: authority.config } },
    });
    const ask = async (claims: Readonly<Record<string, unknown>>) => {
      const line = `Authorization: Bearer ${await authority.token(claims)}`;
      return rawRequest(gateway.port, requestHead('GET', '/', ['Host: shop.example.com', line]));
    };
    const nowSec = Math.floor(Date.now() / 1_000);
    expect((await ask({ acr: 'gold', auth_time: nowSec - 30 })).status).toBe(200);
    for (const claims of [
      {},
      { acr: ['gold'], auth_time: nowSec },
      { acr: 'gold', auth_time: `${nowSec}` },
      { acr: 'gold', auth_time: nowSec - 301 },
      { acr: 'gold', auth_time: nowSec + 3_600 },
    ]) {
      const { status, headers } = await ask(claims);
      expect([claims, status]).toEqual([claims, 401]);
      expect(headers.get('www-authenticate')).toMatch(
        /^Bearer realm="sallyport", error="insufficient_user_authentication", error_description="[^"]+", acr_values="gold urn:example:platinum", max_age="300"$/,
      );
    }
  });

  test('shows people a page with a link to log in again, and says to resend a form', async () => {
    await using it = await open();
    const cookie = await sessionOf(it.gateway, 'password');
    const page = await it.ask('/payouts?to=bob', cookie, 'Sec-Fetch-Mode: navigate');
    expect(page.status).toBe(401);
    expect(page.headers.get('www-authenticate')).toContain('insufficient_user_authentication');
    expect(`${page.body}`).toContain('href="/auth/login?return_to=%2Fpayouts%3Fto%3Dbob&amp;switch=1"');
    const form = await rawRequest(
      it.gateway.port,
      requestHead('POST', '/payouts', [
        'Host: shop.example.com',
        cookie,
        'Sec-Fetch-Mode: navigate',
        'Origin: https://shop.example.com',
        'Referer: https://shop.example.com/payouts/new',
        'Content-Length: 0',
      ]),
    );
    expect(form.status).toBe(401);
    expect(`${form.body}`).toContain('href="/auth/login?return_to=%2Fpayouts%2Fnew&amp;switch=1"');
    expect(`${form.body}`).toContain('send it again');
  });
});
