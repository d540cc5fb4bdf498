/** §2.1: headers with which a client could pass for someone else. */

import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN, BOB, head, playTable, ROUTES, type Row, Stage } from './harness.ts';

const MALLORY = 'mallory-was-here';

/** A row in which the client sends a header that only the gateway may write: the upstream gets only what the gateway says of bob. */
const stripped = (id: string, line: string): Row => {
  const colon = line.indexOf(':');
  const isWrittenByGateway = line.slice(0, colon) === 'X-User-Id';
  return {
    id,
    what: `${JSON.stringify(line)} does not reach the upstream`,
    bytes: head('GET /x', BOB, line),
    expect: {
      status: 200,
      upstream: {
        headers: { 'x-user-id': ['bob'] },
        lacks: isWrittenByGateway ? [MALLORY] : [line.slice(0, colon + 1), line.slice(colon + 1)],
      },
      connection: 'in-sync',
    },
  };
};

/** A row in which one header is forwarded unchanged. */
const passed = (id: string, line: string): Row => ({
  id,
  what: `${JSON.stringify(line)} is forwarded unchanged`,
  bytes: head('GET /x', BOB, line),
  expect: { status: 200, upstream: { has: [`\r\n${line}\r\n`] }, connection: 'in-sync' },
});

const refused = (id: string, what: string, bytes: string, status = 400, reason?: string): Row => ({
  id,
  what,
  bytes,
  expect: { status, ...(reason !== undefined && { reason }), connection: 'closed' },
});

/** Rows that also apply to a WebSocket handshake (WS-05). */
const IDENTITY_ROWS: readonly Row[] = [
  {
    id: 'HDR-01',
    what: 'a client-sent identity header is replaced by the value of the session',
    bytes: head('GET /x', BOB, `X-User-Id: ${MALLORY}`),
    expect: { status: 200, upstream: { headers: { 'x-user-id': ['bob'] }, lacks: [MALLORY] }, connection: 'in-sync' },
  },
  stripped('HDR-02', `X_User_Id: ${MALLORY}`),
  stripped('HDR-03', `X.User.Id: ${MALLORY}`),
  stripped('HDR-04', `X-User_Id: ${MALLORY}`),
  stripped('HDR-04', `X_User-Id: ${MALLORY}`),
  stripped('HDR-04', `x.user_id: ${MALLORY}`),
  stripped('HDR-04', `X~User!Id: ${MALLORY}`),
  {
    id: 'HDR-05',
    what: 'identity headers in any letter case are replaced by one value under the configured name',
    bytes: head('GET /x', BOB, `X-USER-ID: ${MALLORY}`, `x-UsEr-iD: ${MALLORY}`, `x-user-id: ${MALLORY}`),
    expect: {
      status: 200,
      upstream: { headers: { 'x-user-id': ['bob'] }, has: ['\r\nX-User-Id: bob\r\n'], lacks: [MALLORY] },
      connection: 'in-sync',
    },
  },
  stripped('HDR-06', `HTTP_X_USER_ID: ${MALLORY}`),
  stripped('HDR-06', `HTTP-X-User-Id: ${MALLORY}`),
  stripped('HDR-06', `http_x-user_id: ${MALLORY}`),
  {
    id: 'HDR-07',
    what: 'an identity header does not reach the upstream of a public route',
    bytes: head('GET /public/x', `X-User-Id: ${MALLORY}`, `X_User_Email: ${MALLORY}`),
    expect: {
      status: 200,
      upstream: { headers: { 'x-user-id': [], 'x-user-email': [] }, lacks: [MALLORY] },
      connection: 'in-sync',
    },
  },
  {
    id: 'HDR-07',
    what: 'an identity header whose attribute the user lacks is absent',
    bytes: head('GET /x', BOB, `X-Tenant: ${MALLORY}`),
    expect: {
      status: 200,
      upstream: { headers: { 'x-tenant': [], 'x-user-email': ['bob@example.com'] }, lacks: [MALLORY] },
      connection: 'in-sync',
    },
  },
  {
    id: 'HDR-07',
    what: 'an identity header of an anonymous request on an optional route does not reach the upstream',
    bytes: head('GET /optional/x', `X-User-Id: ${MALLORY}`),
    expect: { status: 200, upstream: { headers: { 'x-user-id': [] }, lacks: [MALLORY] }, connection: 'in-sync' },
  },
  {
    id: 'HDR-08',
    what: 'two identity headers are both removed',
    bytes: head('GET /x', BOB, `X-User-Id: ${MALLORY}`, 'X-User-Id: bob'),
    expect: { status: 200, upstream: { headers: { 'x-user-id': ['bob'] }, lacks: [MALLORY] }, connection: 'in-sync' },
  },
];

const CHUNKED_WITH_TRAILER = (trailer: string) =>
  `${head('POST /x', BOB, 'Transfer-Encoding: chunked', `Trailer: ${trailer.split(':')[0]}`)}2\r\nhi\r\n0\r\n${trailer}\r\n\r\n`;

const ROWS: readonly Row[] = [
  ...IDENTITY_ROWS,
  {
    id: 'HDR-09',
    what: 'a role is never read from a header',
    bytes: head('GET /admin/x', BOB, 'X-Role: user, admin', 'X-User-Role: admin', 'Roles: admin'),
    expect: { status: 403, reason: 'route_forbidden', connection: 'in-sync' },
  },
  {
    id: 'HDR-10',
    what: 'an identity header in a trailer is dropped, and so is Trailer',
    bytes: CHUNKED_WITH_TRAILER(`X-User-Id: ${MALLORY}`),
    expect: {
      status: 200,
      upstream: { headers: { 'x-user-id': ['bob'], trailer: [] }, body: 'hi', lacks: [MALLORY] },
      connection: 'in-sync',
    },
  },
  passed('HDR-11', '__proto__: polluted'),
  passed('HDR-11', 'constructor: polluted'),
  passed('HDR-11', 'hasOwnProperty: polluted'),
  passed('HDR-11', 'toString: polluted'),
  {
    id: 'HDR-11',
    what: 'Connection may list names of object properties',
    bytes: head('GET /x', BOB, 'Connection: __proto__, constructor, toString', '__proto__: a', 'constructor: b'),
    expect: { status: 200, upstream: { lacks: ['__proto__', 'constructor'] }, connection: 'in-sync' },
  },
  {
    id: 'HDR-11',
    what: 'an upstream may answer with header names of object properties',
    bytes: head('GET /x', BOB),
    answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n__proto__: a\r\nconstructor: b\r\nhasOwnProperty: c\r\n\r\nok',
    expect: {
      status: 200,
      connection: 'in-sync',
      also: ({ headers }) => {
        expect([headers.get('__proto__'), headers.get('constructor')]).toEqual(['a', 'b']);
      },
    },
  },
  refused('HDR-12', 'NUL in a header value is refused', head('GET /x', BOB, 'X-A: a\0b')),
  refused('HDR-12', 'a control character in a header value is refused', head('GET /x', BOB, 'X-A: a\x01b')),
  refused('HDR-12', 'DEL in a header value is refused', head('GET /x', BOB, 'X-A: a\x7fb')),
  refused('HDR-12', 'a bare CR in a header value is refused', head('GET /x', BOB, 'X-A: a\rX-User-Id: b')),
  stripped('HDR-13', `X-User-Id: \xa0${MALLORY}`),
  stripped('HDR-13', `X-User-Id: \x85${MALLORY}`),
  stripped('HDR-13', `X-User-Id: \xe2\x80\x83${MALLORY}`),
  passed('HDR-13', 'X-Note: \xa0n\xc3\xb6te\x85'),
  refused('HDR-13', 'a header name that starts with NBSP is refused', head('GET /x', '\xa0Cookie: a=b')),
  ...[
    'X-Forwarded-Uri: /public/x',
    'X-Forwarded-Path: /public/x',
    'X-Forwarded-Prefix: /public',
    'X-Forwarded-Method: POST',
    'X-Original-URI: /public/x',
    'X-Original-URL: /public/x',
    'X-Original-Method: POST',
    'X-Rewrite-URL: /public/x',
    'X_Forwarded_Uri: /public/x',
    'X.Original.URL: /public/x',
  ].flatMap((line): Row[] => [
    {
      id: 'HDR-14',
      what: `${line} does not change the route`,
      bytes: head('GET /admin/x', BOB, line),
      expect: { status: 403, connection: 'in-sync' },
    },
    {
      id: 'HDR-14',
      what: `${line} does not reach the upstream`,
      bytes: head('GET /y', BOB, line),
      expect: {
        status: 200,
        upstream: { target: '/y', lacks: ['/public/x', line.split(':')[0] ?? ''] },
        connection: 'in-sync',
      },
    },
  ]),
  {
    id: 'HDR-16',
    what: 'X-Forwarded-Proto, -Port, -Host and Forwarded of an untrusted peer are replaced',
    bytes: head(
      'GET /x',
      BOB,
      'X-Forwarded-Proto: http',
      'X-Forwarded-Port: 1',
      'X-Forwarded-Host: evil.com',
      'X-Forwarded-Server: evil.com',
      'X-Forwarded-Ssl: off',
      'Forwarded: host=evil.com;proto=http;for=6.6.6.6',
    ),
    expect: {
      status: 200,
      upstream: {
        headers: {
          'x-forwarded-proto': ['https'],
          'x-forwarded-host': ['shop.example.com'],
          'x-forwarded-port': [],
          'x-forwarded-server': [],
          'x-forwarded-ssl': [],
          forwarded: [],
        },
        lacks: ['evil'],
      },
      connection: 'in-sync',
    },
  },
  {
    id: 'HDR-16',
    what: 'a redirect to the login page names the public origin, whatever host the client claims',
    bytes: head(
      'GET /x',
      'Accept: text/html',
      'Sec-Fetch-Mode: navigate',
      'Sec-Fetch-Dest: document',
      'X-Forwarded-Host: evil.com',
      'X-Forwarded-Proto: http',
      'Forwarded: host=evil.com',
    ),
    expect: {
      status: 302,
      upstream: 'nothing',
      connection: 'in-sync',
      also: ({ headers }) => {
        expect(headers.get('location')).toBe('https://shop.example.com/auth/login?return_to=%2Fx');
      },
    },
  },
  {
    id: 'HDR-16',
    what: 'a form must come from the public origin, not from a forwarded one',
    bytes: head('POST /api/x', BOB, 'Origin: https://evil.com', 'X-Forwarded-Host: evil.com', 'Content-Length: 0'),
    expect: { status: 403, reason: 'origin_forbidden', connection: 'in-sync' },
  },
  ...[
    'X-Envoy-Original-Path: /admin',
    'X-Envoy-External-Address: 6.6.6.6',
    'X-Internal-User: root',
    'X-Real-IP: 6.6.6.6',
    'X-Client-IP: 6.6.6.6',
    'True-Client-IP: 6.6.6.6',
    'X-Forwarded-Client-Cert: Subject="CN=root"',
    'Ssl-Client-Verify: SUCCESS',
    'SSL_CLIENT_S_DN: CN=root',
    'X-SSL-Client-Verify: SUCCESS',
    'Client-Cert: :MIIB:',
    'Client-Cert-Chain: :MIIB:',
    'Remote-User: root',
    'X-Remote-User: root',
    'REMOTE_USER: root',
    'X-Auth-Request-User: root',
    'X-Goog-IAP-JWT-Assertion: e30.e30.e30',
    'X-Amzn-Oidc-Identity: root',
    'Cf-Access-Jwt-Assertion: e30.e30.e30',
    'X-MS-Client-Principal: root',
    'X-Pomerium-Jwt-Assertion: e30.e30.e30',
  ].map((line) => stripped('HDR-17', line)),
  ...[
    'x-middleware-subrequest: middleware',
    'X-HTTP-Method-Override: DELETE',
    'X-HTTP-Method: DELETE',
    'X-Method-Override: DELETE',
    'X_HTTP_Method_Override: DELETE',
  ].map((line) => stripped('HDR-18', line)),
  {
    id: 'HDR-18',
    what: 'a _method parameter is forwarded unchanged and does not affect the gateway',
    bytes: head('GET /admin/x?_method=DELETE', ADMIN),
    expect: { status: 200, upstream: { target: '/admin/x?_method=DELETE' }, connection: 'in-sync' },
  },
  {
    id: 'HDR-19',
    what: 'a session cookie and a bearer token together are refused',
    bytes: head('GET /x', BOB, 'Authorization: Bearer e30.e30.e30'),
    expect: { status: 400, reason: 'credential_conflict', connection: 'in-sync' },
  },
  {
    id: 'HDR-19',
    what: 'a bearer token alone does not open a session route',
    bytes: head('GET /x', 'Authorization: Bearer e30.e30.e30'),
    expect: { status: 401, reason: 'credential_missing', connection: 'in-sync' },
  },
  {
    id: 'HDR-19',
    what: "a client's Authorization does not reach the upstream of a public route",
    bytes: head('GET /public/x', 'Authorization: Bearer e30.e30.e30'),
    expect: { status: 200, upstream: { headers: { authorization: [] } }, connection: 'in-sync' },
  },
  {
    id: 'HDR-19',
    what: 'Authorization is forwarded once where the route allows it',
    bytes: head('GET /echo/x', 'Authorization: Bearer mine', `Authorization_: ${MALLORY}`),
    expect: { status: 200, upstream: { headers: { authorization: ['Bearer mine'] } }, connection: 'in-sync' },
  },
  refused(
    'HDR-20',
    'two Authorization headers are refused',
    head('GET /echo/x', 'Authorization: Bearer good', 'authorization: Bearer evil'),
    400,
    'request_ambiguous',
  ),
  {
    id: 'HDR-21',
    what: 'Authorization in a trailer is dropped',
    bytes: CHUNKED_WITH_TRAILER(`Authorization: Bearer ${MALLORY}`),
    expect: { status: 200, upstream: { body: 'hi', lacks: [MALLORY] }, connection: 'in-sync' },
  },
  stripped('HDR-21', `Proxy-Authorization: Basic ${MALLORY}`),
  ...['GoogleHC/1.0', 'kube-probe/1.34', 'ELB-HealthChecker/2.0'].map(
    (agent): Row => ({
      id: 'HDR-22',
      what: `User-Agent ${agent} opens nothing`,
      bytes: head('GET /x', `User-Agent: ${agent}`),
      expect: { status: 401, connection: 'in-sync' },
    }),
  ),
  {
    id: 'HDR-23',
    what: 'the client address is that of the peer, regardless of X-Forwarded-For',
    bytes: head('GET /x', BOB, 'X-Forwarded-For: 6.6.6.6', 'X-Forwarded-For: 127.0.0.1'),
    expect: {
      status: 200,
      upstream: { headers: { 'x-forwarded-for': ['127.0.0.1'] }, lacks: ['6.6.6.6'] },
      connection: 'in-sync',
    },
  },
  {
    id: 'HDR-24',
    what: 'an upstream cannot set the session cookie, in any spelling, or the request id',
    bytes: head('GET /x', BOB),
    answer: [
      'HTTP/1.1 200 OK',
      'Content-Length: 2',
      'Set-Cookie: __Host-sid=evil; Path=/; Secure',
      'Set-Cookie: __host-SID=evil; Path=/; Secure',
      'set-cookie:  __Host-sid =evil',
      'SET-COOKIE: =__Host-sid=evil',
      'Set-Cookie: __Host-sid',
      'Set-Cookie: other=1; Path=/',
      'X-Request-Id: evil',
      'Server: tomcat',
      '',
      'ok',
    ].join('\r\n'),
    expect: {
      status: 200,
      connection: 'in-sync',
      also: ({ headers, head: answer }) => {
        expect(headers.get('set-cookie')).toBe('other=1; Path=/');
        expect(answer).not.toContain('evil');
        expect(headers.get('server')).toBe('tomcat');
      },
    },
  },
];

describe('headers', () => {
  const stage = playTable(ROWS);

  test.for(IDENTITY_ROWS)('WS-05: $id on a WebSocket handshake: $what', (row) => stage().playAsHandshake(row));

  test("HDR-19: the upstream gets exactly one Authorization, the gateway's", async () => {
    await stage().play({
      id: 'HDR-19',
      what: '',
      bytes: head('GET /x', BOB),
      expect: { status: 200, connection: 'in-sync' },
    });
    const [authorization = '', ...others] = stage().upstream.last.values('authorization');
    expect(others).toEqual([]);
    expect(decodeJwt(authorization.replace('Bearer ', ''))).toMatchObject({ sub: 'bob', aud: 'app' });
  });
});

describe('behind a trusted proxy', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start({
      config: {
        listeners: {
          public: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] },
          admin: { address: '127.0.0.1:0' },
        },
      },
      routes: ROUTES,
    });
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  const forwarded = (what: string, lines: string[], chain: string): Row => ({
    id: 'HDR-15',
    what,
    bytes: head('GET /x', BOB, ...lines),
    expect: { status: 200, upstream: { headers: { 'x-forwarded-for': [chain] } }, connection: 'in-sync' },
  });

  test.for<Row>([
    forwarded(
      'the client is the nearest address that is not a trusted proxy',
      ['X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.1.2.3'],
      '203.0.113.7, 10.1.2.3, 127.0.0.1',
    ),
    forwarded(
      'two X-Forwarded-For headers are one list',
      ['X-Forwarded-For: 6.6.6.6', 'X-Forwarded-For: 203.0.113.7'],
      '203.0.113.7, 127.0.0.1',
    ),
    forwarded(
      'reading stops at the first entry that is not an address',
      ['X-Forwarded-For: 6.6.6.6, unknown, 10.1.2.3'],
      '10.1.2.3, 127.0.0.1',
    ),
    forwarded('an address after NBSP is not an address', ['X-Forwarded-For: \xa010.9.9.9'], '127.0.0.1'),
    {
      id: 'HDR-15',
      what: 'two values of X-Forwarded-Proto are ignored',
      bytes: head('GET /x', BOB, 'X-Forwarded-Proto: http', 'X-Forwarded-Proto: gopher'),
      expect: { status: 200, upstream: { headers: { 'x-forwarded-proto': ['https'] } }, connection: 'in-sync' },
    },
    {
      id: 'HDR-15',
      what: 'even a trusted proxy cannot change the routed path',
      bytes: head(
        'GET /admin/x',
        BOB,
        'X-Forwarded-Uri: /public/a',
        'X-Forwarded-Uri: /public/b',
        'X-Original-URL: /public',
      ),
      expect: { status: 403, connection: 'in-sync' },
    },
    {
      id: 'HDR-15',
      what: 'even a trusted proxy cannot change the routed host',
      bytes: head('GET /x', BOB, 'X-Forwarded-Host: evil.com'),
      expect: {
        status: 200,
        upstream: { headers: { 'x-forwarded-host': ['shop.example.com'] }, lacks: ['evil.com'] },
        connection: 'in-sync',
      },
    },
  ])('$id: $what', (row) => stage.play(row));
});
