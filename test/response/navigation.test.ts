import { describe, expect, test } from 'vitest';
import { HOST, startGateway } from '../support/gateway.ts';
import { rawRequest } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const HTML = 'Accept: text/html,application/xhtml+xml,*/*;q=0.8';

const PEOPLE: readonly (readonly [string, readonly string[]])[] = [
  ['a link', ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document', HTML]],
  ['a service worker that forwards a navigation', ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: empty', HTML]],
  ['the same with the Accept of fetch', ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: empty', 'Accept: */*']],
  ['a browser without Sec-Fetch-*', [HTML]],
  ["a WebView of Android, which sends its app's name", [HTML, 'X-Requested-With: com.example.shop']],
];

const PROGRAMS: readonly (readonly [string, readonly string[]])[] = [
  ['fetch', ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty', 'Accept: */*']],
  ['fetch that accepts HTML', ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty', HTML]],
  ['an image', ['Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: image', HTML]],
  ['a script without Sec-Fetch-* that accepts HTML (X-Requested-With)', [HTML, 'X-Requested-With: XMLHttpRequest']],
  ['htmx without Sec-Fetch-*', [HTML, 'HX-Request: true']],
  ['curl', ['Accept: */*']],
];

describe('a user without a session', () => {
  test.each(PEOPLE)('%s: is redirected to the login page', async (_who, headers) => {
    const answer = await get(headers);
    expect([answer.status, answer.headers.get('location')]).toEqual([
      302,
      'https://shop.example.com/auth/login?return_to=%2Fx',
    ]);
  });

  test.each(PROGRAMS)('%s: gets 401', async (_who, headers) => {
    const answer = await get(headers);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([401, 'application/problem+json']);
  });
});

describe('A1: htmx without a session', () => {
  const HTMX = ['HX-Request: true', 'Sec-Fetch-Mode: cors', 'Accept: text/html'];
  const redirectOf = async (...headers: string[]) => (await get([...HTMX, ...headers])).headers.get('hx-redirect');

  test('is redirected to the login, which leads back to the page, not to the fragment', async () => {
    const referer = 'Referer: https://shop.example.com/orders?page=2';
    expect(await redirectOf(referer)).toBe('/auth/login?return_to=%2Forders%3Fpage%3D2');
    const ended = `Cookie: __Host-sid=${'a'.repeat(43)}`;
    expect(await redirectOf(referer, ended)).toBe('/auth/login?return_to=%2Forders%3Fpage%3D2&ended=1');
  });

  test.each(['https://evil.example/x', 'https://shop.example.com//evil.example', '//evil.example', 'javascript:1'])(
    'RED-01: ignores a Referer of %s',
    async (referer) => expect(await redirectOf(`Referer: ${referer}`)).toBe('/auth/login'),
  );

  test('other clients do not get the header', async () => {
    for (const [, headers] of PROGRAMS.filter(([who]) => !who.startsWith('htmx'))) {
      expect((await get(headers)).headers.get('hx-redirect')).toBeUndefined();
    }
    expect((await get([...HTMX.slice(1), 'HX-Request: false'])).headers.get('hx-redirect')).toBeUndefined();
  });
});

async function get(headers: readonly string[]) {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await startGateway({
    upstream: upstream.origin,
    routes: [{ id: 'app', match: { path: '/' }, credential: 'session' }],
  });
  return await rawRequest(
    gateway.port,
    ['GET /x HTTP/1.1', HOST, ...headers, 'Connection: close', '', ''].join('\r\n'),
  );
}
