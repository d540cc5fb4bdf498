/**
 * Cross-site request forgery, at every address where a cookie authorizes a change: a route, and the gateway's own endpoints.
 * Each row is one set of headers, and is tried at all of them.
 */

import { describe, expect, test } from 'vitest';
import { FORM, LoginStage, PASSWORD, reasonOf } from '../endpoints/login/fixture.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const OURS = 'https://shop.example.com';
const MULTIPART = 'Content-Type: multipart/form-data; boundary=x';

/** A request that changes something, and its answer if it comes from one of our own pages. */
interface Target {
  readonly name: string;
  readonly method: 'POST' | 'DELETE';
  readonly path: string;
  readonly headers?: readonly string[];
  readonly body?: string;
  readonly status: number;
}

const TARGETS: readonly Target[] = [
  { name: 'a route', method: 'POST', path: '/orders', body: 'x=1', status: 200 },
  { name: 'DELETE on a route', method: 'DELETE', path: '/orders', status: 200 },
  { name: 'logout', method: 'POST', path: '/auth/logout', status: 204 },
  { name: 'logout everywhere', method: 'POST', path: '/auth/logout/all', status: 204 },
  { name: 'ending a session', method: 'POST', path: `/auth/sessions/${'A'.repeat(43)}`, status: 404 },
  { name: 'ending a session', method: 'DELETE', path: `/auth/sessions/${'A'.repeat(43)}`, status: 404 },
  { name: 'ending the others', method: 'POST', path: '/auth/sessions/others', status: 204 },
  {
    name: 'the login form',
    method: 'POST',
    path: '/auth/login',
    headers: [FORM],
    body: `username=bob&password=${encodeURIComponent(PASSWORD)}`,
    status: 303,
  },
];

const send = (stage: LoginStage, { method, path, headers = [], body = '' }: Target, more: readonly string[]) =>
  stage.send(method, path, [...headers, ...more], body);

const REFUSED: readonly (readonly [string, string, readonly string[]])[] = [
  ['CSRF-01', 'neither Origin nor Sec-Fetch-Site nor Referer', []],
  ['CSRF-02', 'a foreign Origin', ['Origin: https://evil.example']],
  ['CSRF-03', 'Origin null', ['Origin: null']],
  ...['cross-site', 'same-site', 'none', 'same-origin, same-origin', ''].map(
    (site) =>
      ['CSRF-03', `Origin null with Sec-Fetch-Site ${site}`, ['Origin: null', `Sec-Fetch-Site: ${site}`]] as const,
  ),
  ['CSRF-04', 'an Origin that starts like ours', ['Origin: https://shop.example.com.evil.example']],
  ['CSRF-04', 'an Origin that ends like ours', ['Origin: https://evilshop.example.com']],
  ['CSRF-04', 'an Origin with user information', ['Origin: https://shop.example.com@evil.example']],
  ['CSRF-05', 'our Origin over http', ['Origin: http://shop.example.com']],
  ['CSRF-05', 'our Origin on another port', ['Origin: https://shop.example.com:8443']],
  ['CSRF-06', 'a foreign Referer', ['Referer: https://evil.example/']],
  ['CSRF-06', 'a foreign Referer that mentions us', ['Referer: https://evil.example/?https://shop.example.com/']],
  ['CSRF-06', 'our Referer over http', ['Referer: http://shop.example.com/']],
  ['CSRF-07', 'Sec-Fetch-Site cross-site', ['Sec-Fetch-Site: cross-site']],
  ['CSRF-07', 'Sec-Fetch-Site same-site', ['Sec-Fetch-Site: same-site']],
  ['CSRF-07', 'Sec-Fetch-Site cross-site with our Origin', [`Origin: ${OURS}`, 'Sec-Fetch-Site: cross-site']],
  [
    'CSRF-08',
    'Sec-Fetch-Site same-origin with a foreign Origin',
    ['Origin: https://evil.example', 'Sec-Fetch-Site: same-origin'],
  ],
  ['CSRF-09', 'Sec-Fetch-Site none', ['Sec-Fetch-Site: none']],
  ['CSRF-10', 'two Origin headers', [`Origin: ${OURS}`, 'Origin: https://evil.example']],
  ['CSRF-10', 'two origins in one header', [`Origin: ${OURS} https://evil.example`]],
  ['CSRF-10', 'two Sec-Fetch-Site headers', ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site']],
  ['CSRF-11', 'an Origin with a trailing slash', [`Origin: ${OURS}/`]],
  ['CSRF-11', 'an Origin with a path', [`Origin: ${OURS}/x`]],
];

const ADMITTED: readonly (readonly [string, string, readonly string[]])[] = [
  ['our own page', 'with the headers of a modern browser', [`Origin: ${OURS}`, 'Sec-Fetch-Site: same-origin']],
  ['our own page', 'with Origin alone', [`Origin: ${OURS}`]],
  ['our own page', 'with Sec-Fetch-Site alone', ['Sec-Fetch-Site: same-origin']],
  ['our own page', 'with Referer alone', [`Referer: ${OURS}/orders`]],
  [
    'CSRF-03',
    'Origin null with Sec-Fetch-Site same-origin: our own page with Referrer-Policy no-referrer',
    ['Origin: null', 'Sec-Fetch-Site: same-origin'],
  ],
  ['CSRF-11', 'our Origin with its default port', [`Origin: ${OURS}:443`]],
  ['CSRF-11', 'our Origin in upper case', ['Origin: HTTPS://SHOP.EXAMPLE.COM']],
];

async function withStage(run: (stage: LoginStage, upstream: RecordingUpstream) => Promise<void>): Promise<void> {
  await using upstream = await RecordingUpstream.start();
  await using stage = await LoginStage.start({ upstream: upstream.origin });
  await run(stage, upstream);
}

describe('requests that are refused with 403 and change nothing', () => {
  test.each(REFUSED)('%s: %s', (_id, _what, headers) =>
    withStage(async (stage, upstream) => {
      const cookie = await stage.cookieOf('alice');
      for (const target of TARGETS) {
        const { name } = target;
        const response = await send(stage, target, [cookie, ...headers]);
        expect([name, response.status, reasonOf(response)]).toEqual([name, 403, 'origin_forbidden']);
        expect([name, response.headers.has('set-cookie')]).toEqual([name, false]);
        expect(response.head.toLowerCase()).not.toContain('access-control');
      }
      expect(upstream.requests).toEqual([]);
      expect((await stage.get('/auth/session', cookie)).status).toBe(200);
    }),
  );
});

describe('requests that are let through', () => {
  test.each(ADMITTED)('%s: %s', (_id, _what, headers) =>
    withStage(async (stage) => {
      for (const target of TARGETS) {
        const cookie = await stage.cookieOf('alice');
        const { status } = await send(stage, target, [cookie, ...headers]);
        expect([target.name, status]).toEqual([target.name, target.status]);
      }
    }),
  );
});

describe('login', () => {
  test('JSON without an Origin is accepted, with a foreign Origin refused', () =>
    withStage(async (stage) => {
      expect((await stage.logIn('alice', PASSWORD)).status).toBe(200);
      for (const header of ['Origin: https://evil.example', 'Origin: null', 'Sec-Fetch-Site: cross-site']) {
        const response = await stage.logIn('alice', PASSWORD, header);
        expect([response.status, reasonOf(response)]).toEqual([403, 'origin_forbidden']);
        expect(response.headers.has('set-cookie')).toBe(false);
      }
    }));

  test('CSRF-13: JSON in a text/plain or multipart body is refused with 415', () =>
    withStage(async (stage) => {
      const body = JSON.stringify({ username: 'bob', password: PASSWORD });
      for (const type of ['Content-Type: text/plain', MULTIPART]) {
        const response = await stage.send('POST', '/auth/login', [type, `Origin: ${OURS}`], body);
        expect(response.status).toBe(415);
      }
    }));

  test('the origin is checked before the body is parsed', () =>
    withStage(async (stage) => {
      const headers = [FORM, 'Origin: https://evil.example'];
      const response = await stage.send('POST', '/auth/login', headers, 'username=%zz');
      expect(response.status).toBe(403);
    }));
});

test('CSRF-12: no GET logs out or ends a session', () =>
  withStage(async (stage) => {
    const cookie = await stage.cookieOf('alice');
    for (const path of [
      '/auth/logout',
      '/auth/logout/all',
      '/auth/sessions/others',
      `/auth/sessions/${'A'.repeat(43)}`,
    ]) {
      const response = await stage.get(path, cookie, 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: no-cors');
      expect([path, response.status]).toEqual([path, path === '/auth/logout' ? 200 : 405]);
    }
    expect((await stage.get('/auth/session', cookie)).status).toBe(200);
  }));

test('CSRF-14: a preflight gets no CORS headers', () =>
  withStage(async (stage) => {
    for (const path of ['/auth/login', '/auth/logout', '/auth/session', '/auth/sessions']) {
      const response = await stage.send('OPTIONS', path, [
        'Origin: https://evil.example',
        'Access-Control-Request-Method: POST',
        'Access-Control-Request-Headers: content-type',
      ]);
      expect([path, response.status]).toEqual([path, 405]);
      expect(response.head.toLowerCase()).not.toContain('access-control');
    }
  }));

test('CSRF-16: a method override does not turn a GET into a POST', () =>
  withStage(async (stage) => {
    const cookie = await stage.cookieOf('alice');
    const response = await stage.get('/auth/logout?_method=POST', cookie, 'X-HTTP-Method-Override: POST');
    expect(response.status).toBe(200);
    expect((await stage.get('/auth/session', cookie)).status).toBe(200);
  }));

test('CSRF-17: HEAD is treated as GET', () =>
  withStage(async (stage, upstream) => {
    const response = await stage.send('HEAD', '/orders', [await stage.cookieOf('alice')]);
    expect(response.status).toBe(200);
    expect(upstream.requests).toHaveLength(1);
  }));
