/**
 * §2.11 of the attack catalogue, to the provider and back: state, browser, mix-up, PKCE, errors and response modes. The
 * provider misbehaves in one way per row, the client is a browser or an attacker's program, and the gateway is whole.
 */

import { describe, expect, test, vi } from 'vitest';
import type { PlainBrowser } from '../support/browsers/plain-browser.ts';
import { HOST, PUBLIC_ORIGIN } from '../support/gateway.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { acceptances, CALLBACK, OidcStage, refusals } from './oidc-stage.ts';

const INVALID = 'login_response_invalid';
const UNAVAILABLE = 'provider_unavailable';
const USERINFO = { provider: { userinfo: true } };

/** Name and value of the login cookie. */
function loginCookie(browser: PlainBrowser): readonly [string, string] {
  const cookies = Object.entries(browser.cookies.of('shop.example.com'));
  return cookies.find(([name]) => name.startsWith('__Host-login-')) ?? ['', ''];
}

test('a login with a well-behaved provider succeeds', async () => {
  await using stage = await OidcStage.start();
  const browser = stage.browser();
  await stage.isLoggedIn(browser, await stage.logIn(browser));
});

describe('OIDC-01: state', () => {
  refusals([
    ['OIDC-01', 'state-missing', INVALID, /^state is missing or malformed$/],
    ['OIDC-01', 'state-cut', INVALID, /^state is missing or malformed$/],
    ['OIDC-01', 'state-huge', INVALID, /^state is missing or malformed$/],
    ['OIDC-01', 'state-wrong', 'login_expired', /^this browser has no login with that state$/],
    ['OIDC-01', 'state-twice', INVALID, /twice/],
  ]);

  test('OIDC-01: a refused state causes no request to the token endpoint', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'state-wrong' });
    await stage.logIn(stage.browser());
    expect(stage.provider.countOf('token')).toBe(0);
  });
});

describe('OIDC-02, OIDC-03: browser binding', () => {
  test('OIDC-02: an answer for another browser is refused', async () => {
    await using stage = await OidcStage.start();
    const [victim, attacker] = [stage.browser(), stage.browser()];
    const answer = await stage.answer(attacker);
    await stage.answer(victim);
    const page = await victim.open(answer);
    await stage.isRefused(victim, page, { reason: 'login_expired', note: /no login with that state/ });
    expect(stage.provider.countOf('token')).toBe(0);
  });

  test('OIDC-02: an answer without the login cookie is refused', async () => {
    await using stage = await OidcStage.start();
    const answer = await stage.answer(stage.browser());
    const other = stage.browser();
    await stage.isRefused(other, await other.open(answer), { reason: 'login_cookie_missing' });
    expect(stage.provider.countOf('token')).toBe(0);
  });

  test.each([
    ['a changed character', (value: string) => `${value.slice(0, 9)}${value[9] === 'A' ? 'B' : 'A'}${value.slice(10)}`],
    ['a value that the attacker chose', (value: string) => `${value.slice(0, 4)}${'A'.repeat(39)}`],
    ['other trailing bits', (value: string) => `${value.slice(0, -1)}${value.endsWith('B') ? 'C' : 'B'}`],
  ])('OIDC-03: a login cookie with %s finds no login', async (_what, tamper) => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    const answer = await stage.answer(browser);
    const [name, value] = loginCookie(browser);
    browser.cookies.put('shop.example.com', name, tamper(value));
    await stage.isRefused(browser, await browser.open(answer), { reason: 'login_expired' });
    expect(stage.provider.countOf('token')).toBe(0);
  });

  test.each([
    ['that is empty', ''],
    ['of another length', 'A'.repeat(44)],
    ['with invalid characters', `${'A'.repeat(42)}+`],
    ['that does not match its name', `-${'A'.repeat(42)}`],
  ])('OIDC-03: a login cookie %s is ignored', async (_what, value) => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    const answer = await stage.answer(browser);
    browser.cookies.put('shop.example.com', loginCookie(browser)[0], value);
    await stage.isRefused(browser, await browser.open(answer), { reason: 'login_cookie_missing' });
  });

  test('OIDC-03: two login cookies, as a sibling site can cause, are refused', async () => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    const answer = await stage.answer(browser);
    const [name, value] = loginCookie(browser);
    const twice = `Cookie: ${name}=${value}; ${name}=${value.slice(0, 4)}${'A'.repeat(39)}`;
    const { status } = await rawRequest(
      stage.gateway.port,
      requestHead('GET', `${answer.pathname}${answer.search}`, [HOST, twice, 'Accept: text/html']),
    );
    expect([status, stage.provider.countOf('token')]).toEqual([400, 0]);
  });

  test('SES-03: a login that an attacker began is refused in the browser of the victim', async () => {
    await using stage = await OidcStage.start();
    const [attacker, victim] = [stage.browser(), stage.browser()];
    const answer = await stage.answer(attacker);
    const [, cookie] = loginCookie(attacker);
    expect(victim.cookies.of('shop.example.com')).toEqual({});
    await stage.isRefused(victim, await victim.open(answer), { reason: 'login_cookie_missing' });
    expect(cookie).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  test('the login cookie is host-only, Secure, HttpOnly and, by default, Lax', async () => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    await stage.answer(browser);
    expect(browser.cookies.get('shop.example.com', loginCookie(browser)[0])).toMatchObject({
      isHostOnly: true,
      isSecure: true,
      isHttpOnly: true,
      sameSite: 'lax',
      path: '/',
    });
  });
});

describe('the login cookie and the application', () => {
  const PUBLIC = { routes: [{ id: 'public', match: { path: '/' }, credential: 'none' }] };

  test('the application never gets it, in any spelling that a parser may accept', async () => {
    await using stage = await OidcStage.start(PUBLIC);
    const id = 'A'.repeat(43);
    const cookies = [
      `a=1`,
      `__Host-login-AAAA=${id}`,
      `=__Host-login-AAAA=${id}`,
      ` __Host-login-zzzz=${id}`,
      `__Host-logins=2`,
    ];
    await rawRequest(stage.gateway.port, requestHead('GET', '/', [HOST, `Cookie: ${cookies.join(';')}`]));
    expect(stage.upstream.last.values('cookie')).toEqual(['a=1;__Host-logins=2']);
  });

  test('the application cannot set it', async () => {
    await using stage = await OidcStage.start(PUBLIC);
    const id = 'A'.repeat(43);
    const lines = [
      `__Host-login-AAAA=${id}; Path=/; Secure`,
      `__HOST-LOGIN-aaaa=${id}`,
      `=__Host-login-AAAA=${id}`,
      'b=2',
    ];
    stage.upstream.answer = (_request, socket) =>
      void socket.write(
        `HTTP/1.1 200 OK\r\n${lines.map((line) => `Set-Cookie: ${line}\r\n`).join('')}Content-Length: 2\r\n\r\nok`,
      );
    const { headers } = await rawRequest(stage.gateway.port, requestHead('GET', '/', [HOST]));
    expect(headers.get('set-cookie')).toBe('b=2');
  });
});

describe('OIDC-04: nonce', () => {
  refusals([
    ['OIDC-04', 'nonce-missing', INVALID, /nonce/],
    ['OIDC-04', 'nonce-wrong', INVALID, /nonce/],
    ['OIDC-04', 'nonce-a-list', INVALID, /nonce/],
  ]);

  test('OIDC-04: a refused ID token is never followed by a request to userinfo', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'nonce-wrong', ...USERINFO });
    await stage.logIn(stage.browser());
    expect([stage.provider.countOf('token'), stage.provider.countOf('userinfo')]).toEqual([1, 0]);
  });
});

describe('OIDC-05: mix-up', () => {
  refusals([
    ['OIDC-05', 'iss-parameter-wrong', INVALID, /^iss is that of another provider$/],
    ['OIDC-05', 'iss-parameter-with-slash', INVALID, /^iss is that of another provider$/],
    ['OIDC-05', 'iss-parameter-missing', INVALID, /^iss is missing/],
    ['OIDC-05', 'iss-parameter-twice', INVALID, /twice/],
    ['OIDC-05', 'error-with-wrong-iss', INVALID, /^iss is that of another provider$/],
  ]);

  test('OIDC-05: a code with the wrong iss is not sent to any token endpoint', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'iss-parameter-wrong' });
    await stage.logIn(stage.browser());
    expect(stage.provider.countOf('token')).toBe(0);
  });

  test('OIDC-05: the answer of one provider is refused at the callback of another', async () => {
    await using stage = await OidcStage.start({ more: [{ name: 'other' }] });
    const browser = stage.browser();
    const answer = await stage.answer(browser, 'other');
    const page = await browser.open(`${CALLBACK}${answer.search}`);
    await stage.isRefused(browser, page, { reason: INVALID, note: /begun with another provider/ });
    expect(stage.provider.countOf('token')).toBe(0);
  });

  test('RFC 9207 §2.4: a provider that does not advertise iss may omit it', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'iss-parameter-missing' });
    stage.provider.metadata = { authorization_response_iss_parameter_supported: undefined };
    const browser = stage.browser();
    await stage.isLoggedIn(browser, await stage.logIn(browser));
  });
});

describe('OIDC-06, OIDC-07: PKCE', () => {
  test('OIDC-06: the code of a victim is refused in the login of an attacker', async () => {
    await using stage = await OidcStage.start();
    const [victim, attacker] = [stage.browser(), stage.browser()];
    const [stolen, own] = [await stage.answer(victim), await stage.answer(attacker)];
    own.searchParams.set('code', stolen.searchParams.get('code') ?? '');
    const page = await attacker.open(own);
    await stage.isRefused(attacker, page, { reason: 'login_expired', note: /invalid_grant/ });
  });

  test('OIDC-07: every authorization request has a new S256 challenge', async () => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    await stage.answer(browser);
    await stage.answer(browser);
    const requests = stage.provider.calls.filter(({ endpoint }) => endpoint === 'authorize');
    expect(requests.map(({ parameters }) => parameters.get('code_challenge_method'))).toEqual(['S256', 'S256']);
    for (const name of ['code_challenge', 'state', 'nonce']) {
      const values = requests.map(({ parameters }) => parameters.get(name) ?? '');
      expect(new Set(values).size, name).toBe(2);
      for (const value of values) expect(value, name).toMatch(/^[A-Za-z0-9_-]{43}$/);
    }
  });

  refusals([['OIDC-07', 'discovery-pkce-plain-only', UNAVAILABLE]]);
  acceptances([['OIDC-07', 'discovery-pkce-unsaid']]);
});

describe('OIDC-08: a replayed answer', () => {
  test('OIDC-08: leads back to the page in the logged-in browser, without a second session', async () => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    const answer = await stage.answer(browser);
    await stage.isLoggedIn(browser, await browser.open(answer));
    const before = browser.cookies.of('shop.example.com')['__Host-sid'];
    await stage.isLoggedIn(browser, await browser.open(answer));
    expect(browser.cookies.of('shop.example.com')['__Host-sid']).toBe(before);
    expect(stage.provider.countOf('token')).toBe(1);
  });

  test('OIDC-08: is refused in a browser without that session', async () => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    const answer = await stage.answer(browser);
    await browser.step(answer);
    browser.cookies.forget('shop.example.com', '__Host-sid');
    const page = await browser.open(answer);
    expect(page.status).toBe(400);
    expect(page.body).toContain('Login expired');
    expect(browser.cookies.of('shop.example.com')).not.toHaveProperty('__Host-sid');
  });

  test('OIDC-08: is exchanged once when it arrives twenty times at once', async () => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    const answer = await stage.answer(browser);
    const pages = await Promise.all(Array.from({ length: 20 }, () => browser.step(answer)));
    expect(pages.filter(({ status }) => status === 303)).toHaveLength(1);
    expect(stage.provider.countOf('token')).toBe(1);
  });
});

describe('OIDC-09: provider errors', () => {
  refusals([
    ['OIDC-09', 'access-denied', 'login_declined', /^provider: access_denied$/],
    ['OIDC-09', 'login-required', 'login_interaction_required', /login_required/],
    ['OIDC-09', 'interaction-required', 'login_interaction_required', /interaction_required/],
    ['OIDC-09', 'invalid-scope', 'login_declined', /invalid_scope/],
    ['OIDC-09', 'unknown-error', 'login_declined', /^provider: an error of another kind$/],
    ['OIDC-09', 'error-with-markup', 'login_declined', /^provider: access_denied$/],
    ['OIDC-09', 'error-name-with-markup', 'login_declined', /^provider: an error of another kind$/],
    ['OIDC-09', 'error-uri-javascript', 'login_declined'],
    ['OIDC-09', 'error-huge', 'login_declined'],
    ['OIDC-09', 'temporarily-unavailable', UNAVAILABLE],
    ['OIDC-09', 'provider-error', UNAVAILABLE],
    ['OIDC-09', 'code-and-error', 'login_declined'],
    ['OIDC-09', 'token-error-with-markup', 'login_expired', /invalid_grant/],
  ]);

  test('OIDC-09: the error of a provider is logged on one line, without control characters', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'error-with-markup' });
    await stage.logIn(stage.browser());
    const record = stage.gateway.log.records.find(({ provider }) => provider === 'corporate');
    expect(record).toMatchObject({ error: 'access_denied' });
    expect(record?.['description']).toMatch(/^[\x20-\x7e]{1,300}$/);
  });
});

// OIDC-14 is in test/endpoints/login/oidc/many-logins.test.ts.
describe('OIDC-19: many logins', () => {
  test('OIDC-19: navigations without a cookie put nothing into the store and ask nothing of the provider', async () => {
    await using stage = await OidcStage.start();
    await stage.logIn(stage.browser());
    const before = stage.provider.calls.length;
    const kept = vi.spyOn(stage.gateway.gateway.store.loginTransactions, 'add');
    const start = `${PUBLIC_ORIGIN}/auth/login?provider=corporate`;
    const answers = await Promise.all(Array.from({ length: 100 }, () => stage.browser().step(start)));
    const locations = new Set(answers.map(({ status, headers }) => `${status} ${headers.location}`));
    expect([...locations]).toEqual([expect.stringMatching(/^302 \/auth\/login\?.*cookie=1/)]);
    expect(stage.provider.calls).toHaveLength(before);
    expect(kept).not.toHaveBeenCalled();
  });

  test('OIDC-19: logins beyond the limit of a network are refused with Retry-After', async () => {
    await using stage = await OidcStage.start({ throttle: { startsPerAddress: 10 } });
    const browser = stage.browser();
    const start = `${PUBLIC_ORIGIN}/auth/login?provider=corporate`;
    const pages = await Promise.all(Array.from({ length: 30 }, () => browser.step(start)));
    const refused = pages.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(20);
    for (const { headers } of refused) expect(headers['retry-after']).toMatch(/^\d+$/);
  });
});

describe('OIDC-15, OIDC-18: response modes', () => {
  const FORM_POST = { provider: { responseMode: 'formPost' } };

  test('OIDC-15: form_post comes from another site, and its login cookie is SameSite=None', async () => {
    await using stage = await OidcStage.start(FORM_POST);
    const browser = stage.browser();
    await stage.isLoggedIn(browser, await stage.logIn(browser));
    expect(browser.cookies.get('shop.example.com', loginCookie(browser)[0])).toMatchObject({
      sameSite: 'none',
      isSecure: true,
    });
    expect(
      browser.hops.some(({ method, url }) => method === 'POST' && url.pathname === '/auth/callback/corporate'),
    ).toBe(true);
  });

  test('OIDC-15: a cross-site POST to the callback without a login in progress opens no session', async () => {
    await using stage = await OidcStage.start(FORM_POST);
    const body = `code=x&state=${'A'.repeat(43)}`;
    const { status, headers } = await rawRequest(
      stage.gateway.port,
      `${requestHead('POST', '/auth/callback/corporate', [
        HOST,
        'Origin: https://evil.example',
        'Content-Type: application/x-www-form-urlencoded',
        `Content-Length: ${body.length}`,
      ])}${body}`,
    );
    expect([status, headers.get('set-cookie') ?? '']).toEqual([400, '']);
  });

  refusals([
    ['OIDC-18', 'fragment-response', INVALID],
    ['OIDC-18', 'tokens-in-response', INVALID, /only a code is accepted/],
    ['OIDC-18', 'response-as-jwt', INVALID, /only a code is accepted/],
    ['OIDC-18', 'code-missing', INVALID, /neither a code nor an error/],
    ['OIDC-18', 'code-twice', INVALID, /twice/],
    ['OIDC-18', 'code-of-nobody', 'login_expired', /invalid_grant/],
  ]);

  test('OIDC-18: an answer by POST is refused where a query was requested', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'form-post-response' });
    const browser = stage.browser();
    const page = await stage.logIn(browser);
    await stage.isRefused(browser, page, { reason: INVALID, note: /^response_mode is not the one/ });
    expect(stage.provider.countOf('token')).toBe(0);
  });

  test('OIDC-18: an answer by query is refused where a POST was requested', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'query-response', ...FORM_POST });
    const browser = stage.browser();
    const page = await stage.logIn(browser);
    await stage.isRefused(browser, page, { reason: INVALID, note: /^response_mode is not the one/ });
    expect(stage.provider.countOf('token')).toBe(0);
  });
});
