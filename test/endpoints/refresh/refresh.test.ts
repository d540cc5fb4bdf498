/** `POST /auth/refresh` and the logins that begin a family: requests, answers and refusals. */

import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { systemClocks } from '../../../src/lib/clock.ts';
import { HOST, PUBLIC_ORIGIN } from '../../support/gateway.ts';
import { asHandle } from '../../support/names.ts';
import { rawRequest, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import {
  DELETED_COOKIE,
  events,
  FORM,
  FROM_OUR_PAGE,
  JSON_TYPE,
  jsonOf,
  metricValue,
  PASSWORD,
  reasonOf,
} from '../login/fixture.ts';
import { CLEARED, FROM_OUR_SCRIPT, REFRESH_COOKIE, RefreshStage, refreshCookieIn } from './fixture.ts';

const refreshes = (stage: RefreshStage, result: string) =>
  metricValue(stage.login, `sallyport_refreshes_total{result="${result}"}`);

describe('a login that asks for a refresh token', () => {
  test('as a native app gets tokens in the body and no cookie', async () => {
    await using stage = await RefreshStage.start();
    const response = await stage.logIn({ username: 'alice', refresh: 'native' });
    expect(response.status).toBe(200);
    expect(response.headers.has('set-cookie')).toBe(false);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(jsonOf(response)).toEqual({
      access_token: expect.stringMatching(/^eyJ/),
      token_type: 'Bearer',
      expires_in: 300,
      refresh_token: expect.stringMatching(/^[\w-]{43}\.0\.[\w-]{43}$/),
    });
    expect(events(stage.login, 'refresh_begun')).toMatchObject([{ subject: 'alice', kind: 'native' }]);
    expect(await metricValue(stage.login, 'sallyport_refresh_families_begun_total{client="native"}')).toBe(1);
  });

  test('as a browser gets it in a cookie for that path only, beside the session cookie', async () => {
    await using stage = await RefreshStage.start();
    const response = await stage.logIn({ username: 'alice', refresh: 'browser' }, ...FROM_OUR_SCRIPT);
    const [session, refresh, ...more] = response.headers.get('set-cookie')?.split('\n') ?? [];
    expect(session).toMatch(/^__Host-sid=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
    expect(refresh).toMatch(REFRESH_COOKIE);
    expect(more).toEqual([expect.stringMatching(/^__Host-known-device=/)]);
    expect(jsonOf(response)).toMatchObject({ subject: 'alice', method: 'password' });
    expect(response.body.toString()).not.toContain(refreshCookieIn(response));
  });

  test('in a browser never gets it in the body', async () => {
    await using stage = await RefreshStage.start();
    for (const headers of [FROM_OUR_SCRIPT, [`Origin: ${PUBLIC_ORIGIN}`], ['Sec-Fetch-Site: same-origin']]) {
      const response = await stage.logIn({ username: 'alice', refresh: 'native' }, ...headers);
      expect([response.status, reasonOf(response)]).toEqual([403, 'origin_forbidden']);
    }
    expect(events(stage.login, 'login')).toEqual([]);
  });

  test('with the gateway’s form gets only the cookie, with the redirect', async () => {
    await using stage = await RefreshStage.start();
    const fields = { username: 'alice', password: PASSWORD };
    const asked = await stage.login.submit({ ...fields, refresh: 'browser' });
    expect(asked.status).toBe(303);
    expect(refreshCookieIn(asked)).toMatch(/\.0\./);
    expect(asked.headers.get('location')).toBe('/');
    const notAsked = await stage.login.submit(fields);
    expect(notAsked.headers.get('set-cookie')).toMatch(/^__Host-sid=[^\n]*\n__Host-known-device=[^\n]*$/);
    const native = await stage.login.submit({ ...fields, refresh: 'native' });
    expect([native.status, native.headers.has('set-cookie')]).toEqual([400, false]);
  });

  test('is refused for a client without refresh tokens, before the password is verified', async () => {
    await using browsersOnly = await RefreshStage.start({ refresh: { clients: ['browser'] } });
    await using none = await RefreshStage.start({ config: { refresh: undefined } });
    for (const stage of [browsersOnly, none]) {
      const response = await stage.logIn({ username: 'alice', password: 'wrong', refresh: 'native' });
      expect([response.status, reasonOf(response)]).toEqual([400, 'token_request_invalid']);
    }
    expect((await none.refresh('x')).status).toBe(404);
  });

  test('everyLogin: a login in a browser gets the cookie without asking', async () => {
    await using stage = await RefreshStage.start({ refresh: { everyLogin: true } });
    const form = await stage.login.submit({ username: 'alice', password: PASSWORD });
    const json = await stage.login.logIn('alice', PASSWORD);
    for (const response of [form, json]) expect(refreshCookieIn(response)).toMatch(/\.0\./);
  });

  test('from a trusted backend gets the tokens in the body, or both cookies to pass on', async () => {
    await using stage = await RefreshStage.start();
    const secret = 'a-secret-of-at-least-32-characters!';
    const clientSecretFile = await stage.login.files.write('secret', secret);
    await using backed = await RefreshStage.start({ login: { trustedBackends: [{ id: 'logins', clientSecretFile }] } });
    const basic = `Authorization: Basic ${Buffer.from(`logins:${secret}`).toString('base64')}`;
    const open = (body: object) =>
      backed.login.send('POST', '/auth/sessions', [JSON_TYPE, basic], JSON.stringify({ subject: 'carol', ...body }));
    const native = await open({ refresh: 'native' });
    expect([native.status, native.headers.has('set-cookie')]).toEqual([201, false]);
    const { tokens, subject } = jsonOf(native) as { tokens: Record<string, unknown>; subject: string };
    expect(subject).toBe('carol');
    expect(tokens).toMatchObject({ token_type: 'Bearer', expires_in: 300 });
    const refreshed = await backed.refresh(tokens['refresh_token']);
    expect(decodeJwt(String(jsonOf(refreshed)['access_token'])).sub).toBe('carol');
    const browser = await open({ refresh: 'browser' });
    expect(browser.headers.get('set-cookie')?.split('\n')).toHaveLength(2);
    expect(jsonOf(browser)).not.toHaveProperty('tokens');
    expect(jsonOf(await open({}))).not.toHaveProperty('tokens');
  });
});

describe('a refresh', () => {
  test('RFC 6749 §5.1: gives a native app an access token and the next refresh token, uncached', async () => {
    await using stage = await RefreshStage.start({
      refresh: { accessToken: { scopes: ['orders:read', 'orders:write'] } },
    });
    const first = await stage.native();
    const response = await stage.refresh(first['refresh_token']);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('pragma')).toBe('no-cache');
    expect(response.headers.has('set-cookie')).toBe(false);
    expect(jsonOf(response)).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 300,
      scope: 'orders:read orders:write',
      refresh_token: expect.stringMatching(/^[\w-]{43}\.1\.[\w-]{43}$/),
    });
    expect(await refreshes(stage, 'rotated')).toBe(1);
  });

  test('accepts JSON or a form and ignores unknown parameters', async () => {
    await using stage = await RefreshStage.start();
    const { refresh_token } = await stage.native();
    const body = JSON.stringify({ refresh_token, client_id: 'app' });
    const response = await stage.login.send('POST', '/auth/refresh', [JSON_TYPE], body);
    expect(response.status).toBe(200);
    expect((await stage.refresh(refresh_token, { client_id: 'app' })).status).toBe(200);
  });

  test('gives a single-page app the access token, and the next refresh token only in the cookie', async () => {
    await using stage = await RefreshStage.start();
    const browser = await stage.browser();
    const response = await stage.refreshInBrowser(browser);
    expect(response.status).toBe(200);
    const next = refreshCookieIn(response);
    expect(next).toMatch(/\.1\./);
    expect(Object.keys(jsonOf(response)).toSorted()).toEqual(['access_token', 'expires_in', 'token_type']);
    expect(response.body.toString()).not.toContain(next);
    stage.passGrace();
    expect((await stage.refreshInBrowser({ ...browser, refreshToken: next })).status).toBe(200);
  });

  test('RFC 9068 §2: the access token has a type, client, audience, session and only mapped claims', async () => {
    await using stage = await RefreshStage.start({
      refresh: {
        accessToken: { scopes: ['read'], claims: { mail: 'user.email' }, lifetime: '2m', clientId: 'shop-app' },
      },
    });
    const { access_token } = await stage.native();
    expect(decodeProtectedHeader(String(access_token))).toMatchObject({ alg: 'ES256', typ: 'at+jwt' });
    const claims = decodeJwt(String(access_token));
    expect(claims).toEqual({
      iss: PUBLIC_ORIGIN,
      aud: PUBLIC_ORIGIN,
      sub: 'alice',
      sid: expect.stringMatching(/^[\w-]{43}$/),
      client_id: 'shop-app',
      scope: 'read',
      mail: 'alice@example.com',
      jti: expect.any(String),
      iat: 1_800_000_000,
      exp: 1_800_000_120,
    });
  });

  test('the access token verifies with the published keys and opens a route while the session lives', async () => {
    await using upstream = await RecordingUpstream.start();
    await using stage = await RefreshStage.start({
      clocks: systemClocks,
      upstream: upstream.origin,
      config: { issuers: { ourselves: { own: {} } } },
      routes: [{ id: 'api', match: { path: '/api' }, credential: { service: ['ourselves'] }, audience: 'api' }],
    });
    const { access_token } = await stage.native();
    const { port } = stage.login.gateway;
    const jwks = jsonOf(await stage.login.get('/.well-known/jwks.json'));
    const options = { issuer: PUBLIC_ORIGIN, audience: PUBLIC_ORIGIN, typ: 'at+jwt' };
    await jwtVerify(String(access_token), createLocalJWKSet(jwks as unknown as JSONWebKeySet), options);
    const response = await rawRequest(
      port,
      requestHead('GET', '/api', [HOST, `Authorization: Bearer ${String(access_token)}`]),
    );
    expect(response.status).toBe(200);
    expect(upstream.requests).toHaveLength(1);
    expect(upstream.requests[0]?.head).not.toContain(String(access_token));

    await stage.login.gateway.gateway.sessions.endAll('alice', 'operator');
    const revoked = await rawRequest(
      port,
      requestHead('GET', '/api', [HOST, `Authorization: Bearer ${String(access_token)}`]),
    );
    expect([revoked.status, upstream.requests.length]).toEqual([401, 1]);
  });

  test('RFC 6749 §6: may narrow the scopes, never widen them', async () => {
    await using stage = await RefreshStage.start({ refresh: { accessToken: { scopes: ['a', 'b'] } } });
    const { refresh_token } = await stage.native();
    const fewer = jsonOf(await stage.refresh(refresh_token, { scope: 'b' }));
    expect([fewer['scope'], decodeJwt(String(fewer['access_token']))['scope']]).toEqual(['b', 'b']);
    for (const scope of ['a c', 'c', 'a  b', ' a', 'a"']) {
      const response = await stage.refresh(refresh_token, { scope });
      expect([scope, response.status, jsonOf(response)['error']]).toEqual([scope, 400, 'invalid_scope']);
    }
    expect(jsonOf(await stage.refresh(refresh_token))['scope']).toBe('a b');
  });

  test('can give the access token its own audience', async () => {
    await using stage = await RefreshStage.start({ refresh: { accessToken: { audience: 'https://api.example.com' } } });
    expect(decodeJwt(String((await stage.native())['access_token'])).aud).toBe('https://api.example.com');
  });

  test('extends the idle timeout of the session, never its absolute end', async () => {
    await using stage = await RefreshStage.start({
      config: { session: { idleTimeout: '10m', absoluteTimeout: '1h' } },
    });
    let { refresh_token, access_token } = await stage.native();
    for (let minutes = 9; minutes < 60; minutes += 9) {
      stage.clocks.advance(9 * 60_000);
      const response = await stage.refresh(refresh_token);
      expect([minutes, response.status]).toEqual([minutes, 200]);
      ({ refresh_token, access_token } = jsonOf(response));
    }
    // 54 minutes have passed. After three more, a token for five minutes would outlive the session.
    stage.clocks.advance(3 * 60_000);
    const last = jsonOf(await stage.refresh(refresh_token));
    expect(last['expires_in']).toBe(180);
    stage.clocks.advance(3 * 60_000);
    const after = await stage.refresh(last['refresh_token']);
    expect([after.status, jsonOf(after)['error']]).toEqual([400, 'invalid_grant']);
    expect(await stage.isAlive(access_token)).toBe(false);
  });

  test('is refused after the idle timeout: the family ends with its session', async () => {
    await using stage = await RefreshStage.start({ config: { session: { idleTimeout: '10m' } } });
    const { refresh_token } = await stage.native();
    stage.clocks.advance(10 * 60_000);
    const response = await stage.refresh(refresh_token);
    expect([response.status, jsonOf(response)]).toEqual([
      400,
      { error: 'invalid_grant', error_description: 'The refresh token is not accepted. Log in again.' },
    ]);
    expect(events(stage.login, 'refresh_reuse_detected')).toEqual([]);
  });
});

describe('an invalid refresh request', () => {
  test.each([
    ['without a token', [FORM], 'grant_type=refresh_token', 400, 'invalid_request'],
    ['without a body', [], '', 400, 'invalid_request'],
    ['with another grant', [FORM], 'grant_type=password&refresh_token=x', 400, 'unsupported_grant_type'],
    ['with a parameter twice', [FORM], 'refresh_token=x&refresh_token=y', 400, 'invalid_request'],
    ['with a member twice', [JSON_TYPE], '{"refresh_token":"x","refresh_token":"y"}', 400, 'invalid_request'],
    ['with JSON of another shape', [JSON_TYPE], '{"refresh_token":["x"]}', 400, 'invalid_request'],
    ['with an Authorization header', [FORM, 'Authorization: Bearer x'], 'refresh_token=x', 400, 'invalid_request'],
    [
      'with a cookie and a body',
      [FORM, ...FROM_OUR_SCRIPT, 'Cookie: __Secure-refresh=x'],
      'refresh_token=x',
      400,
      'invalid_request',
    ],
  ])('%s is refused', async (_title, headers, body, status, error) => {
    await using stage = await RefreshStage.start();
    const response = await stage.login.send('POST', '/auth/refresh', headers, body);
    expect([response.status, jsonOf(response)['error']]).toEqual([status, error]);
    expect(await refreshes(stage, 'invalid')).toBe(1);
  });

  test('gets 415 for other media types, and 405 for GET', async () => {
    await using stage = await RefreshStage.start();
    const text = await stage.login.send('POST', '/auth/refresh', ['Content-Type: text/plain'], 'refresh_token=x');
    expect([text.status, reasonOf(text)]).toEqual([415, 'media_type_unsupported']);
    expect((await stage.login.get('/auth/refresh')).status).toBe(405);
  });

  test.each([
    '',
    'x',
    `${'A'.repeat(43)}.0.${'A'.repeat(42)}`,
    `${'A'.repeat(43)}.00.${'A'.repeat(43)}`,
    `${'A'.repeat(43)}.-1.${'A'.repeat(43)}`,
    `${'A'.repeat(43)}.1e3.${'A'.repeat(43)}`,
    `${'A'.repeat(43)}.0.${'A'.repeat(43)}=`,
    ` ${'A'.repeat(43)}.0.${'A'.repeat(43)}`,
    `${'A'.repeat(43)}.0.${'A'.repeat(43)}\n`,
    `${'Ä'.repeat(43)}.0.${'A'.repeat(43)}`,
    'A'.repeat(10_000),
  ])('ZITADEL GHSA-wxg7-w2v3-w38g: with the token %j is refused without reading the store', async (token) => {
    await using stage = await RefreshStage.start();
    const { families } = stage.login.gateway.gateway.store;
    families.read = () => Promise.reject(new Error('asked'));
    const response = await stage.refresh(token);
    expect([response.status, jsonOf(response)['error']]).toEqual([400, 'invalid_grant']);
    expect(await refreshes(stage, 'malformed')).toBe(1);
  });
});

describe('a refresh cookie', () => {
  test.each([
    ['another site', ['Origin: https://evil.example', 'Sec-Fetch-Site: cross-site']],
    ['a sibling', ['Origin: https://blog.example.com', 'Sec-Fetch-Site: same-site']],
    ['an opaque origin', ['Origin: null', 'Sec-Fetch-Site: cross-site']],
    ['an unknown origin', []],
  ])('CSRF-07: from %s is refused, and the cookie stays', async (_title, headers) => {
    await using stage = await RefreshStage.start();
    const browser = await stage.browser();
    const response = await stage.refreshInBrowser(browser, headers);
    expect([response.status, reasonOf(response)]).toEqual([403, 'origin_forbidden']);
    expect(response.headers.has('set-cookie')).toBe(false);
    expect((await stage.refreshInBrowser(browser)).status).toBe(200);
  });

  test('that is not valid is deleted', async () => {
    await using stage = await RefreshStage.start();
    const browser = await stage.browser();
    const dead = { ...browser, refreshToken: `${'A'.repeat(43)}.0.${'A'.repeat(43)}` };
    const response = await stage.refreshInBrowser(dead);
    expect([response.status, response.headers.get('set-cookie')]).toEqual([400, CLEARED]);
  });

  test('COK-01: sent twice is refused', async () => {
    await using stage = await RefreshStage.start();
    const { sessionId, refreshToken } = await stage.browser();
    const cookie = `Cookie: __Host-sid=${sessionId}; __Secure-refresh=${refreshToken}; __Secure-refresh=${refreshToken}`;
    const response = await stage.login.send('POST', '/auth/refresh', [cookie, ...FROM_OUR_SCRIPT]);
    expect([response.status, jsonOf(response)['error']]).toEqual([400, 'invalid_grant']);
  });

  test('REF-11: works only beside the cookie of its own session', async () => {
    await using stage = await RefreshStage.start();
    const [alice, bob] = [await stage.browser('alice'), await stage.browser('bob')];
    const mixed = await stage.refreshInBrowser({ ...bob, refreshToken: alice.refreshToken });
    expect([mixed.status, jsonOf(mixed)['error']]).toEqual([400, 'invalid_grant']);
    const alone = await stage.login.send('POST', '/auth/refresh', [
      `Cookie: __Secure-refresh=${alice.refreshToken}`,
      ...FROM_OUR_SCRIPT,
    ]);
    expect([alone.status, jsonOf(alone)['error']]).toEqual([400, 'invalid_grant']);
    for (const browser of [alice, bob]) expect((await stage.refreshInBrowser(browser)).status).toBe(200);
    expect(await refreshes(stage, 'misplaced')).toBe(2);
  });

  test('REF-11: is refused in a body, as a token from a body is in the cookie', async () => {
    await using stage = await RefreshStage.start();
    const browser = await stage.browser();
    const { refresh_token } = await stage.native();
    const inBody = await stage.refresh(browser.refreshToken);
    expect([inBody.status, jsonOf(inBody)['error']]).toEqual([400, 'invalid_grant']);
    const inCookie = await stage.refreshInBrowser({ ...browser, refreshToken: String(refresh_token) });
    expect([inCookie.status, jsonOf(inCookie)['error']]).toEqual([400, 'invalid_grant']);
    expect((await stage.refresh(refresh_token)).status).toBe(200);
    expect((await stage.refreshInBrowser(browser)).status).toBe(200);
  });

  test('REF-11: a token in a body is refused beside the session cookie of another user', async () => {
    await using stage = await RefreshStage.start();
    const { refresh_token } = await stage.native('alice');
    const { sessionId } = await stage.browser('bob');
    const body = `refresh_token=${String(refresh_token)}`;
    const mixed = await stage.login.send('POST', '/auth/refresh', [FORM, `Cookie: __Host-sid=${sessionId}`], body);
    expect([mixed.status, jsonOf(mixed)['error']]).toEqual([400, 'invalid_grant']);
    expect((await stage.refresh(refresh_token)).status).toBe(200);
  });

  test('a token in the body of a browser’s request is refused', async () => {
    await using stage = await RefreshStage.start();
    const { refresh_token } = await stage.native();
    const body = `refresh_token=${String(refresh_token)}`;
    const response = await stage.login.send('POST', '/auth/refresh', [FORM, ...FROM_OUR_SCRIPT], body);
    expect([response.status, reasonOf(response)]).toEqual([403, 'origin_forbidden']);
  });
});

describe('logging out', () => {
  test('ends the family with the session and deletes both cookies', async () => {
    await using stage = await RefreshStage.start();
    const browser = await stage.browser();
    const cookie = `Cookie: __Host-sid=${browser.sessionId}`;
    const response = await stage.login.send('POST', '/auth/logout', [cookie, ...FROM_OUR_PAGE]);
    expect(response.headers.get('set-cookie')?.split('\n')).toEqual([DELETED_COOKIE, CLEARED]);
    const after = await stage.refreshInBrowser(browser);
    expect([after.status, jsonOf(after)['error']]).toEqual([400, 'invalid_grant']);
  });

  test('with the refresh token in the body ends the session of a native app', async () => {
    await using stage = await RefreshStage.start();
    const { refresh_token, access_token } = await stage.native();
    const body = `refresh_token=${String(refresh_token)}`;
    expect((await stage.login.send('POST', '/auth/logout', [FORM], body)).status).toBe(204);
    expect(await stage.isAlive(access_token)).toBe(false);
    expect((await stage.refresh(refresh_token)).status).toBe(400);
    expect(events(stage.login, 'logout')).toMatchObject([{ subject: 'alice' }]);
    // An unknown token ends nothing and gets the same answer.
    const unknown = `refresh_token=${'A'.repeat(43)}.0.${'A'.repeat(43)}`;
    expect((await stage.login.send('POST', '/auth/logout', [FORM], unknown)).status).toBe(204);
    const foreign = await stage.login.send('POST', '/auth/logout', [FORM, 'Origin: https://evil.example'], body);
    expect(foreign.status).toBe(403);
  });

  test.each([
    ['everywhere', (stage: RefreshStage) => stage.login.gateway.gateway.sessions.endAll('alice', 'operator')],
    [
      'by an operator',
      (stage: RefreshStage, sid: string) => stage.login.gateway.gateway.sessions.end(asHandle(sid), 'operator'),
    ],
  ])('%s ends the family', async (_title, end) => {
    await using stage = await RefreshStage.start();
    const { refresh_token, access_token } = await stage.native();
    await end(stage, String(decodeJwt(String(access_token))['sid']));
    const response = await stage.refresh(refresh_token);
    expect([response.status, jsonOf(response)['error']]).toEqual([400, 'invalid_grant']);
  });
});

describe('guesses', () => {
  test('do not include tokens of ended sessions', async () => {
    await using stage = await RefreshStage.start({ refresh: { throttle: { freeAttemptsPerAddress: 1 } } });
    const office = await Promise.all(Array.from({ length: 5 }, () => stage.native()));
    await stage.login.gateway.gateway.sessions.endAll('alice', 'operator');
    for (const { refresh_token } of office) expect((await stage.refresh(refresh_token)).status).toBe(400);
    expect(await refreshes(stage, 'session_ended')).toBe(5);
  });

  test('are throttled by address, but a good token from the same address is not', async () => {
    await using stage = await RefreshStage.start({ refresh: { throttle: { freeAttemptsPerAddress: 3 } } });
    const { refresh_token } = await stage.native();
    const guess = `${'A'.repeat(43)}.0.${'B'.repeat(43)}`;
    for (let i = 0; i < 3; i++) expect((await stage.refresh(guess)).status).toBe(400);
    const slowed = await stage.refresh(guess);
    expect([slowed.status, reasonOf(slowed), slowed.headers.get('retry-after')]).toEqual([429, 'rate_limited', '1']);
    const good = await stage.refresh(refresh_token);
    expect(good.status).toBe(200);
    expect((await stage.refresh(guess)).status).toBe(429);
    expect([await refreshes(stage, 'unknown'), await refreshes(stage, 'throttled')]).toEqual([3, 2]);
    stage.clocks.advance(1_000);
    expect((await stage.refresh(guess)).status).toBe(400);
  });

  test('at the secret of a family do not end it', async () => {
    await using stage = await RefreshStage.start();
    const { refresh_token, access_token } = await stage.native();
    const [familyId] = String(refresh_token).split('.');
    for (const generation of [0, 1, 5]) {
      const response = await stage.refresh(`${familyId}.${generation}.${'A'.repeat(43)}`);
      expect([response.status, jsonOf(response)['error']]).toEqual([400, 'invalid_grant']);
    }
    expect(await refreshes(stage, 'unknown')).toBe(3);
    expect(await stage.isAlive(access_token)).toBe(true);
    expect((await stage.refresh(refresh_token)).status).toBe(200);
  });
});
