/** §2.2: headers that concern one connection only, and what a client could remove with them. */

import { describe, expect, test } from 'vitest';
import { BOB, type Expectation, head, playTable, type Row } from './harness.ts';

const PROTECTED: Expectation = { status: 400, reason: 'request_ambiguous', connection: 'closed' };
/** Forwarded with the gateway's identity headers, and without these. */
const forwarded = (id: string, what: string, lines: readonly string[], gone: readonly string[]): Row => ({
  id,
  what,
  bytes: head('GET /x', BOB, ...lines),
  expect: {
    status: 200,
    upstream: {
      headers: {
        'x-user-id': ['bob'],
        'x-user-email': ['bob@example.com'],
        'x-forwarded-for': ['127.0.0.1'],
        ...Object.fromEntries(gone.map((name) => [name, []])),
      },
    },
    connection: 'in-sync',
  },
});

const INJECTED: readonly Row[] = [
  forwarded(
    'HBH-01',
    "Connection cannot remove the gateway's headers",
    ['Connection: X-User-Id, X-User-Email', 'X-User-Id: x'],
    [],
  ),
  forwarded(
    'HBH-01',
    'Connection removes the client headers that it lists',
    ['Connection: X-A', 'X-A: 1', 'X-B: 2'],
    ['x-a'],
  ),
  forwarded(
    'HBH-02',
    'Connection is read in any letter case, with tabs and empty options',
    ['connection: \t,, x-user-id ,\tX-a,,', 'X-A: 1'],
    ['x-a'],
  ),
  forwarded(
    'HBH-02',
    "Connection does not remove the gateway's headers by look-alike names",
    ['Connection: x_user_id, x.user.id, x-forwarded-'],
    [],
  ),
  forwarded(
    'HBH-03',
    'two Connection headers are one list',
    ['Connection: x-user-id', 'Connection: x-a', 'X-A: 1'],
    ['x-a'],
  ),
  forwarded('HBH-03', 'every copy of a listed header is removed', ['Connection: x-a', 'X-A: 1', 'x-a: 2'], ['x-a']),
];

const ROWS: readonly Row[] = [
  ...INJECTED,
  {
    id: 'HBH-01',
    what: "Connection: close, X-User-Id closes the connection and keeps the gateway's header",
    bytes: head('GET /x', BOB, 'Connection: close, X-User-Id'),
    expect: { status: 200, upstream: { headers: { 'x-user-id': ['bob'] } }, connection: 'closed' },
  },
  ...[
    'authorization',
    'Cookie',
    'host',
    'content-length',
    'transfer-encoding',
    'Content-Type',
    'origin',
    'X-Forwarded-For',
    'via',
    'x-request-id',
    'close, HOST',
    'keep-alive,\tcookie\t',
  ].map(
    (options): Row => ({
      id: 'HBH-04',
      what: `Connection: ${JSON.stringify(options)} is refused`,
      bytes: `${head('POST /x', BOB, `Connection: ${options}`, 'Content-Length: 2')}hi`,
      expect: PROTECTED,
    }),
  ),
  ...['a b', '"close"', 'close;q=1', '\xa0close', 'x-a:', '(close)'].map(
    (options): Row => ({
      id: 'HBH-04',
      what: `Connection: ${JSON.stringify(options)} is not a list of names and is refused`,
      bytes: head('GET /x', BOB, `Connection: ${options}`),
      expect: { status: 400, reason: 'request_malformed', connection: 'closed' },
    }),
  ),
  {
    id: 'HBH-05',
    what: 'headers that an upstream lists in Connection do not reach the client',
    bytes: head('GET /x', BOB),
    answer: [
      'HTTP/1.1 200 OK',
      'Connection: keep-alive, X-Secret',
      'connection: x-SECRET-2',
      'X-Secret: 1',
      'X-Secret-2: 2',
      'Keep-Alive: timeout=77',
      'Proxy-Authenticate: Basic',
      'Proxy-Connection: keep-alive',
      'Upgrade: h2c',
      'X-Plain: 3',
      'Content-Length: 2',
      '',
      'ok',
    ].join('\r\n'),
    expect: {
      status: 200,
      connection: 'in-sync',
      also: ({ headers, head: answer }) => {
        expect(answer).not.toMatch(/secret|timeout=77|proxy-|upgrade/i);
        expect(headers.get('connection')).toBe('keep-alive');
        expect(headers.get('x-plain')).toBe('3');
      },
    },
  },
  {
    id: 'HBH-05',
    what: 'an upstream that lists Content-Length in Connection does not change where its answer ends',
    bytes: head('GET /x', BOB),
    answer: 'HTTP/1.1 200 OK\r\nConnection: Content-Length, Content-Type\r\nContent-Length: 2\r\n\r\nok',
    expect: { status: 200, connection: 'in-sync', also: ({ body }) => expect(body.toString()).toBe('ok') },
  },
  forwarded(
    'HBH-06',
    'hop-by-hop headers are dropped',
    [
      'Proxy-Connection: keep-alive',
      'Keep-Alive: timeout=77',
      'TE: deflate',
      'Trailer: X-A',
      'Proxy-Authenticate: Basic',
      'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
    ],
    ['proxy-connection', 'keep-alive', 'te', 'trailer', 'proxy-authenticate', 'http2-settings'],
  ),
  {
    id: 'HBH-06',
    what: 'only trailers of TE is forwarded, as written by the gateway',
    bytes: head('GET /x', BOB, 'TE: trailers, deflate;q=0.5'),
    expect: { status: 200, upstream: { headers: { te: ['trailers'] } }, connection: 'in-sync' },
  },
  {
    id: 'HBH-06',
    what: 'Upgrade-Insecure-Requests is an end-to-end header',
    bytes: head('GET /x', BOB, 'Upgrade-Insecure-Requests: 1'),
    expect: { status: 200, upstream: { headers: { 'upgrade-insecure-requests': ['1'] } }, connection: 'in-sync' },
  },
  {
    id: 'HBH-07',
    what: 'a request after one with Connection: close is not processed',
    bytes: head('GET /public/x', 'Connection: close'),
    expect: { status: 200, upstream: { target: '/public/x' }, connection: 'closed' },
  },
  {
    id: 'HBH-07',
    what: 'a request after one of HTTP/1.0 is not processed',
    bytes: 'GET /public/x HTTP/1.0\r\nHost: shop.example.com\r\n\r\n',
    expect: { status: 200, upstream: { target: '/public/x' }, connection: 'closed' },
  },
  {
    id: 'HBH-08',
    what: 'Connection: Upgrade without Upgrade is a plain request',
    bytes: head('GET /x', BOB, 'Connection: Upgrade'),
    expect: { status: 200, upstream: { headers: { connection: ['keep-alive'], upgrade: [] } }, connection: 'in-sync' },
  },
  {
    id: 'HBH-08',
    what: 'Upgrade without Connection is a plain request, and Upgrade is dropped',
    bytes: head('GET /x', BOB, 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'),
    expect: { status: 200, upstream: { headers: { connection: ['keep-alive'], upgrade: [] } }, connection: 'in-sync' },
  },
];

describe('hop-by-hop headers', () => {
  const stage = playTable(ROWS);

  test.for(INJECTED)('WS-05: $id on a WebSocket handshake: $what', (row) => stage().playAsHandshake(row));
});
