/**
 * §2.3: one reading of the request target. The router, the policy and the upstream see the same bytes as the path; a target
 * with two readings is refused. Every case is also tried as a WebSocket
 * handshake (WS-08).
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN, BOB, type Expectation, head, playTable, ROUTES, type Row, Stage } from './harness.ts';

const AMBIGUOUS: Expectation = { status: 400, reason: 'request_ambiguous', connection: 'closed' };
const MALFORMED: Expectation = { status: 400, reason: 'request_malformed', connection: 'closed' };
const FORBIDDEN: Expectation = { status: 403, reason: 'route_forbidden', connection: 'in-sync' };
const ANONYMOUS: Expectation = { status: 401, reason: 'credential_missing', connection: 'in-sync' };
const forwardedTo = (target: string): Expectation => ({ status: 200, upstream: { target }, connection: 'in-sync' });

const get = (id: string, target: string, what: string, expected: Expectation, ...lines: string[]): Row => ({
  id,
  what: `${JSON.stringify(target.length > 60 ? `${target.slice(0, 60)}…` : target)} ${what}`,
  bytes: head(`GET ${target}`, ...lines),
  expect: expected,
});

const refused = (id: string, ...targets: string[]) =>
  targets.map((target) => get(id, target, 'is refused as ambiguous', AMBIGUOUS, ADMIN));
const malformed = (id: string, ...targets: string[]) =>
  targets.map((target) => get(id, target, 'is refused as malformed', MALFORMED, ADMIN));
/** With the session of bob, who may not access /admin. */
const forbidden = (id: string, ...targets: string[]) =>
  targets.map((target) => get(id, target, 'is subject to the policy of /admin', FORBIDDEN, BOB));
const anonymous = (id: string, ...targets: string[]) =>
  targets.map((target) => get(id, target, 'is not public', ANONYMOUS));
/** Forwarded exactly as sent. */
const unchanged = (id: string, ...targets: string[]) =>
  targets.map((target) => get(id, target, 'is forwarded unchanged', forwardedTo(target), BOB));

const TARGETS: readonly Row[] = [
  ...refused('PTH-01', '/public/../admin', '/public/..', '/..', '/public/../../admin', '/../etc/passwd'),
  ...refused('PTH-02', '/public/%2e%2e/admin', '/public/%2E%2e/admin', '/public/.%2e/admin', '/public/%2e/admin'),
  ...unchanged('PTH-03', '/public/%252e%252e/admin', '/public/%252Fadmin', '/public/%25252e', '/public/%255c'),
  ...refused('PTH-04', '//admin', '///admin', '/public//../admin', '//evil.com/public', '/public//admin', '/x//'),
  ...refused('PTH-05', '/public/..%2fadmin', '/public/a%2Fb', '/public%2f..%2fadmin', '/%2fadmin', '/public/%2F'),
  get('PTH-05', '/files/a%2fb', 'is forwarded where the route allows it', forwardedTo('/files/a%2fb')),
  ...refused('PTH-05', '/files/..%2fadmin', '/files/a%2F%2Fb', '/files/%2E%2E%2Fadmin', '/files/a%2F..', '/files%2F'),
  ...refused('PTH-06', '/admin%2f', '/admin%2F'),
  ...forbidden('PTH-06', '/admin/', '/admin', '/admin/x/'),
  ...refused('PTH-07', '/public\\..\\admin', '/public\\admin', '/\\evil.com'),
  ...refused('PTH-08', '/public/..%5cadmin', '/public/%5Cadmin'),
  ...refused('PTH-09', '/public/..;/admin', '/admin;x=1', '/public/..;x=1/admin', '/admin;/x', '/admin/.;/x'),
  get('PTH-09', '/files/a;v=1', 'is forwarded where the route allows it', forwardedTo('/files/a;v=1')),
  ...refused('PTH-09', '/files/..;/admin', '/files/.;x/admin', '/files/;/admin', '/files/%2e%2e;/admin', '/files/a/;'),
  ...refused('PTH-10', '/public;/../admin', '/;/admin', '/;admin', '/public;'),
  ...anonymous('PTH-11', '/publicadmin', '/public.', '/public-', '/statu', '/status/x'),
  get('PTH-11', '/status/', 'matches the exact path /status', forwardedTo('/status/')),
  ...refused('PTH-12', '/./admin', '/admin/.', '/admin%2f.', '/admin/./x', '/.'),
  ...forbidden('PTH-13', '/%61dmin', '/admi%6e', '/%61%64%6d%69%6e/x', '/admin/%7euser'),
  get('PTH-13', '/%61bc/%7E%2d%5F', 'is forwarded decoded', forwardedTo('/abc/~-_'), BOB),
  get('PTH-13', '/x/%7c%c3%a9', 'is forwarded with its escapes', forwardedTo('/x/%7c%c3%a9'), BOB),
  get(
    'RFC 3986 §2.2',
    '/x/%21%24%26%27%28%29%2a%2b%2c%3d%3A%40%41',
    'keeps the escapes of reserved characters, not those of unreserved ones',
    forwardedTo('/x/%21%24%26%27%28%29%2a%2b%2c%3d%3A%40A'),
    BOB,
  ),
  // A character that may appear raw is the same path as its escape. One that may not is refused raw and accepted as an escape.
  ...anonymous('PTH-13', '/public/@staff', '/public/%40staff', '/public/%40%73taff/x'),
  ...anonymous('PTH-13', '/public/%7Bstaff%7D', '/public/%7bstaff%7d/x', '/public/%7b%73taff%7D'),
  ...anonymous('PTH-13', "/public/a!$&'()+,=:@z", '/public/a%21%24%26%27%28%29%2B%2c%3D%3A%40z'),
  ...anonymous('PTH-13', '/public/:staff', '/public/%3astaff', '/public/*', '/public/%2a/x'),
  get('PTH-13', '/x/[id]|^', 'is forwarded with the escapes that browsers omit', forwardedTo('/x/%5Bid%5D%7C%5E'), BOB),
  ...refused('PTH-13', '/public/{staff}', '/public/{staff%7D'),
  ...refused('PTH-13', ...[...'"<>`{}'].map((raw) => `/public/a${raw}b`)),
  ...refused('PTH-13', '/admin%3bx=1', '/public/..%3B/admin', '/%3b/admin', '/files/..%3b/admin', '/files/%3B/admin'),
  get(
    'PTH-13',
    '/files/a%3bv=1',
    'is forwarded with its escapes where the route allows it',
    forwardedTo('/files/a%3bv=1'),
  ),
  // Paths are case-sensitive, as RFC 3986 §6.2.2.1 requires (docs/adr/0005-most-specific-route-wins.md).
  ...unchanged('PTH-13', '/ADMIN', '/Admin/x'),
  ...refused('PTH-14', '/admin%00', '/admin%00.png', '/public/%00/x'),
  ...refused('PTH-15', '/admin%0d%0aX:1', '/x%0a', '/x%09', '/x%7f', '/x%1b'),
  ...refused(
    'PTH-16',
    '/%c0%afadmin',
    '/public/%ef%bc%8fadmin',
    '/%c0%ae%c0%ae/admin',
    '/%e0%80%af',
    '/%f8%80%80%80%af',
  ),
  ...refused('PTH-16', '/public/%ef%bc%8e%ef%bc%8e/admin', '/%e2%88%95admin', '/%ef%bc%bcadmin', '/%ed%a0%80', '/%80'),
  ...refused('PTH-17', '/%zz', '/%', '/%2', '/%2x', '/a%u002fb', '/%%32f'),
  ...malformed('PTH-18', '/public /x', '/public\t/x', '/public\0/x', '/public\x80/x', '/public\x7f/x', '/p\xc3\xa9'),
  ...refused('PTH-19', '/public#/../admin', '/admin#', '/public?x#y', '/#'),
  ...anonymous('PTH-20', '/secret?x=/status', '/secret?../public', '/secret?/public/x', '/admin?/status'),
  get('PTH-21', '/api/x', 'is stripped of its prefix', forwardedTo('/x'), BOB),
  get('PTH-21', '/ap%69/x', 'is stripped of its prefix in canonical form', forwardedTo('/x'), BOB),
  get('PTH-21', '/api/a%2Bb%40c', 'keeps its escapes when the prefix is stripped', forwardedTo('/a%2Bb%40c'), BOB),
  get('PTH-21', '/api', 'is stripped to /', forwardedTo('/'), BOB),
  get('PTH-21', '/api/', 'is stripped to /', forwardedTo('/'), BOB),
  get('PTH-21', '/api%2e/admin', 'is not below /api', forwardedTo('/api./admin'), BOB),
  get('PTH-21', '/apiadmin', 'is not below /api', forwardedTo('/apiadmin'), BOB),
  ...refused('PTH-21', '/ap%69/../admin', '/api/%2e%2e/admin', '/api%2fadmin'),
  ...refused('PTH-22', '/api//evil.com', '/api/..', '/api/.', '/api//', '/api/%2e./x', '/api/\\evil'),
  get('PTH-22', '/api/https:/evil', 'stays a path after the rewrite', forwardedTo('/https:/evil'), BOB),
  ...anonymous(
    'PTH-23',
    '/public.rsc',
    '/public.json',
    '/_next/data/b/public.json',
    '/fr/public',
    '/x/public',
    '/Public',
  ),
  ...anonymous('PTH-24', '/x?id=public&id=admin', '/x?id[]=public', '/x?return=/public'),
  ...unchanged('PTH-24', '/x?id=public&id=admin', '/x?id[]=1&id[]=2', '/x?', '/x??a=?', '/x?%zz&%2f..//\\;'),
  get('PTH-25', 'http://evil/x', 'names another host and is refused', AMBIGUOUS, ADMIN),
  get('PTH-25', 'http://shop.example.com@evil/x', 'is refused', MALFORMED, ADMIN),
  get('PTH-25', 'http://shop.example.com/public/x?y', 'is forwarded in origin-form', forwardedTo('/public/x?y')),
  get('PTH-25', 'https://shop.example.com', 'is forwarded as /', forwardedTo('/'), BOB),
  get('PTH-25', 'http://shop.example.com?x', 'is forwarded as /?x', forwardedTo('/?x'), BOB),
  get('PTH-25', 'http://shop.example.com/admin', 'is subject to the policy of its path', FORBIDDEN, BOB),
  get('PTH-25', 'http://shop.example.com//admin', 'is refused as ambiguous', AMBIGUOUS, BOB),
  ...malformed('PTH-26', 'http://u:p@evil/', 'http://u:p@shop.example.com/', 'http://@shop.example.com/'),
  ...malformed('PTH-27', 'evil:80', 'a', '?x', 'ftp://shop.example.com/', 'shop.example.com/x', 'http:///x'),
  ...malformed('PTH-28', '*'),
  get('PTH-30', `/public/${'a'.repeat(9_000)}`, 'is too long', {
    status: 414,
    reason: 'target_too_long',
    connection: 'closed',
  }),
  get('PTH-30', `/public/x?${'a'.repeat(8_192)}`, 'is too long', {
    status: 414,
    reason: 'target_too_long',
    connection: 'closed',
  }),
  get('PTH-30', `/public/${'a'.repeat(17_000)}`, 'is too large for a head', {
    status: 431,
    reason: 'headers_too_large',
    connection: 'closed',
  }),
  ...unchanged('PTH-33', '/admin::$DATA', '/admin.', '/admin.%20', '/admin~1', '/CON', '/admin:x', '/a.../x', '/.well'),
];

const METHODS: readonly Row[] = [
  {
    id: 'PTH-28',
    what: 'OPTIONS * is refused and never proxied',
    bytes: head('OPTIONS *'),
    expect: MALFORMED,
  },
  {
    id: 'PTH-29',
    what: 'CONNECT is refused and the connection closed',
    bytes: 'CONNECT evil:80 HTTP/1.1\r\nHost: evil:80\r\n\r\n',
    expect: { status: 405, reason: 'method_not_allowed', connection: 'closed' },
  },
  {
    id: 'PTH-29',
    what: 'CONNECT to our own host is refused and the connection closed',
    bytes: head('CONNECT shop.example.com:443', BOB),
    expect: { status: 405, reason: 'method_not_allowed', connection: 'closed' },
  },
  {
    id: 'PTH-31',
    what: 'TRACE is refused and reflects nothing',
    bytes: head('TRACE /x', BOB, 'X-Secret: reflected'),
    expect: {
      status: 405,
      reason: 'method_not_allowed',
      connection: 'in-sync',
      also: ({ body, headers }) => {
        expect(body.toString()).not.toContain('reflected');
        expect(headers.get('allow')).not.toContain('TRACE');
      },
    },
  },
  ...['get /public/x', 'FOO /public/x', 'GETX /public/x', `${'A'.repeat(10_000)} /public/x`, 'GE\tT /public/x'].map(
    (line): Row => ({
      id: 'PTH-32',
      what: `the method of ${JSON.stringify(line.slice(0, 20))} is refused`,
      bytes: head(line),
      expect: { status: 400, reason: 'request_malformed', connection: 'closed' },
    }),
  ),
  ...['PURGE', 'PROPFIND', 'LINK', 'QUERY', 'MKCOL'].map(
    (method): Row => ({
      id: 'PTH-32',
      what: `${method} is not allowed on any route`,
      bytes: head(`${method} /public/x`),
      expect: { status: 405, reason: 'method_not_allowed', connection: 'in-sync' },
    }),
  ),
];

/** Paths with characters that can be escaped or not; the patterns `%3A` and `%2A` are a literal ":" and "*". */
const SPELT = {
  id: 'spelt',
  match: {
    path: ['/public/@staff', '/public/%7Bstaff%7D', "/public/a!$&'()+,=:@z", '/public/%3Astaff', '/public/%2A'],
  },
  credential: 'session',
};

describe('request targets', () => {
  const files = { id: 'files', match: { path: '/files' }, credential: 'none' };
  const stage = playTable([...TARGETS, ...METHODS], {
    routes: [{ ...files, pathExceptions: ['encodedSlash', 'semicolon'] }, SPELT, ...ROUTES],
  });

  test.for(TARGETS)('WS-08: $id on a WebSocket handshake: $what', (row) => stage().playAsHandshake(row));
});

/** One application with a public site, an API and its administration; how it parses paths is unknown. */
const AMBIGUOUS_ROUTES: typeof ROUTES = [
  { id: 'site', match: { path: '/' }, credential: 'none' },
  { id: 'api', match: { path: '/api' }, credential: 'session' },
  { id: 'admin', match: { path: '/api/admin' }, credential: 'session', allow: { roles: ['admin'] } },
  { id: 'staff', match: { path: '/staff' }, credential: 'session', allow: { roles: ['staff'] } },
].map((route) => ({ ...route, pathExceptions: ['encodedSlash', 'semicolon'] }));

const ADMINISTRATION = [
  '/api%2Fadmin',
  '/api%2fadmin/x',
  '/api/admin%2Fx',
  '/api/admin;x=1/y',
  '/api/admin;x=y',
  '/api;x=y/admin',
  '/api%3Bx/admin',
  '/api;x%2Fadmin',
  '/%61pi%2F%61dmin',
  '/api/admin%3bx;y',
];

const EXCEPTIONS: readonly Row[] = [
  ...ADMINISTRATION.map((target) => get('S6', target, 'is not public', ANONYMOUS)),
  ...forbidden('S6', ...ADMINISTRATION),
  ...ADMINISTRATION.map((target) =>
    get('S6', target, 'is forwarded to an admin', forwardedTo(target.replaceAll('%61', 'a')), ADMIN),
  ),
  ...anonymous('S6', '/api%2Forders', '/api;x/orders', '/staff;jsessionid=1'),
  get(
    'S6',
    '/api/a%2Fb;c=d',
    'is forwarded where every reading has the same rules',
    forwardedTo('/api/a%2Fb;c=d'),
    BOB,
  ),
  get('S6', '/login;jsessionid=1', 'is forwarded', forwardedTo('/login;jsessionid=1')),
  ...refused('S6', '/x/..;/api/admin', '/x%2F..%2Fapi%2Fadmin', '/x/..;x=y/api', '/api/%2e%2e%2fadmin', '/x;/../api'),
  ...refused('S6', '/api%5cadmin', '/api\\admin', '/api;\\admin', '/auth%2Flogin', '/auth;x/login', '/auth%2f'),
  // Only a service that decodes twice would split these, and no exception covers that: they are one segment, as everywhere.
  ...unchanged('S6', '/api%252Fadmin', '/api%253Badmin', '/x%252F..%252Fapi'),
];

describe('S6: a route that accepts encoded slashes and semicolons', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start({
      routes: [...AMBIGUOUS_ROUTES, { id: 'public', match: { path: '/public' }, credential: 'none' }],
    });
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test.for(EXCEPTIONS)('$id: $what', (row) => stage.play(row));

  test.for(EXCEPTIONS)('WS-08: $id on a WebSocket handshake: $what', (row) => stage.playAsHandshake(row));
});
