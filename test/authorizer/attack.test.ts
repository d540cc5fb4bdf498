/**
 * Questions as raw bytes: who may ask, and how spoofed, incomplete and ambiguous descriptions are answered. A described
 * request is judged like any other request, so each row of the path and host tables applies.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { ALL_FORMS, type Asked, AuthorizerStage, question, reasonOf } from './stage.ts';

let stage: AuthorizerStage;
let bob: string;
beforeAll(async () => {
  stage = await AuthorizerStage.start();
  bob = await stage.gateway.cookie('bob', { roles: ['customer'] });
});
afterAll(() => stage[Symbol.asyncDispose]());

/** Replaced by the cookie of a session when a question is sent. */
const BOB = '{bob}';
const send = (bytes: string) => stage.send(bytes.replaceAll(BOB, bob));

/** Asks as nginx or Traefik would, with more lines. */
const forward = (lines: readonly string[]) => requestHead('GET', '/forward-auth', ['Host: x', BOB, ...lines]);
const original = (lines: readonly string[]) => requestHead('GET', '/auth-request/refusal', ['Host: x', BOB, ...lines]);
const PUBLIC = ['X-Forwarded-Method: GET', 'X-Forwarded-Host: shop.example.com', 'X-Forwarded-Uri: /public'];
const PUBLIC_URL = ['X-Original-Method: GET', 'X-Original-URL: https://shop.example.com/public'];

describe('who may ask', () => {
  test('HDR-14: a peer that is not listed is refused, and gets no token', async () => {
    await using other = await AuthorizerStage.start({}, ['192.0.2.0/24', '::1']);
    const cookie = await other.gateway.cookie();
    for (const form of ALL_FORMS) {
      const answer = await other.ask(form, { lines: [cookie, 'X-Forwarded-For: 192.0.2.1', 'X-Real-IP: 192.0.2.1'] });
      expect(answer.status).toBe(403);
      expect(reasonOf(answer)).toBe('peer_forbidden');
      expect(answer.headers.get('authorization')).toBeUndefined();
      expect(other.logged).toMatchObject({ level: 'warn', reason: 'peer_forbidden', client: '127.0.0.1' });
    }
  });

  test('a reload applies to the next question', async () => {
    await using other = await AuthorizerStage.start({});
    expect((await other.ask('forward-auth', { target: '/public' })).status).toBe(200);
    const config = structuredClone(other.gateway.gateway.config);
    await other.gateway.apply({
      ...config,
      listeners: { ...config.listeners, authorizer: { ...config.listeners.authorizer, peers: ['192.0.2.1'] } } as never,
    });
    expect((await other.ask('forward-auth', { target: '/public' })).status).toBe(403);
  });

  test('HDR-15: the client is the nearest address that is not a proxy, regardless of forged ones', async () => {
    await stage.ask('forward-auth', { lines: ['X-Forwarded-For: 127.0.0.9, 6.6.6.6, 203.0.113.7, 127.0.0.1'] });
    expect(stage.logged).toMatchObject({ client: '203.0.113.7' });
  });

  test('a path that names no form is refused, and the log lists the forms', async () => {
    for (const target of ['/', '/forward-auth/', '/FORWARD-AUTH', '/ext-authz', '/ext-authzx/', '//forward-auth']) {
      const answer = await send(requestHead('GET', target, ['Host: shop.example.com', bob, ...PUBLIC]));
      expect([target, answer.status]).toEqual([target, 404]);
    }
    expect(stage.logged['note']).toContain('/forward-auth');
  });
});

describe('a question with an oauth2-proxy rule in its query', () => {
  const RULE = '?allowed_groups=staff';

  test.each([
    [`/auth-request${RULE}`, PUBLIC_URL, 403],
    ['/auth-request?rd=x&allowed_email_domains=example.com', PUBLIC_URL, 403],
    [`/auth-request/refusal${RULE}`, PUBLIC_URL, 400],
    ['/forward-auth?allowed_emails=ada@example.com', PUBLIC, 400],
    [`/forward-auth${RULE}`, [...PUBLIC.slice(0, 2), 'X-Forwarded-Uri: /public?a=1'], 400],
  ])('%s is refused, since the rule would not be applied', async (target, lines, status) => {
    const answer = await send(requestHead('GET', target, ['Host: x', ...lines]));
    expect([answer.status, stage.logged['reason']]).toEqual([status, 'request_malformed']);
    expect(stage.logged['note']).toContain('allowed_groups');
  });

  test.each([
    ['/auth-request?rd=https://shop.example.com/', PUBLIC_URL],
    // Caddy appends the client's query.
    [`/forward-auth${RULE}`, [...PUBLIC.slice(0, 2), `X-Forwarded-Uri: /public${RULE}`]],
    [`/ext-authz/public${RULE}`, []],
  ])('%s is answered: another query, or the client’s own', async (target, lines) => {
    const answer = await send(requestHead('GET', target, ['Host: shop.example.com', ...lines]));
    expect(answer.status).toBe(200);
  });
});

describe('descriptions that can be read two ways', () => {
  const rows: readonly (readonly [title: string, bytes: string])[] = [
    ['HDR-14: X-Forwarded-Uri twice', forward([...PUBLIC, 'X-Forwarded-Uri: /public'])],
    ['HDR-14: X-Forwarded-Uri twice, in different case', forward([...PUBLIC, 'x-forwarded-URI: /admin'])],
    ['HDR-08: X-Forwarded-Method twice', forward([...PUBLIC, 'X-Forwarded-Method: POST'])],
    ['HST-03: X-Forwarded-Host twice', forward([...PUBLIC, 'X-Forwarded-Host: shop.example.com'])],
    ['HDR-14: X-Original-URL twice', original([...PUBLIC_URL, 'X-Original-URL: https://shop.example.com/public'])],
    [
      'HDR-14: X-Forwarded-Uri and another path in X-Original-URL',
      forward([...PUBLIC, 'X-Original-URL: https://shop.example.com/admin']),
    ],
    [
      'HDR-14: X-Forwarded-Uri and another query in X-Original-URL',
      forward([...PUBLIC, 'X-Original-URL: https://shop.example.com/public?a']),
    ],
    [
      'HST-03: X-Forwarded-Host and another host in X-Original-URL',
      forward([...PUBLIC, 'X-Original-URL: https://other.example.com/public']),
    ],
    [
      'HDR-14: X-Original-URL and another path in X-Forwarded-Uri',
      original([...PUBLIC_URL, 'X-Forwarded-Uri: /admin']),
    ],
    [
      'HST-03: X-Original-URL and another X-Forwarded-Host',
      original([...PUBLIC_URL, 'X-Forwarded-Host: other.example.com']),
    ],
    ['HDR-14: X-Original-Method and another X-Forwarded-Method', original([...PUBLIC_URL, 'X-Forwarded-Method: POST'])],
    [
      'HDR-14: ext-authz and another X-Forwarded-Uri',
      question('ext-authz', { target: '/public', lines: ['X-Forwarded-Uri: /admin'] }),
    ],
    [
      'HDR-14: ext-authz and another X-Original-Method',
      question('ext-authz', { target: '/public', lines: ['X-Original-Method: DELETE'] }),
    ],
    [
      'HST-03: ext-authz with two Hosts',
      question('ext-authz', { target: '/public', lines: ['Host: shop.example.com'] }),
    ],
  ];
  test.each(rows)('%s', async (_, bytes) => {
    const answer = await send(bytes);
    expect(answer.status).toBe(400);
    expect(reasonOf(answer)).toBe('request_ambiguous');
  });

  test('descriptions that agree are accepted, with or without the port', async () => {
    const both = [...PUBLIC, 'X-Original-URL: https://shop.example.com:443/public', 'X-Original-Method: GET'];
    expect((await send(forward(both))).status).toBe(200);
  });

  test('HDR-02: spellings with other separators describe nothing', async () => {
    const folded = ['X_Forwarded_Uri: /public', 'X.Forwarded.Method: GET', 'X-Forwarded_Host: shop.example.com'];
    expect((await send(forward(folded))).status).toBe(400);
    const admin = await stage.ask('forward-auth', { target: '/admin', lines: [bob, 'X_Forwarded_Uri: /public'] });
    expect(admin.status).toBe(403);
  });

  test('HDR-14: the client’s X-HTTP-Method-Override and X-Rewrite-URL change neither method nor path', async () => {
    const lines = [bob, 'X-HTTP-Method-Override: GET', 'X-Method-Override: GET', 'X-Rewrite-URL: /public'];
    const answer = await stage.ask('forward-auth', { method: 'DELETE', target: '/orders', lines });
    expect(reasonOf(answer)).toBe('origin_forbidden');
    expect((await stage.ask('forward-auth', { target: '/admin', lines })).status).toBe(403);
  });
});

describe('incomplete descriptions', () => {
  const without = (lines: readonly string[], name: string) => lines.filter((line) => !line.startsWith(name));
  test.each(['X-Forwarded-Method', 'X-Forwarded-Host', 'X-Forwarded-Uri'])(
    'forward-auth without %s is refused',
    async (name) => {
      const answer = await send(forward(without(PUBLIC, name)));
      expect([answer.status, reasonOf(answer)]).toEqual([400, 'request_malformed']);
    },
  );
  test.each(['X-Original-Method', 'X-Original-URL'])('auth-request without %s is refused', async (name) => {
    const answer = await send(original(without(PUBLIC_URL, name)));
    expect([answer.status, reasonOf(answer)]).toEqual([400, 'request_malformed']);
  });
  test.each(['', 'get', 'G ET', 'FETCH', 'GET, POST'])('method %j is refused', async (method) => {
    const answer = await stage.ask('forward-auth', { method, target: '/public' });
    expect(answer.status).toBe(400);
  });
  test.each(['CONNECT', 'TRACE'])('method %s gets 405', async (method) => {
    expect((await stage.ask('forward-auth', { method, target: '/public' })).status).toBe(405);
  });
});

describe('targets', () => {
  /** Paths that no form may permit as a public path. */
  const paths: readonly (readonly [id: string, target: string, reason: string])[] = [
    ['PTH-01', '/public/../admin', 'request_ambiguous'],
    ['PTH-02', '/public/%2e%2e/admin', 'request_ambiguous'],
    ['PTH-04', '//admin', 'request_ambiguous'],
    ['PTH-05', '/public/..%2fadmin', 'request_ambiguous'],
    ['PTH-05', '/public%2f..%2fadmin', 'request_ambiguous'],
    ['PTH-06', '/public/..;/admin', 'request_ambiguous'],
    ['PTH-08', '/public\\..\\admin', 'request_ambiguous'],
    ['PTH-10', '/public/%00', 'request_ambiguous'],
    ['PTH-13', '/%61dmin', 'request_ambiguous'],
    ['PTH-13', '/public/%2E', 'request_ambiguous'],
    ['PTH-19', '/public#/admin', 'request_ambiguous'],
    ['PTH-12', '/public/%', 'request_ambiguous'],
  ];
  test.each(paths)('%s: %s is refused in every form', async (_, target, reason) => {
    for (const form of ['forward-auth', 'refusal', 'ext-authz', 'ext-authz-grpc'] as const) {
      const answer = await stage.ask(form, { target, lines: [bob] });
      expect([form, answer.status, reasonOf(answer)]).toEqual([form, 400, reason]);
    }
  });

  test.each(['http://shop.example.com/public', 'shop.example.com/public', '*', '', '?a'])(
    'PTH-25: X-Forwarded-Uri %j is not origin-form',
    async (target) => {
      const answer = await stage.ask('forward-auth', { target });
      expect(answer.status).toBe(400);
    },
  );

  test.each([
    'https://shop.example.com@evil.example/public',
    'https://shop.example.com\\@evil.example/public',
    'ftp://shop.example.com/public',
    '//shop.example.com/public',
    '/public',
    'https:///public',
    'https://shop.example.com#/public',
  ])('HST-05: X-Original-URL %s is refused', async (url) => {
    const answer = await send(original(['X-Original-Method: GET', `X-Original-URL: ${url}`]));
    expect(answer.status).toBe(400);
  });

  test('PTH-01: a target that climbs out of Envoy’s prefix is judged as a path, not as another form', async () => {
    for (const target of ['/../forward-auth', '/%2e%2e/forward-auth', '/..%2fforward-auth']) {
      for (const form of ['ext-authz', 'ext-authz-grpc'] as const) {
        const answer = await stage.ask(form, { target, lines: [bob, ...PUBLIC] });
        expect([form, target, answer.status]).toEqual([form, target, 400]);
      }
    }
  });

  test('an escaped tilde, as from Java, and characters that browsers send raw are accepted', async () => {
    for (const target of ['/public/%7Ebob', '/public/a[1]|b^', '/public/%40a?q=%2e%2e/x']) {
      expect([target, (await stage.ask('forward-auth', { target })).status]).toEqual([target, 200]);
    }
  });
});

describe('bytes', () => {
  test.each([
    [
      'HDR-12: NUL in the described path',
      forward(['X-Forwarded-Method: GET', 'X-Forwarded-Host: shop.example.com', 'X-Forwarded-Uri: /public\0']),
    ],
    ['HDR-12: NUL in the name of a header', forward([...PUBLIC, 'X-A\0: 1'])],
    ['HDR-13: a folded line', forward([...PUBLIC, 'X-A: 1', ' X-Forwarded-Uri: /admin'])],
    ['HDR-12: a bare carriage return', forward([...PUBLIC, 'X-A: 1\rX-Forwarded-Uri: /admin'])],
    [
      'SMG-01: Content-Length and Transfer-Encoding',
      forward([...PUBLIC, 'Content-Length: 4', 'Transfer-Encoding: chunked']),
    ],
    [
      'PTH-19: bytes beyond ASCII in the described path',
      forward(['X-Forwarded-Method: GET', 'X-Forwarded-Host: shop.example.com', 'X-Forwarded-Uri: /public/\xe9']),
    ],
  ])('%s is refused', async (_, bytes) => {
    expect((await send(bytes)).status).toBe(400);
  });

  test('SMG-20: a question in the body of another is not answered', async () => {
    await using connection = await RawConnection.open(stage.port);
    const inner = question('forward-auth', { target: '/public' });
    connection.write(
      question('forward-auth', { target: '/public', lines: [`Content-Length: ${inner.length}`] }) + inner,
    );
    expect((await connection.response()).status).toBe(200);
    connection.write(question('forward-auth', { target: '/orders' }));
    expect((await connection.response()).status).toBe(401);
  });

  test('SMG-18: the connection is closed after a question that announces a body with Expect', async () => {
    await using connection = await RawConnection.open(stage.port);
    connection.write(
      question('forward-auth', { target: '/public', lines: ['Content-Length: 10', 'Expect: 100-continue'] }),
    );
    const answer = await connection.response();
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
  });
});

describe('WebSocket handshakes', () => {
  const KEY = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
  const handshake = (lines: readonly string[]): Asked => ({ target: '/socket', lines: [bob, ...lines] });
  const OURS = 'Origin: https://shop.example.com';

  test.each(ALL_FORMS)('%s permits a handshake from its own origin, with or without Upgrade', async (form) => {
    expect((await stage.ask(form, handshake([...KEY, OURS]))).status).toBe(200);
    const upgrade = [...KEY, OURS, 'Connection: Upgrade', 'Upgrade: websocket'];
    const answer = await stage.ask(form, handshake(upgrade));
    expect(answer.status).toBe(200);
    if (form !== 'ext-authz-grpc') expect(answer.headers.get('connection')).toBe('close');
  });

  test('RFC 8441 §5: a handshake over HTTP/2, which has no key, is permitted', async () => {
    expect((await stage.ask('forward-auth', handshake(['Sec-WebSocket-Version: 13', OURS]))).status).toBe(200);
  });

  test.each([
    ['WS-02: from another origin', [...KEY, 'Origin: https://evil.example']],
    ['WS-02: from another origin over HTTP/2', ['Sec-WebSocket-Version: 13', 'Origin: https://evil.example']],
    ['WS-03: without an origin', KEY],
  ])('%s: a handshake is refused even if the proxy has removed Upgrade', async (_, lines) => {
    for (const form of ['forward-auth', 'ext-authz-grpc'] as const)
      expect(reasonOf(await stage.ask(form, handshake(lines)))).toBe('origin_forbidden');
  });

  test('WS-05: a handshake on a route without WebSockets is refused', async () => {
    const answer = await stage.ask('forward-auth', { target: '/read', lines: [bob, ...KEY, OURS] });
    expect(reasonOf(answer)).toBe('upgrade_unsupported');
  });

  test('WS-06: an invalid handshake is refused', async () => {
    for (const lines of [['Sec-WebSocket-Version: 12'], ['Sec-WebSocket-Key: x', 'Sec-WebSocket-Version: 13']]) {
      expect((await stage.ask('forward-auth', handshake([...lines, OURS]))).status).toBeGreaterThanOrEqual(400);
    }
  });
});

test('S4: questions count for the client that they are about, not for the proxy', async () => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      rawRequest(
        stage.port,
        question('forward-auth', { target: '/public', lines: [`X-Forwarded-For: 203.0.113.${index}`] }),
      ),
    ),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
});
