/** What people see when a request is refused or fails: a page that says what happened and offers a way to continue. */

import { describe, expect, test, vi } from 'vitest';
import { DependencyFault } from '../../src/errors.ts';
import { DELETED_COOKIE, FROM_OUR_PAGE, LoginStage, NAVIGATION, PASSWORD } from '../endpoints/login/fixture.ts';
import { HOST, PUBLIC_ORIGIN, startGateway, type TestGateway } from '../support/gateway.ts';
import { type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const ROUTES = [
  { id: 'app', match: { path: '/' }, credential: 'session' },
  { id: 'public', match: { path: '/public' }, credential: 'none' },
  { id: 'services', match: { path: '/services' }, credential: { service: ['own'] } },
  { id: 'read-only', match: { path: '/read-only', methods: ['GET'] }, credential: 'none' },
  { id: 'admin', match: { path: '/admin' }, credential: 'session', allow: { roles: ['admin'] } },
  { id: 'api', match: { path: '/api' }, credential: 'session', onUnauthenticated: 'challenge' },
];

const ISSUER = { issuer: 'https://issuer.example.com', jwksUrl: 'https://127.0.0.1:9/jwks', algorithms: ['ES256'] };
const STAGE = { routes: ROUTES, config: { issuers: { own: ISSUER } } };

/** The main action of a page: its label, and where it leads. */
function mainAction(response: RawResponse): [string, string] {
  const actions = [...response.body.toString().matchAll(/<a class="button full" href="([^"]*)">([^<]*)<\/a>/g)];
  expect(actions).toHaveLength(1);
  const [[, href = '', label = ''] = []] = actions;
  return [label, href.replaceAll('&amp;', '&')];
}

const go = (gateway: TestGateway, method: string, path: string, ...headers: readonly string[]) =>
  rawRequest(gateway.port, requestHead(method, path, [HOST, ...NAVIGATION, 'Content-Length: 0', ...headers]));

describe('A3: the error page', () => {
  test.each([
    ['an unknown path', 'GET', '/auth/nothing', [], 404, 'Go to the start page', '/'],
    ['an unsupported method', 'POST', '/read-only', [], 405, 'Go to the start page', '/'],
    ['an upstream that is down', 'GET', '/public?a=%2Fb&c=1', [], 502, 'Try again', '/public?a=%2Fb&c=1'],
    ['a form to that upstream', 'POST', '/public', [`Referer: ${PUBLIC_ORIGIN}/form?x=1`], 502, 'Go back', '/form?x=1'],
    [
      'a foreign form to that upstream',
      'POST',
      '/public',
      ['Referer: https://evil.example/x'],
      502,
      'Go to the start page',
      '/',
    ],
    [
      'a form at an address with a double slash',
      'POST',
      '/public',
      [`Referer: ${PUBLIC_ORIGIN}//x.example/`],
      502,
      'Go to the start page',
      '/',
    ],
    ['a route that needs a login', 'GET', '/api', [], 401, 'Log in', '/auth/login?return_to=%2Fapi'],
    [
      'a form that needs a login',
      'POST',
      '/',
      [`Referer: ${PUBLIC_ORIGIN}/form`],
      401,
      'Log in',
      '/auth/login?return_to=%2Fform',
    ],
    ['a form without a referrer', 'POST', '/', [], 401, 'Log in', '/auth/login'],
    ['a route for services only', 'GET', '/services', [], 401, 'Go to the start page', '/'],
    ['a long address', 'GET', `/${'x'.repeat(9_000)}`, [], 414, 'Go to the start page', '/'],
    ['a malformed address', 'GET', '/a%00b', [], 400, 'Go to the start page', '/'],
    ['large cookies', 'GET', '/a', [`Cookie: a=${'x'.repeat(9_000)}`], 431, 'Try again', '/'],
    ['a large header', 'GET', '/a', [`X-A: ${'x'.repeat(70_000)}`], 431, 'Try again', '/'],
    ['a malformed header', 'GET', '/a', ['X-A : 1'], 400, 'Go to the start page', '/'],
  ] as const)('for %s offers one way to continue', async (_what, method, path, headers, status, label, href) => {
    await using gateway = await startGateway(STAGE);
    const response = await go(gateway, method, path, ...headers);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(mainAction(response)).toEqual([label, href]);
    const page = response.body.toString();
    expect(page).toContain(`<code>${response.headers.get('x-request-id')}</code>`);
    expect(page).toMatch(/<time datetime="[^"]+">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC<\/time>/);
    expect(Buffer.byteLength(page)).toBe(Number(response.headers.get('content-length')));
  });

  test('says what to do about cookies that are too large', async () => {
    await using gateway = await startGateway(STAGE);
    const page = (await go(gateway, 'GET', '/', `Cookie: a=${'x'.repeat(9_000)}`)).body.toString();
    expect(page).toContain('Delete this site&#39;s cookies in your browser, then try again.');
  });

  test('for a host that is not served leads to the public origin', async () => {
    await using gateway = await startGateway(STAGE);
    const response = await rawRequest(gateway.port, requestHead('GET', '/', ['Host: 127.0.0.1', ...NAVIGATION]));
    expect([response.status, mainAction(response)]).toEqual([421, ['Go to the start page', `${PUBLIC_ORIGIN}/`]]);
  });

  test('with 403 says who is logged in', async () => {
    await using gateway = await startGateway(STAGE);
    const response = await go(gateway, 'GET', '/admin?a=1', await gateway.cookie('<bob>'));
    expect(response.status).toBe(403);
    expect(response.body.toString()).toContain('You are logged in as <strong>&lt;bob&gt;</strong>.');
    expect(mainAction(response)).toEqual(['Log in as someone else', '/auth/login?return_to=%2Fadmin%3Fa%3D1&switch=1']);
  });

  test('is a problem document for programs', async () => {
    await using gateway = await startGateway(STAGE);
    for (const [path, header] of [
      ['/auth/nothing', 'Accept: */*'],
      [`/${'x'.repeat(9_000)}`, 'Sec-Fetch-Mode: cors'],
      ['/a%00b', 'Accept: application/json'],
      ['/a', `X-A: ${'x'.repeat(70_000)}`],
      ['/a', 'X-A : 1'],
    ] as const) {
      const response = await rawRequest(gateway.port, requestHead('GET', path, [HOST, header]));
      expect([path, response.headers.get('content-type')]).toEqual([path, 'application/problem+json']);
    }
  });
});

describe('A3: a session that has ended', () => {
  const ENDED = `Cookie: __Host-sid=${'A'.repeat(43)}`;

  test('leads to a login page that says so', async () => {
    await using stage = await LoginStage.start();
    const response = await stage.get('/orders', ENDED, ...NAVIGATION);
    const location = response.headers.get('location') ?? '';
    expect([response.status, location]).toEqual([302, `${PUBLIC_ORIGIN}/auth/login?return_to=%2Forders&ended=1`]);
    expect(response.headers.get('set-cookie')).toBe(DELETED_COOKIE);
    const page = await stage.get(location.slice(PUBLIC_ORIGIN.length), ...NAVIGATION);
    expect(page.body.toString()).toContain('Your session has ended. Log in again to continue.');
    expect((await stage.get('/auth/login', ...NAVIGATION)).body.toString()).not.toContain('has ended');
  });

  test('is not cleared silently by an image request', async () => {
    await using stage = await LoginStage.start();
    const image = await stage.get('/favicon.ico', ENDED, 'Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: image');
    expect([image.status, image.headers.has('set-cookie')]).toEqual([401, false]);
    const script = await stage.get('/api', ENDED, 'Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty');
    expect([script.status, script.headers.get('set-cookie')]).toEqual([401, DELETED_COOKIE]);
  });

  test('P4: answers a form with a login that leads back to the page of the form', async () => {
    await using stage = await LoginStage.start();
    const referer = `Referer: ${PUBLIC_ORIGIN}/orders/new`;
    const response = await stage.send('POST', '/orders', [ENDED, referer, ...FROM_OUR_PAGE]);
    expect(response.status).toBe(401);
    expect(mainAction(response)).toEqual(['Log in again', '/auth/login?return_to=%2Forders%2Fnew&ended=1']);
    expect(response.body.toString()).toContain('What you sent was not processed. Log in, and send it again.');
  });
});

describe('A3: a login while the store does not answer', () => {
  test('shows the form again with its input except the password, and says that the user is not logged in', async () => {
    await using stage = await LoginStage.start();
    const fault = new DependencyFault('store_unavailable', 'down');
    vi.spyOn(stage.gateway.gateway.store.attempts, 'begin').mockRejectedValue(fault);
    const response = await stage.submit({ username: 'alice', password: PASSWORD, return_to: '/orders?a=1' });
    const page = response.body.toString();
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2']);
    expect(page).toContain('You are not logged in: logins do not work right now. Try again shortly.');
    expect(page).toContain('value="alice"');
    expect(page).toContain('name="return_to" value="/orders?a=1"');
    expect(page).not.toContain(PASSWORD);
    expect(page).not.toMatch(/still logged in|still are/);
    const [line] = stage.gateway.log.records.filter(({ status }) => status === 503);
    expect(line).toMatchObject({ reason: 'store_unavailable' });
  });
});

describe('A6: a browser that does not keep the cookie', () => {
  const FROM_LOGIN = `Referer: ${PUBLIC_ORIGIN}/auth/login?return_to=%2Forders`;

  test('is told so when the login leads back to the login page', async () => {
    await using upstream = await RecordingUpstream.start();
    await using stage = await LoginStage.start({ upstream: upstream.origin });
    const login = await stage.submit({ username: 'alice', password: PASSWORD, return_to: '/orders' });
    const again = await stage.get('/orders', FROM_LOGIN, ...NAVIGATION);
    // On both redirects the browser keeps the address of the login page as the referrer.
    for (const { headers } of [login, again]) expect(headers.get('referrer-policy')).toBe('same-origin');
    const page = await stage.get('/auth/login?return_to=%2Forders', FROM_LOGIN, ...NAVIGATION);
    expect(page.body.toString()).toContain('your browser did not keep the session cookie. Allow cookies');
  });

  test.each([
    ['comes from elsewhere', 'Referer: https://evil.example/auth/login'],
    ['comes from another page', `Referer: ${PUBLIC_ORIGIN}/auth/logged-out`],
    ['has no referrer', 'X-A: 1'],
    ['has a malformed referrer', 'Referer: ://'],
  ])('is not assumed for a request that %s', async (_what, header) => {
    await using stage = await LoginStage.start();
    const page = await stage.get('/auth/login', header, ...NAVIGATION);
    expect([page.status, page.body.toString()]).toEqual([
      200,
      expect.not.stringContaining('did not keep the session cookie'),
    ]);
  });
});
