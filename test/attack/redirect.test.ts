import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReturnTargets } from '../../src/endpoints/login/return-target.ts';
import { canonicalTarget } from '../../src/sanitize/target.ts';
import { LoginStage, NAVIGATION, PASSWORD } from '../endpoints/login/fixture.ts';

const ORIGIN = 'https://shop.example.com';
const targets = new ReturnTargets((target) => canonicalTarget(target, '', 8_192), '/auth');

function staysOnOrigin(path: string): boolean {
  const { origin, pathname } = new URL(path, ORIGIN);
  return origin === ORIGIN && !pathname.startsWith('//') && !path.startsWith('/\\');
}

/** Whether the location stays on the origin, however a browser reads it. */
function isHarmless(location: string): boolean {
  return (
    /^\/(?![/\\])[\x21-\x7e]*$/.test(location) &&
    !location.includes('\\') &&
    new URL(location, ORIGIN).origin === ORIGIN &&
    !new URL(location, ORIGIN).pathname.startsWith('//') &&
    new URL(location, ORIGIN).href === `${ORIGIN}${location}` &&
    // Even for one that decodes it first.
    staysOnOrigin(decodeURIComponent(location.split('?', 1)[0] ?? ''))
  );
}

describe('a return target that leads elsewhere becomes "/"', () => {
  test.each([
    ['RED-01', '//evil.example'],
    ['RED-01', '///evil.example'],
    ['RED-02', '/\\evil.example'],
    ['RED-02', '\\\\evil.example'],
    ['RED-02', '\\/evil.example'],
    ['RED-03', '/\t/evil.example'],
    ['RED-03', '/\n/evil.example'],
    ['RED-03', '/\r/evil.example'],
    ['RED-03', '/\u0000/evil.example'],
    ['RED-04', '/..//evil.example'],
    ['RED-04', '/.//evil.example'],
    ['RED-04', '/./\\evil.example'],
    ['RED-04', '/x/..//evil.example'],
    ['RED-04', '/%2e%2e//evil.example'],
    ['RED-04', '/%2e/%2e%2e/evil.example'],
    ['RED-05', 'https:evil.example'],
    ['RED-05', 'https:/evil.example'],
    ['RED-05', 'https:///evil.example'],
    ['RED-06', 'https://shop.example.com@evil.example'],
    ['RED-06', 'https://evil.example#@shop.example.com'],
    ['RED-06', 'https://evil.example?shop.example.com'],
    ['RED-07', ' //evil.example'],
    ['RED-07', '\u0001//evil.example'],
    ['RED-07', '\u00a0//evil.example'],
    ['RED-07', '\ufeff//evil.example'],
    ['RED-08', 'javascript:alert(1)'],
    ['RED-08', 'java\nscript:alert(1)'],
    ['RED-08', 'data:text/html,x'],
    ['RED-08', 'vbscript:x'],
    ['RED-09', 'blob:https://shop.example.com/x'],
    ['RED-10', '/%2f%2fevil.example'],
    ['RED-10', '/%2Fevil.example'],
    ['RED-10', '/%5cevil.example'],
    ['RED-10', '/%09/evil.example'],
    ['RED-10', '/%e2%88%95evil.example'],
    ['RED-11', 'https://shop.example.com.evil.example'],
    ['RED-12', 'https://evilexample.com'],
    ['RED-13', '//shop.example.com:8443'],
    ['RED-13', 'http://shop.example.com'],
    ['RED-13', 'https://shop.example.com/orders'],
    ['RED-14', 'https://shop。example。com'],
    ['RED-14', '/。。/evil.example'],
    ['RED-16', '/%0d%0aSet-Cookie:x=1'],
    ['RED-16', '/x\r\nSet-Cookie: x=1'],
    ['RED-17', `/${'x'.repeat(8_192)}`],
    ['RED-10', '/orders%2f%2fevil.example'],
    ['RED-10', '/orders%2f..%2f%2fevil.example'],
    ['RED-17', '/auth/login'],
    ['RED-17', '/auth/login?return_to=/auth/login'],
    ['RED-17', '/auth/logout'],
    ['RED-17', '/auth'],
    ['RED-17', '/%61uth/login'],
    ['a fragment', '/x#//evil.example'],
    ['an empty string', ''],
    ['a relative path', 'orders'],
    ['a query alone', '?x'],
  ])('%s: %j', (_id, wanted) => {
    expect(targets.read(wanted)).toBe('/');
  });
});

test.each([
  ['/', '/'],
  ['/orders', '/orders'],
  ['/orders/', '/orders/'],
  ['/orders?page=2&q=a%20b', '/orders?page=2&q=a%20b'],
  ['/orders?next=//evil.example', '/orders?next=//evil.example'],
  ['/caf%c3%a9', '/caf%c3%a9'],
  ['/orders%2fevil.example', '/orders%2fevil.example'],
  ['/files/a%2Fb?x=1', '/files/a%2Fb?x=1'],
  ['/a%2Bb%3Ac', '/a%2Bb%3Ac'],
  ['/x?\\\\evil.example', '/x?%5C%5Cevil.example'],
  [`/x?${'y'.repeat(8_000)}`, `/x?${'y'.repeat(8_000)}`],
  ['/%6frders', '/orders'],
  ['/a;b', '/a;b'],
  ['/authority', '/authority'],
  ['/auth/sessions', '/auth/sessions'],
])('the path %j on our own origin is kept as %j', (wanted, kept) => {
  expect(targets.read(wanted)).toBe(kept);
  expect(isHarmless(kept)).toBe(true);
});

test('RED-21: any return target becomes a path on our own origin', () => {
  const piece = fc.constantFrom(
    ...[
      '/',
      '\\',
      '//',
      '..',
      '.',
      '%2f',
      '%5c',
      '%2e',
      '%09',
      '%00',
      '%252f',
      '\t',
      '\n',
      '\r',
      '\u0000',
      ' ',
      '@',
      ':',
    ],
    ...[
      '#',
      '?',
      ';',
      '&',
      'evil.example',
      'shop.example.com',
      'https:',
      'javascript:',
      'blob:',
      '。',
      '／',
      '＼',
      '∕',
      'é',
    ],
    ...['%ef%bc%8f', '%e3%80%82', '%c0%af', '\u00ad', '\u200b', '\ufeff', '\u202e', 'x', 'auth', 'login'],
  );
  const wanted = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
    fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.webUrl(),
  );
  fc.assert(
    fc.property(wanted, (text) => {
      expect(isHarmless(targets.read(text)), text).toBe(true);
      expect(isHarmless(targets.fromQuery(`?return_to=${encodeURIComponent(text.toWellFormed())}`)), text).toBe(true);
    }),
    { numRuns: 20_000 },
  );
});

describe('P4: a deep link survives the login', () => {
  test.each([
    ['with an encoded slash', '/files/a%2Fb'],
    ['with a backslash in the query', '/x?path=a\\b'],
    ['with escapes in the query', '/x?q=100%25&r=a%26b+c'],
    ['of 8,000 characters', `/x?q=${'y'.repeat(7_900)}`],
    ['of 6,000 characters that need escapes', `/x?q=${'/:=?'.repeat(1_500)}`],
  ])('%s', async (_what, target) => {
    const routes = [{ id: 'app', match: { path: '/' }, credential: 'session', pathExceptions: ['encodedSlash'] }];
    await using stage = await LoginStage.start({ routes });
    const asked = await stage.get(target, ...NAVIGATION);
    const login = (asked.headers.get('location') ?? '').slice(ORIGIN.length);
    expect([asked.status, login.length <= 8_192]).toEqual([302, true]);
    const page = await stage.get(login, ...NAVIGATION);
    expect(page.status).toBe(200);
    const [, returnTo = ''] = /name="return_to" value="([^"]*)"/.exec(page.body.toString()) ?? [];
    const typed = returnTo.replaceAll('&amp;', '&').replaceAll('&#39;', "'");
    const done = await stage.submit({ username: 'alice', password: PASSWORD, return_to: typed });
    expect([done.status, done.headers.get('location')]).toEqual([303, target.replaceAll('\\', '%5C')]);
  });

  test('is replaced by "/" if it does not fit into the address of the login page', async () => {
    await using stage = await LoginStage.start();
    const asked = await stage.get(`/x?q=${'%2'.repeat(2_000)}${'&'.repeat(3_000)}`, ...NAVIGATION);
    expect(asked.headers.get('location')).toBe(`${ORIGIN}/auth/login?return_to=%2F`);
  });
});

describe('in an answer', () => {
  test('RED-16: a line break in return_to does not reach a header', async () => {
    await using stage = await LoginStage.start();
    const done = await stage.submit({ username: 'alice', password: PASSWORD, return_to: '/\r\nX-Evil: 1' });
    expect([done.status, done.headers.get('location'), done.headers.has('x-evil')]).toEqual([303, '/', false]);
  });

  test('a return target given twice is ignored', async () => {
    await using stage = await LoginStage.start();
    const page = await stage.get('/auth/login?return_to=/orders&return_to=//evil.example', ...NAVIGATION);
    expect(page.body.toString()).toContain('name="return_to" value="/"');
  });

  test('RED-15: X-Forwarded-Prefix and X-Forwarded-Host do not affect where a login leads', async () => {
    await using stage = await LoginStage.start();
    const forged = ['X-Forwarded-Prefix: //evil.example', 'X-Forwarded-Host: evil.example', ...NAVIGATION];
    const response = await stage.get('/orders', ...forged);
    expect(response.headers.get('location')).toBe(`${ORIGIN}/auth/login?return_to=%2Forders`);
  });

  test('RED-18, RED-19: a login by form is answered with 303, without a session id in the Location', async () => {
    await using stage = await LoginStage.start();
    const done = await stage.submit({ username: 'alice', password: PASSWORD, return_to: '/orders' });
    expect([done.status, done.headers.get('location')]).toEqual([303, '/orders']);
  });
});
