/** §2.4: one reading of the host, and no decision that depends on a host that the client can choose. */

import { describe, expect, test } from 'vitest';
import { Denial } from '../../src/errors.ts';
import { OwnedHeaders } from '../../src/sanitize/owned-headers.ts';
import { type PeerInfo, Sanitizer } from '../../src/sanitize/sanitize.ts';
import { startGateway } from '../support/gateway.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { BOB, type Expectation, playTable, type Row } from './harness.ts';

const NOT_SERVED: Expectation = { status: 421, reason: 'host_not_served', connection: 'in-sync' };
const MALFORMED: Expectation = { status: 400, reason: 'request_malformed', connection: 'closed' };

const request = (requestLine: string, ...lines: readonly string[]) =>
  [`${requestLine} HTTP/1.1`, ...lines, '', ''].join('\r\n');

const hosts = (id: string, what: string, expected: Expectation, ...values: readonly string[]) =>
  values.map(
    (value): Row => ({
      id,
      what: `Host ${JSON.stringify(value.slice(0, 60))} ${what}`,
      bytes: request('GET /x', `Host: ${value}`, BOB),
      expect: expected,
    }),
  );
const malformed = (id: string, ...values: readonly string[]) => hosts(id, 'is refused', MALFORMED, ...values);
const notServed = (id: string, ...values: readonly string[]) => hosts(id, 'is not served', NOT_SERVED, ...values);
/** Matched as shop.example.com; the upstream gets one spelling. */
const served = (id: string, value: string, host: string) =>
  hosts(
    id,
    `is served, as ${host}`,
    { status: 200, upstream: { headers: { host: [host], 'x-forwarded-host': [host] } }, connection: 'in-sync' },
    value,
  );

const ROWS: readonly Row[] = [
  { id: 'HST-01', what: 'a request without Host is refused', bytes: request('GET /x', BOB), expect: MALFORMED },
  {
    id: 'HST-01',
    what: 'a request without Host is refused on HTTP/1.0 too',
    bytes: `GET /x HTTP/1.0\r\n${BOB}\r\n\r\n`,
    expect: MALFORMED,
  },
  ...['Host: evil.com', 'host: shop.example.com', 'HOST: '].map(
    (line): Row => ({
      id: 'HST-02',
      what: `two Host headers are refused: the second is ${JSON.stringify(line)}`,
      bytes: request('GET /x', 'Host: shop.example.com', line, BOB),
      expect: { status: 400, reason: 'request_ambiguous', connection: 'closed' },
    }),
  ),
  {
    id: 'HST-02',
    what: 'a look-alike of Host does not reach the upstream',
    bytes: request('GET /x', 'Host: shop.example.com', 'HTTP_HOST: evil.com', BOB),
    expect: {
      status: 200,
      upstream: { headers: { host: ['shop.example.com'] }, lacks: ['evil.com'] },
      connection: 'in-sync',
    },
  },
  {
    id: 'HST-03',
    what: 'the login redirect goes to the public origin, regardless of X-Forwarded-Host',
    bytes: request(
      'GET /x',
      'Host: shop.example.com',
      'X-Forwarded-Host: evil.com',
      'Sec-Fetch-Mode: navigate',
      'Sec-Fetch-Dest: document',
    ),
    expect: {
      status: 302,
      upstream: 'nothing',
      connection: 'in-sync',
      also: ({ headers }) => {
        expect(headers.get('location')).toMatch(/^https:\/\/shop\.example\.com\/auth\/login\?/);
      },
    },
  },
  ...notServed('HST-04', 'evil.com'),
  {
    id: 'HST-04',
    what: 'a navigation to a foreign host gets no redirect',
    bytes: request('GET /x', 'Host: evil.com', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'),
    expect: { ...NOT_SERVED, reason: undefined, also: ({ head }) => expect(head).not.toMatch(/location|evil/i) },
  },
  ...malformed(
    'HST-05',
    'a, b',
    '',
    'a@b',
    'a/b?c',
    'a b',
    '\xff',
    'shop.example.com/x',
    'shop.example.com?',
    '\xa0shop.example.com',
  ),
  ...malformed(
    'HST-05',
    'shop.example.com,evil.com',
    'shop.example.com\tevil.com',
    'shop..example.com',
    '.',
    '-',
    'a%2eb',
  ),
  ...served('HST-06', 'SHOP.Example.COM', 'shop.example.com'),
  ...notServed('HST-06', 'xn--shp-sna.example.com'),
  ...malformed('HST-06', 'sh\xc3\xb6p.example.com'),
  ...served('HST-07', 'shop.example.com.', 'shop.example.com'),
  ...served('HST-07', 'shop.example.com:443', 'shop.example.com:443'),
  ...served('HST-07', 'shop.example.com:', 'shop.example.com'),
  ...served('HST-07', 'SHOP.example.com.:8443', 'shop.example.com:8443'),
  ...malformed('HST-07', 'shop.example.com:0443', 'shop.example.com:99999', 'shop.example.com::', 'shop.example.com:0'),
  ...malformed('HST-07', 'shop.example.com..', 'shop.example.com:80:80', 'shop.example.com:+80', 'shop.example.com:8o'),
  ...notServed('HST-08', 'shop.example.com.evil.com', 'evilshop.example.com', 'example.com', 'x.shop.example.com'),
  ...malformed('HST-09', 'xn--\x80', 'xn--a', 'xn--', 'a.xn--0.com'),
  {
    id: 'HST-10',
    what: 'an absolute-form target is served by its host, with its scheme in any letter case',
    bytes: request('GET HTTP://SHOP.example.com/public/x', 'Host: shop.example.com'),
    expect: { status: 200, upstream: { target: '/public/x' }, connection: 'in-sync' },
  },
  {
    id: 'HST-10',
    what: 'an absolute-form target of another scheme is refused',
    bytes: request('GET WSS://shop.example.com/public/x', 'Host: shop.example.com'),
    expect: MALFORMED,
  },
  {
    id: 'HST-10',
    what: 'an absolute-form target with a host that differs from Host is refused',
    bytes: request('GET http://shop.example.com/public/x', 'Host: evil.com'),
    expect: { status: 400, reason: 'request_ambiguous', connection: 'closed' },
  },
  ...malformed('HST-11', 'shop\xe3\x80\x82example\xe3\x80\x82com'),
  ...notServed('HST-12', '127.0.0.1', '169.254.169.254', '[::1]', 'localhost', '127.1', '2130706433', '0x7f000001'),
  ...malformed('HST-12', '[::1', '[::g]', '[::1]x', '::1', '[fe80::1%25eth0]', '[]'),
  {
    id: 'HST-14',
    what: 'a pseudo-header is refused over HTTP/1.1',
    bytes: request('GET /x', 'Host: shop.example.com', ':authority: evil.com', BOB),
    expect: MALFORMED,
  },
];

describe('hosts', () => {
  playTable(ROWS);
});

test.for([
  ['[0:0:0:0:0:0:0:1]', '[::1]'],
  ['[::1]', '[0:0:0:0:0:0:0:1]:8080'],
])('HST-12: the policy of a route for %s applies to requests for %s', async ([written, sent]) => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await startGateway({
    upstream: upstream.origin,
    routes: [
      { id: 'local', match: { host: written, path: '/' }, credential: 'session', allow: { roles: ['admin'] } },
      { id: 'any', match: { host: '*', path: '/' }, credential: 'none' },
    ],
    config: { publicOrigin: ['https://shop.example.com', 'http://[::1]'] },
  });
  expect((await rawRequest(gateway.port, requestHead('GET', '/', [`Host: ${sent}`]))).status).toBe(401);
  expect(upstream.requests).toEqual([]);
});

describe('hosts on TLS connections', () => {
  const sanitizer = new Sanitizer({
    owned: new OwnedHeaders([], []),
    cookieName: '__Host-sid',
    trustedProxies: null,
    traceParents: 'all',
    publicOrigins: new Map(),
    maxTargetBytes: 8_192,
    cookieLimits: { maxCookieBytes: 8_192, maxCookieCount: 100 },
  });
  const screen = (serverName: string | null, host: string) => {
    const peer: PeerInfo = { address: '127.0.0.1', secure: true, serverName };
    const raw = { method: 'GET', target: '/', httpVersion: '1.1', isUpgrade: false, peer };
    return sanitizer.screen({ ...raw, rawHeaders: ['Host', host] });
  };

  test.for([
    ['app1.example.com', 'app2.example.com'],
    ['app1.example.com', 'app1.example.com.evil.com'],
    ['app1.example.com', '127.0.0.1'],
  ] as const)('HST-13: a connection made for %s is not used for %s', ([serverName, host]) => {
    const denial = screen(serverName, host);
    expect(denial).toBeInstanceOf(Denial);
    expect(denial).toMatchObject({ reason: 'host_not_served' });
  });

  test.for([
    ['app1.example.com', 'APP1.example.com.:8443'],
    [null, 'app1.example.com'],
  ] as const)('HST-13: a connection made for %s is used for %s', ([serverName, host]) => {
    expect(screen(serverName, host)).toMatchObject({ host: 'app1.example.com' });
  });
});
