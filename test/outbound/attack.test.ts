/** The outbound listener as raw bytes: it is not an open proxy, serves no browser, and forwards nothing ambiguous. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { OutboundStage } from './stage.ts';

let stage: OutboundStage;
/** A server that is not a destination. */
let elsewhere: RecordingUpstream;
beforeAll(async () => {
  elsewhere = await RecordingUpstream.start();
  stage = await OutboundStage.start({
    destinations: [
      { token: { service: {} } },
      { id: 'by-path', match: { path: '/orders', methods: ['GET'] }, token: { service: {} } },
    ],
    config: { basePath: '/auth' },
  });
});
afterAll(async () => {
  await stage[Symbol.asyncDispose]();
  await elsewhere[Symbol.asyncDispose]();
});

interface Row {
  readonly what: string;
  /** `{elsewhere}` is replaced by host and port of a server that is not a destination. */
  readonly bytes: string;
  readonly status: number;
  readonly reason: string;
}

const HOST = 'Host: orders.internal';
const head = (requestLine: string, ...lines: readonly string[]) =>
  `${[`${requestLine} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`;

const ROWS: readonly Row[] = [
  {
    what: 'a host that is not a destination',
    bytes: head('GET /', 'Host: evil.internal'),
    status: 421,
    reason: 'host_not_served',
  },
  {
    what: 'a host below a destination',
    bytes: head('GET /', 'Host: a.orders.internal'),
    status: 421,
    reason: 'host_not_served',
  },
  {
    what: 'the host and port of a server that is not a destination',
    bytes: head('GET /', 'Host: {elsewhere}'),
    status: 404,
    reason: 'route_not_found',
  },
  {
    what: 'a path on the loopback that is not a destination',
    bytes: head('GET /other', 'Host: 127.0.0.1'),
    status: 404,
    reason: 'route_not_found',
  },
  {
    what: 'a method that the destination does not accept',
    bytes: head('DELETE /orders', 'Host: localhost'),
    status: 405,
    reason: 'method_not_allowed',
  },
  {
    what: 'a path that climbs out of its destination',
    bytes: head('GET /orders/../x', 'Host: localhost'),
    status: 400,
    reason: 'request_ambiguous',
  },
  {
    what: 'a path that climbs out of its destination, encoded',
    bytes: head('GET /orders/%2e%2e/x', 'Host: localhost'),
    status: 400,
    reason: 'request_ambiguous',
  },
  { what: 'no host', bytes: head('GET /'), status: 400, reason: 'request_malformed' },
  { what: 'two hosts', bytes: head('GET /', HOST, 'Host: {elsewhere}'), status: 400, reason: 'request_ambiguous' },
  {
    what: 'absolute-form to any server',
    bytes: head('GET http://{elsewhere}/', 'Host: {elsewhere}'),
    status: 400,
    reason: 'request_malformed',
  },
  {
    what: 'absolute-form to a destination',
    bytes: head('GET http://orders.internal/', HOST),
    status: 400,
    reason: 'request_malformed',
  },
  {
    what: 'absolute-form to any server, with the Host of a destination',
    bytes: head('GET http://{elsewhere}/', HOST),
    status: 400,
    reason: 'request_malformed',
  },
  { what: 'asterisk-form', bytes: head('OPTIONS *', HOST), status: 400, reason: 'request_malformed' },
  {
    what: 'a target that is only an authority',
    bytes: head('GET {elsewhere}', HOST),
    status: 400,
    reason: 'request_malformed',
  },
  {
    what: 'CONNECT',
    bytes: head('CONNECT {elsewhere}', 'Host: {elsewhere}'),
    status: 405,
    reason: 'method_not_allowed',
  },
  {
    what: 'SMG-01: Content-Length and Transfer-Encoding together',
    bytes: `${head('POST /', HOST, 'Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    status: 400,
    reason: 'request_malformed',
  },
  {
    what: 'SMG-03: Transfer-Encoding that is not exactly chunked',
    bytes: `${head('POST /', HOST, 'Transfer-Encoding: xchunked')}0\r\n\r\n`,
    status: 400,
    reason: 'request_ambiguous',
  },
  {
    what: 'a Content-Length with a sign',
    bytes: head('POST /', HOST, 'Content-Length: +5'),
    status: 400,
    reason: 'request_malformed',
  },
  {
    what: 'HBH-02: Connection lists Authorization',
    bytes: head('GET /', HOST, 'Connection: Authorization'),
    status: 400,
    reason: 'request_ambiguous',
  },
  {
    what: 'a browser: Origin',
    bytes: head('GET /', HOST, 'Origin: https://evil.example'),
    status: 403,
    reason: 'browser_forbidden',
  },
  {
    what: 'a browser: Origin null',
    bytes: head('POST /', HOST, 'Origin: null', 'Content-Length: 0'),
    status: 403,
    reason: 'browser_forbidden',
  },
  {
    what: 'a browser: Sec-Fetch-Site',
    bytes: head('GET /', HOST, 'Sec-Fetch-Site: cross-site'),
    status: 403,
    reason: 'browser_forbidden',
  },
  {
    what: 'a browser: Sec-Fetch-Dest',
    bytes: head('GET /', HOST, 'sec-fetch-mode: no-cors', 'sec-fetch-dest: image'),
    status: 403,
    reason: 'browser_forbidden',
  },
  {
    what: 'a browser: an unknown Sec-Fetch header',
    bytes: head('GET /', HOST, 'SEC-FETCH-TOMORROW: 1'),
    status: 403,
    reason: 'browser_forbidden',
  },
  {
    what: 'S8, CSRF-15: a page that has rebound a destination’s name to the loopback, as from Chromium',
    bytes: head(
      'GET /',
      HOST.replace('internal', 'internal:15001'),
      'Connection: keep-alive',
      'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36',
      'Accept: */*',
      'Accept-Encoding: gzip, deflate',
      'Accept-Language: en-US,en;q=0.9',
    ),
    status: 403,
    reason: 'browser_forbidden',
  },
  {
    what: 'CSRF-15: a page that has rebound its own name to the loopback',
    bytes: head('GET /orders', 'Host: evil.example:15001'),
    status: 421,
    reason: 'host_not_served',
  },
];

describe('the outbound listener', () => {
  test.each(ROWS)('refuses $what', async ({ bytes, status, reason }) => {
    stage.orders.reset();
    const { host } = new URL(elsewhere.origin);
    const answer = await rawRequest(stage.port, bytes.replaceAll('{elsewhere}', host));
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ reason });
    expect(stage.orders.requests).toEqual([]);
    expect(elsewhere.connectionCount).toBe(0);
  });

  test('does not treat Node’s fetch, which sends Sec-Fetch-Mode, as a browser', async () => {
    stage.orders.reset();
    expect((await rawRequest(stage.port, head('GET /', HOST, 'sec-fetch-mode: cors'))).status).toBe(200);
  });

  test.each([
    ['Python', ['User-Agent: python-requests/2.32.3', 'Accept-Encoding: gzip, deflate', 'Accept-Language: de']],
    ['a backend that forwards its user’s User-Agent', ['User-Agent: Mozilla/5.0', 'Accept-Language: de']],
    [
      'a backend that forwards all headers of its user',
      ['User-Agent: Mozilla/5.0', 'Accept-Language: de', 'Accept-Encoding: gzip, deflate, br, zstd'],
    ],
  ])('S8: does not treat %s as a browser', async (_who, lines) => {
    stage.orders.reset();
    expect((await rawRequest(stage.port, head('GET /', HOST, ...lines))).status).toBe(200);
  });

  test('refuses a WebSocket from a web page', async () => {
    const lines = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
    const answer = await rawRequest(stage.port, head('GET /', HOST, ...lines, key, 'Origin: https://evil.example'));
    expect(answer.status).toBe(403);
  });

  test('SMG-37: treats bytes smuggled behind a request as a separate request with its own token', async () => {
    stage.orders.reset();
    await using connection = await RawConnection.open(stage.port);
    const second = head('GET /second', HOST, 'Authorization: Bearer mallory');
    connection.write(`${head('POST /first', HOST, `Content-Length: ${second.length}`)}${second}${second}`);
    expect((await connection.response()).status).toBe(200);
    expect((await connection.response()).status).toBe(200);
    expect(stage.orders.requests.map((request) => request.head.split(' ')[1])).toEqual(['/first', '/second']);
    expect(stage.orders.requests[0]?.body.toString()).toBe(second);
    expect(stage.orders.requests[1]?.head).not.toContain('mallory');
    expect(stage.orders.problems).toEqual([]);
  });

  test('removes every spelling of an identity header, and headers that Connection lists', async () => {
    stage.orders.reset();
    const names = [
      'X-Forwarded-User',
      'X_Forwarded_User',
      'Remote-User',
      'X-Auth-Request-Email',
      'X-Real-IP',
      'Forwarded',
    ];
    const lines = [...names.map((name) => `${name}: mallory`), 'X-Extra: mallory', 'Connection: X-Extra, close'];
    expect((await rawRequest(stage.port, requestHead('GET', '/', [HOST, ...lines]))).status).toBe(200);
    expect(stage.orders.text).not.toContain('mallory');
    expect(stage.orders.last.values('authorization')).toHaveLength(1);
  });

  test('does not serve the gateway’s endpoints: their paths belong to the destination', async () => {
    stage.orders.reset();
    for (const path of ['/auth/login', '/auth/sessions', '/.well-known/jwks.json']) {
      expect((await rawRequest(stage.port, head(`GET ${path}`, HOST))).status).toBe(200);
    }
    expect(stage.orders.requests).toHaveLength(3);
  });

  test('is separate: the public listener serves no destinations', async () => {
    const answer = await rawRequest(stage.gateway.port, head('GET /', HOST));
    expect(answer.status).toBe(421);
  });

  test('sends no cookie of the gateway and no redirect to a login page', async () => {
    const answer = await rawRequest(stage.port, head('GET /nothing', 'Host: localhost', 'Accept: text/html'));
    expect(answer.status).toBe(404);
    expect(answer.headers.has('set-cookie')).toBe(false);
    expect(answer.headers.has('location')).toBe(false);
  });

  const own = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

  test.skipIf(own === undefined)('closes a connection from an address other than the loopback, unread', async () => {
    const socket = connect({ port: stage.port, host: '127.0.0.1', localAddress: own as string });
    socket.write(head('GET /', HOST));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('error', () => {});
    await once(socket, 'close');
    expect(answer).toBe('');
    expect(await stage.gateway.metrics.text()).toContain('sallyport_connections_refused_total{reason="peer"} 1\n');
  });
});
