/** Which pages of other origins can read answers: preflights, answers of upstreams, and the gateway's own (Fetch §3.2). */

import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { CorsRule } from '../../src/cors/rule.ts';
import { DependencyFault } from '../../src/errors.ts';
import { load } from '../config/support.ts';
import { JSON_TYPE, LoginStage } from '../endpoints/login/fixture.ts';
import { HOST, startGateway } from '../support/gateway.ts';
import { type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const APP = 'https://app.example.com';
const EVIL = 'https://evil.example';
const CORS = { origins: [APP], credentials: true };

const preflight = (method: string, origin = APP) => [
  `Origin: ${origin}`,
  `Access-Control-Request-Method: ${method}`,
  'Access-Control-Request-Headers: content-type',
];

/** Headers of an answer about CORS, and `Vary`. */
const corsOf = ({ headers }: RawResponse) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-') || name === 'vary'));

const READABLE = {
  'access-control-allow-origin': APP,
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'X-Request-Id, Retry-After',
  vary: 'Origin',
};
const UNREADABLE = { vary: 'Origin' };

async function stage(answer?: string) {
  const upstream = await RecordingUpstream.start(
    ...(answer === undefined
      ? []
      : [(_request: unknown, socket: { write(text: string): unknown }) => void socket.write(answer)]),
  );
  const gateway = await startGateway({
    upstream: upstream.origin,
    routes: [
      { id: 'api', match: { path: '/api', methods: ['GET', 'POST'] }, credential: 'session', cors: CORS },
      { id: 'admin', match: { path: '/api/admin' }, credential: 'session', cors: CORS, allow: { roles: ['admin'] } },
      { id: 'open', match: { path: '/open' }, credential: 'none', cors: { origins: ['*'] } },
      { id: 'own', match: { path: '/own' }, credential: 'none' },
    ],
  });
  const send = (method: string, path: string, ...headers: readonly string[]) =>
    rawRequest(gateway.port, requestHead(method, path, [HOST, 'Content-Length: 0', ...headers]));
  return {
    upstream,
    gateway,
    send,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

describe('P5: a preflight', () => {
  test('is answered from the configuration, without a session and without the upstream', async () => {
    await using it = await stage();
    const response = await it.send('OPTIONS', '/api/orders', ...preflight('POST'));
    expect([response.status, response.body.length]).toEqual([204, 0]);
    expect(corsOf(response)).toEqual({
      ...READABLE,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'Authorization, Content-Type, X-Requested-With',
      'access-control-max-age': '600',
    });
    expect(it.upstream.requests).toEqual([]);
  });

  test.each([
    ['another origin', preflight('POST', EVIL), 403, UNREADABLE],
    ['the origin null', preflight('POST', 'null'), 403, UNREADABLE],
    ['two origins', [...preflight('POST'), `Origin: ${EVIL}`], 403, UNREADABLE],
    ['another spelling of the origin', preflight('POST', 'https://APP.example.com'), 403, UNREADABLE],
    ['an origin that starts like a listed one', preflight('POST', `${APP}.evil.example`), 403, UNREADABLE],
  ])('CSRF-14: from %s is refused, and no origin is reflected', async (_what, headers, status, cors) => {
    await using it = await stage();
    const response = await it.send('OPTIONS', '/api/orders', ...headers);
    expect([response.status, corsOf(response)]).toEqual([status, cors]);
    expect(it.upstream.requests).toEqual([]);
  });

  test('for a method that the route does not allow is refused', async () => {
    await using it = await stage();
    expect((await it.send('OPTIONS', '/api/orders', ...preflight('DELETE'))).status).toBe(405);
    expect((await it.send('OPTIONS', '/api/orders', ...preflight('x\u00e9'))).status).toBe(405);
  });

  test('without Origin or Access-Control-Request-Method is an ordinary request', async () => {
    await using it = await stage();
    expect((await it.send('OPTIONS', '/api/admin', `Origin: ${APP}`)).status).toBe(401);
    expect((await it.send('OPTIONS', '/api/admin', 'Access-Control-Request-Method: POST')).status).toBe(401);
  });

  test('on a route without `cors` goes to the upstream, whose answer is unchanged', async () => {
    const answer = 'HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: https://x.example\r\n\r\n';
    await using it = await stage(answer);
    const response = await it.send('OPTIONS', '/own', ...preflight('POST'));
    expect(corsOf(response)).toEqual({ 'access-control-allow-origin': 'https://x.example' });
    expect(it.upstream.last.values('access-control-request-method')).toEqual(['POST']);
  });
});

describe('P5: an answer on a route with `cors`', () => {
  const UPSTREAM_SAYS =
    'HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\naccess-control-allow-credentials: true\r\nAccess-Control-Expose-Headers: X-Secret\r\nVary: Accept\r\nContent-Length: 2\r\n\r\nok';

  test('of the upstream gets the configured headers in place of its own', async () => {
    await using it = await stage(UPSTREAM_SAYS);
    const cookie = await it.gateway.cookie();
    const listed = await it.send('GET', '/api/orders', `Origin: ${APP}`, cookie);
    expect([listed.status, corsOf(listed)]).toEqual([200, { ...READABLE, vary: 'Accept\nOrigin' }]);
    const other = await it.send('GET', '/api/orders', `Origin: ${EVIL}`, cookie);
    expect([other.status, corsOf(other)]).toEqual([200, { vary: 'Accept\nOrigin' }]);
    const none = await it.send('GET', '/api/orders', cookie);
    expect(corsOf(none)).toEqual({ vary: 'Accept\nOrigin' });
  });

  test('for any origin is the same for all, without credentials', async () => {
    await using it = await stage(UPSTREAM_SAYS);
    const response = await it.send('GET', '/open', `Origin: ${EVIL}`);
    expect(corsOf(response)).toEqual({
      'access-control-allow-origin': '*',
      'access-control-expose-headers': 'X-Request-Id, Retry-After',
      vary: 'Accept',
    });
  });

  test.each([
    [401, 'GET', '/api/orders', false],
    [403, 'GET', '/api/admin', true],
    [403, 'POST', '/api/orders', true],
    [502, 'GET', '/api/orders', true],
    [503, 'GET', '/api/orders', true],
  ] as const)(
    'with %i from the gateway itself can be read by listed origins',
    async (status, method, path, hasCookie) => {
      await using it = await stage();
      const cookie = hasCookie ? [await it.gateway.cookie()] : [];
      if (status === 502) await it.upstream[Symbol.asyncDispose]();
      if (status === 503) {
        const fault = new DependencyFault('store_unavailable', 'down');
        vi.spyOn(it.gateway.gateway.sessions, 'authenticate').mockRejectedValue(fault);
      }
      const listed = await it.send(method, path, `Origin: ${APP}`, ...cookie);
      expect([listed.status, corsOf(listed)]).toEqual([status, READABLE]);
      const other = await it.send(method, path, `Origin: ${EVIL}`, ...cookie);
      expect([other.status, corsOf(other)]).toEqual([status, UNREADABLE]);
    },
  );
});

describe("P5: the gateway's own endpoints", () => {
  test('can be read by the origins of the top-level `cors`, refusals included', async () => {
    await using it = await LoginStage.start({
      config: { cors: CORS, csrf: { additionalOrigins: [APP] } },
      login: { throttle: { freeAttemptsPerAccount: 1 } },
    });
    const asked = await it.send('OPTIONS', '/auth/login', preflight('POST'));
    expect([asked.status, corsOf(asked)['access-control-allow-methods']]).toEqual([204, 'POST']);
    const body = JSON.stringify({ username: 'alice', password: 'wrong' });
    for (const status of [401, 429]) {
      const answer = await it.send('POST', '/auth/login', [JSON_TYPE, `Origin: ${APP}`], body);
      expect([answer.status, corsOf(answer)]).toEqual([status, READABLE]);
    }
    const session = await it.get('/auth/session', `Origin: ${APP}`, await it.cookieOf('bob'));
    expect([session.status, corsOf(session)]).toEqual([200, READABLE]);
    expect((await it.send('OPTIONS', '/auth/login', preflight('POST', EVIL))).status).toBe(403);
    expect((await it.send('OPTIONS', '/auth/login', preflight('DELETE'))).status).toBe(405);
    // Public documents stay readable by everyone.
    expect(corsOf(await it.get('/.well-known/jwks.json', `Origin: ${EVIL}`))).toEqual({
      'access-control-allow-origin': '*',
    });
  });

  test('cannot be read by other origins without it', async () => {
    await using it = await LoginStage.start();
    expect((await it.send('OPTIONS', '/auth/session', preflight('GET'))).status).toBe(405);
    expect(corsOf(await it.get('/auth/session', `Origin: ${APP}`))).toEqual({});
  });
});

describe('the configuration', () => {
  const withCors = (cors: string, more = '') => `version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 127.0.0.1:8080 } }
upstreams: { app: { endpoints: [http://127.0.0.1:9000] } }
login: { trustedBackends: [{ id: a, service: { issuer: own, subjects: [a] } }] }
issuers: { own: { issuer: https://i.example, jwksUrl: https://i.example/jwks, algorithms: [ES256] } }
${more}
routes: [{ id: app, match: { path: / }, credential: session, upstream: app, cors: ${cors} }]
`;
  const found = (text: string) => load(text).problems.map(({ code }) => code);

  test.each([
    ['{ origins: ["*"], credentials: true }'],
    ['{ origins: [https://a.example], credentials: true, headers: ["*"] }'],
    ['{ origins: [https://a.example], credentials: true, exposeHeaders: ["*"] }'],
  ])('P5: %s is an error', (cors) => {
    expect(found(withCors(cors))).toContain('cors/credentialed-wildcard');
  });

  test('P5: an origin with credentials that can read but not write causes a warning', () => {
    const cors = '{ origins: [https://a.example], credentials: true }';
    expect(found(withCors(cors))).toContain('cors/csrf');
    expect(found(withCors(cors, 'csrf: { additionalOrigins: [https://a.example] }'))).not.toContain('cors/csrf');
    expect(found(withCors('{ origins: [https://a.example] }'))).not.toContain('cors/csrf');
  });
});

test('P5: an origin is allowed if and only if it is listed', () => {
  const origins = ['https://a.example', 'https://b.example:8443', 'http://localhost:3000'];
  const rule = new CorsRule({ origins, credentials: true, headers: [], exposeHeaders: [], maxAge: 0 });
  const sent = fc.oneof(
    fc.constantFrom(...origins),
    fc.string(),
    fc.webUrl(),
    fc.constantFrom('null', '*', '__proto__'),
  );
  fc.assert(
    fc.property(sent, (origin) => {
      const headers = rule.headersFor(origin);
      expect(headers.includes('Access-Control-Allow-Origin')).toBe(origins.includes(origin));
      if (origins.includes(origin)) expect(headers[1]).toBe(origin);
    }),
  );
});
