/**
 * Questions over gRPC that no honest Envoy asks, or that contain what a hostile client sent: none passes as something
 * else.
 */

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { questionOf } from '../../../src/authorizer/grpc/check-request.ts';
import { CheckReply, type CheckResponse } from '../../../src/authorizer/grpc/reply.ts';
import { Denial } from '../../../src/errors.ts';
import { AuthorizerStage, asHttp, reasonOf } from '../stage.ts';
import { type Attributes, attributesOf, metadataOf, type Response } from './client.ts';

let stage: AuthorizerStage;
let bob: string;
beforeAll(async () => {
  stage = await AuthorizerStage.start();
  bob = await stage.gateway.cookie('bob', { roles: ['customer'] });
});
afterAll(() => stage[Symbol.asyncDispose]());

/** A header as Envoy writes it with `encode_raw_headers`. */
const raw = (key: string, value: string | Buffer) => ({ key, rawValue: Buffer.from(value as string) });
const PSEUDO = [
  ...[raw(':method', 'GET'), raw(':path', '/public'), raw(':authority', 'shop.example.com')],
  raw(':scheme', 'https'),
];
const PUBLIC = { method: 'GET', path: '/public', host: 'shop.example.com', scheme: 'https' };
const withRaw = (...headers: { key: string; value?: string; rawValue?: Buffer }[]): Attributes => ({
  ...PUBLIC,
  headerMap: { headers: [...PSEUDO, ...headers] },
});
const refusal = (response: Response) => {
  const answer = asHttp(response);
  return [answer.status, reasonOf(answer)];
};

describe('questions that are not about an HTTP request', () => {
  const http = attributesOf([], { path: '/public' });
  test.each([
    ['an empty message', {}],
    ['no attributes', { attributes: null }],
    ['no request, as from Envoy’s TCP filter', { attributes: { source: null } }],
    ['no HTTP request', { attributes: { request: { http: null } } }],
    ['an empty HTTP request', { attributes: { request: { http: {} } } }],
    ['no method', { attributes: { request: { http: { ...http, method: '' } } } }],
    ['no host', { attributes: { request: { http: { ...http, host: '' } } } }],
    ['no path', { attributes: { request: { http: { ...http, path: '' } } } }],
  ])('%s gets 400 and no token', async (_, request) => {
    const response = await stage.grpc.send(request);
    expect(refusal(response)).toEqual([400, 'request_malformed']);
    expect(metadataOf(response)).toMatchObject({ reason: 'request_malformed' });
    expect(stage.logged).toMatchObject({ authorizer: true, status: 400, reason: 'request_malformed' });
  });

  test.each(['*', 'public', 'https://shop.example.com/public', 'shop.example.com:443', '?a', '\\public', ' /public'])(
    'PTH-25: path %j is not origin-form',
    async (path) => expect(refusal(await stage.grpc.ask({ ...PUBLIC, path }))).toEqual([400, 'request_malformed']),
  );

  test.each(['get', 'G ET', 'FETCH', 'GET\r\n', 'GET, POST'])('method %j is refused', async (method) =>
    expect(refusal(await stage.grpc.ask({ ...PUBLIC, method }))).toEqual([400, 'request_malformed']),
  );

  test.each([
    'shop.example.com@evil.example',
    'evil.example/shop.example.com',
    'shop.example.com, evil.example',
    'shop.example.com\0',
  ])('HST-05: host %j is refused', async (host) =>
    expect((await stage.grpc.ask({ ...PUBLIC, host })).status.code).not.toBe(0),
  );
});

describe('a question that states something twice', () => {
  const open = (others: Attributes): Attributes => ({ ...attributesOf([], { path: '/public' }), ...others });
  const headers = (changed: Record<string, string>) =>
    open({ headers: { ...attributesOf([], { path: '/public' }).headers, ...changed } });
  test.each<[string, Attributes]>([
    ['HDR-14: another :path', headers({ ':path': '/admin' })],
    ['HDR-14: another query in :path', headers({ ':path': '/public?a' })],
    ['HST-03: another :authority', headers({ ':authority': 'other.example.com' })],
    ['HDR-08: another :method', headers({ ':method': 'POST' })],
    ['another :scheme', headers({ ':scheme': 'http' })],
    ['HST-03: another Host', headers({ host: 'other.example.com' })],
    ['a query that differs from the path’s', open({ query: 'a=1' })],
    ['a fragment', open({ fragment: '/admin' })],
    ['headers and header_map', open({ headerMap: { headers: PSEUDO } })],
    ['HDR-14: :path twice', withRaw(raw(':path', '/admin'))],
    ['HST-03: Host twice', withRaw(raw('host', 'shop.example.com'), raw('Host', 'evil.example'))],
    ['HDR-01: Authorization twice', withRaw(raw('authorization', 'Bearer a'), raw('Authorization', 'Bearer b'))],
    ['value and raw_value', withRaw({ key: 'x-a', value: '1', rawValue: Buffer.from('2') })],
    ['SMG-01: two lengths', withRaw(raw('content-length', '1'), raw('content-length', '2'))],
  ])('%s: 400', async (_, http) => expect(refusal(await stage.grpc.ask(http))).toEqual([400, 'request_ambiguous']));

  test('is accepted if both agree: a repeated query, or a Host equal to :authority', async () => {
    const http = attributesOf(['host: shop.example.com'], { path: '/public?a=1', query: 'a=1' });
    expect((await stage.grpc.ask(http)).status.code).toBe(0);
    expect((await stage.grpc.ask(withRaw(raw('host', 'shop.example.com')))).status.code).toBe(0);
  });

  test('COK-01: two session cookies are refused, in one line or in two', async () => {
    const cookie = bob.replace('Cookie: ', '');
    const other = `__Host-sid=${'A'.repeat(43)}`;
    const pseudo = PSEUDO.map((it) => (it.key === ':path' ? raw(':path', '/orders') : it));
    const inTwo = {
      ...PUBLIC,
      path: '/orders',
      headerMap: { headers: [...pseudo, raw('cookie', cookie), raw('cookie', other)] },
    };
    for (const http of [inTwo, attributesOf([`cookie: ${cookie}; ${other}`])])
      expect(refusal(await stage.grpc.ask(http))).toEqual([401, 'session_invalid']);
  });
});

describe('headers that no HTTP parser would accept', () => {
  test.each<[string, Attributes]>([
    ['HDR-12: NUL in a value', withRaw(raw('x-a', 'a\0b'))],
    ['HDR-12: a line break in a value', withRaw(raw('x-a', 'a\r\nX-User-Id: admin'))],
    ['HDR-12: a line feed in a value', attributesOf([], { path: '/public', headers: { 'x-a': 'a\nb' } })],
    ['HDR-12: a control character in a value', withRaw(raw('x-a', '\x7f'))],
    ['HDR-12: a space in a name', withRaw(raw('x a', '1'))],
    ['HDR-12: a colon in a name', withRaw(raw('x-a:', '1'))],
    ['HDR-12: an empty name', withRaw(raw('', '1'))],
    ['HDR-12: a name that is not ASCII', withRaw(raw('x-\u017f', '1'))],
    ['an unknown pseudo-header', withRaw(raw(':protocol', 'websocket'))],
    ['a pseudo-header with another spelling', withRaw(raw(':Path', '/public'))],
  ])('%s: 400', async (_, http) => expect(refusal(await stage.grpc.ask(http))).toEqual([400, 'request_malformed']));

  test('a header named like a member of Object.prototype is an ordinary header', async () => {
    for (const name of ['__proto__', 'constructor', 'hasownproperty', 'tostring']) {
      expect((await stage.grpc.ask(withRaw(raw(name, '1')))).status.code).toBe(0);
      expect((await stage.grpc.ask({ ...PUBLIC, headers: { [name]: '1' } })).status.code).toBe(0);
    }
  });

  test('headers over limits.maxHeaderCount or limits.maxHeaderBytes get 431', async () => {
    const many = Array.from({ length: 200 }, (_, index) => raw(`x-${index}`, '1'));
    const map = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`x-${index}`, 'a']));
    const long = { 'x-long': 'a'.repeat(20_000) };
    for (const http of [withRaw(...many), { ...PUBLIC, headers: map }, { ...PUBLIC, headers: long }])
      expect(refusal(await stage.grpc.ask(http))).toEqual([431, 'headers_too_large']);
  });

  test('bytes that are not UTF-8 are accepted, and become "!" in headers that are written', async () => {
    const cookie = Buffer.concat([
      Buffer.from(`${bob.replace('Cookie: ', '')}; theme=caf`),
      Buffer.from([0xe9]),
      Buffer.from('; a=\u00e9'),
    ]);
    const response = await stage.grpc.ask({ ...withRaw(raw('cookie', cookie), raw('x-name', Buffer.from([0xff]))) });
    expect(asHttp(response).headers.get('cookie')).toBe('theme=caf!; a=\u00e9');
  });

  test('UTF-8 in headers is returned unchanged', async () => {
    const response = await stage.grpc.ask(attributesOf([`${bob}; theme=\u00e9\u20ac`]));
    expect(asHttp(response).headers.get('cookie')).toBe('theme=\u00e9\u20ac');
  });
});

describe('spoofed headers', () => {
  test('HDR-14: other proxies’ headers that describe a request change nothing and are removed', async () => {
    const lies = ['x-forwarded-uri: /public', 'x-forwarded-method: GET', 'x-forwarded-host: other.example.com'];
    const more = [
      'x-original-url: https://shop.example.com/public',
      'x-original-method: GET',
      'x-forwarded-uri: /public',
    ];
    const lines = [bob, ...lies, ...more];
    expect(asHttp(await stage.grpc.ask(attributesOf(lines, { path: '/admin' }))).status).toBe(403);
    expect(asHttp(await stage.grpc.ask(attributesOf(lines, { method: 'DELETE' }))).status).toBe(403);
    const { okResponse } = await stage.grpc.ask(attributesOf(lines));
    const names = [...lies, ...more].map((line) => line.split(':')[0]);
    expect(okResponse?.headersToRemove).toEqual(expect.arrayContaining(names));
  });

  test('HDR-02: every spelling of an identity header is removed or replaced', async () => {
    const spellings = ['X-User-Id', 'x-user-id', 'X_User_Id', 'x.user.id', 'HTTP_X_USER_ID'];
    const response = await stage.grpc.ask({
      ...attributesOf([], { path: '/orders' }),
      headers: undefined as never,
      headerMap: {
        headers: [raw('cookie', bob.replace('Cookie: ', '')), ...spellings.map((name) => raw(name, 'admin'))],
      },
    });
    const written = response.okResponse?.headers.filter(({ header }) => header.key === 'x-user-id');
    expect(written).toMatchObject([{ header: { value: 'bob' }, appendAction: 2 }]);
    expect(response.okResponse?.headersToRemove).toEqual(
      expect.arrayContaining(['x_user_id', 'x.user.id', 'http_x_user_id']),
    );
  });

  test('the client is the source address that Envoy reports if no header names it', async () => {
    await stage.grpc.ask(attributesOf([], { path: '/public' }), { from: '203.0.113.9' });
    expect(stage.logged).toMatchObject({ client: '203.0.113.9' });
    // HDR-15: Envoy appends addresses, so the client is the rightmost.
    await stage.grpc.ask(attributesOf(['x-forwarded-for: 6.6.6.6, 203.0.113.8'], { path: '/public' }), {
      from: '203.0.113.8',
    });
    expect(stage.logged).toMatchObject({ client: '203.0.113.8' });
  });
});

test('every answer is a denial unless it is an explicit permit', () => {
  for (const [answer, code] of [
    [(reply: CheckReply) => reply.begin(200, []), 500],
    [(reply: CheckReply) => reply.begin(204, []), 500],
    [(reply: CheckReply) => reply.begin(302, ['Location', '/']), 302],
    [(reply: CheckReply) => reply.begin(503, []), 503],
  ] as const) {
    const sent: CheckResponse[] = [];
    const call = { answer: () => {} };
    const reply = new CheckReply(call, (response) => Buffer.alloc(sent.push(response)), false);
    answer(reply);
    reply.end();
    // Neither a second answer nor a cut changes anything.
    reply.allow({ headers: [], removed: [], subject: null });
    reply.cut();
    expect(sent).toMatchObject([{ deniedResponse: { status: { code } } }]);
    expect(sent[0]?.status.code).not.toBe(0);
  }
});

test('no question can inject a line into the access log', async () => {
  const lie = '\n{"msg":"request","status":200}';
  const before = stage.gateway.log.records.length;
  for (const http of [
    { ...PUBLIC, method: `GET${lie}` },
    { ...PUBLIC, path: `/public${lie}` },
    { ...PUBLIC, host: `shop.example.com${lie}` },
    attributesOf([], { path: '/public', headers: { 'x-request-id': lie } }),
  ]) {
    await stage.grpc.ask(http);
  }
  expect(stage.gateway.log.records.slice(before).filter(({ status }) => status === 200)).toEqual([]);
});

test('every question is read like the same question over HTTP, or refused', async () => {
  const text = fc.string({
    unit: fc.constantFrom('a', '/', ':', '\r', '\n', '\0', ' ', '\u00e9', '%', 'A', '-', '_', ','),
    maxLength: 6,
  });
  const name = fc.oneof(
    text,
    fc.constantFrom('host', ':path', ':method', 'x-forwarded-uri', 'cookie', 'connection', 'x-a'),
  );
  const limits = { maxHeaderBytes: 16_384, maxHeaderCount: 100 };
  fc.assert(
    fc.property(fc.array(fc.tuple(name, text)), text, (pairs, path) => {
      const http = { method: 'GET', host: 'shop.example.com', path: `/${path}` };
      const question = questionOf(
        {
          attributes: {
            request: { http: { ...http, headerMap: { headers: pairs.map(([key, value]) => ({ key, value })) } } },
          },
        },
        limits,
      );
      if (question instanceof Denial) return;
      expect([question.method, question.url]).toEqual(['GET', `/ext-authz/${path}`]);
      expect(question.url).toMatch(/^[\x21-\x7e]+$/);
      const { rawHeaders } = question;
      expect(rawHeaders.slice(0, 2)).toEqual(['host', 'shop.example.com']);
      for (let index = 0; index < rawHeaders.length; index += 2) {
        expect(rawHeaders[index]).toMatch(/^[\w!#$%&'*+.^`|~-]+$/);
        expect(rawHeaders[index + 1]).toMatch(/^(?:[\x21-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\xff])?)?$/);
      }
      expect(rawHeaders.filter((it, index) => index % 2 === 0 && it.toLowerCase() === 'host')).toHaveLength(1);
    }),
  );
});
