/**
 * Nothing secret in any output: the program itself, with a Redis that asks for a password, goes through logins, calls,
 * refusals, broken dependencies and a broken configuration; then everything that it wrote, answered and stored is
 * searched for every secret that it handled.
 */

import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { PASSWORD, USERS } from '../endpoints/login/fixture.ts';
import { HOST, PUBLIC_ORIGIN } from '../support/gateway.ts';
import { ADMIN_TOKEN } from '../support/instance.ts';
import { GatewayProcess, type ProcessOptions } from '../support/process.ts';
import { type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { RedisServer } from '../support/redis.ts';
import { TestCollector } from '../support/telemetry/collector.ts';
import { until } from '../support/until.ts';

const REDIS_PASSWORD = 'canary-redis-password-5f1d';
const BACKEND_SECRET = 'canary-backend-secret-of-32-characters';
const QUERY_SECRET = 'canary-in-a-query-77aa';
const HEADER_SECRET = 'canary-in-a-header-90cc';
const BODY_SECRET = 'canary-in-a-body-12ef';
const WRONG_PASSWORD = 'canary-wrong-password-41bd';
const COLLECTOR_SECRET = 'canary-collector-secret-6b2d';
const INLINE_SECRET = 'canary-inline-secret-8e3f';

const JSON_TYPE = 'Content-Type: application/json';
const BEARER = /^Bearer (.+)$/;

test('LOG-01: no password, session id, token, cookie or key is in any log, metric, answer, page or stored value', async () => {
  await using redis = await RedisServer.start({ password: REDIS_PASSWORD });
  await using upstream = await RecordingUpstream.start();
  await using collector = await TestCollector.start();
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1' }] });
  const options = processOptions(redis, upstream, collector, jwks);
  await using gateway = await GatewayProcess.start(options);
  const answers: RawResponse[] = [];
  const send = async (
    method: string,
    target: string,
    headers: readonly string[] = [],
    body = '',
  ): Promise<RawResponse> => {
    const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
    const answer = await rawRequest(
      gateway.port,
      `${requestHead(method, target, [HOST, ...headers, ...length])}${body}`,
    );
    answers.push(answer);
    return answer;
  };
  const login = (password: string) =>
    send(
      'POST',
      '/auth/login',
      [JSON_TYPE, `Origin: ${PUBLIC_ORIGIN}`],
      JSON.stringify({ username: 'alice', password }),
    );

  // What succeeds.
  const sessionId = idIn(await login(PASSWORD));
  const cookie = `Cookie: __Host-sid=${sessionId}`;
  expect(
    (
      await send('GET', `/api?token=${QUERY_SECRET}`, [
        cookie,
        `X-Custom: ${HEADER_SECRET}`,
        `Tracestate: a=${HEADER_SECRET}`,
        `Baggage: a=${HEADER_SECRET}`,
      ])
    ).status,
  ).toBe(200);
  expect((await send('POST', '/api', [cookie, `Origin: ${PUBLIC_ORIGIN}`], BODY_SECRET)).status).toBe(200);
  const upstreamToken = BEARER.exec(upstream.last.values('authorization')[0] ?? '')?.[1] ?? '';
  const basic = Buffer.from(`logins:${BACKEND_SECRET}`).toString('base64');
  const opened = await send(
    'POST',
    '/auth/sessions',
    [JSON_TYPE, `Authorization: Basic ${basic}`],
    '{"subject":"carol"}',
  );
  const backendSessionId = idIn(opened);
  const serviceToken = await new SignJWT({ scope: 'orders:read' })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'JWT' })
    .setIssuer('https://cluster.example')
    .setSubject('system:serviceaccount:shop:cart')
    .setAudience(PUBLIC_ORIGIN)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey);
  expect((await send('GET', '/internal', [`Authorization: Bearer ${serviceToken}`])).status).toBe(200);
  await send('GET', '/auth/session', [cookie]);
  await send('GET', '/auth/sessions', [cookie, 'Accept: text/html']);

  // What is refused.
  await login(WRONG_PASSWORD);
  await send('GET', '/api', [cookie, `Authorization: Bearer ${serviceToken}`]);
  await send('GET', '/internal', [`Authorization: Bearer ${serviceToken}x`]);
  await send('GET', '/internal', [`Authorization: Basic ${basic}`]);
  await send('POST', '/auth/sessions', [JSON_TYPE, `Authorization: Basic ${basic}x`], '{"subject":"carol"}');
  await send('POST', '/api', [cookie, 'Origin: https://evil.example'], BODY_SECRET);
  await send('GET', `/api/..%2f${QUERY_SECRET}?token=${QUERY_SECRET}`, [cookie]);
  await send('GET', '/api', [`Cookie: __Host-sid=${sessionId}; __Host-sid=${sessionId}`]);
  await send('GET', '/api', [`Cookie: __Host-sid=${sessionId.slice(0, -1)}`, 'Accept: text/html']);
  await send('GET', '/api', [cookie, `X-Bad: ${HEADER_SECRET}\u0001`]);
  await send('BREW', `/api?token=${QUERY_SECRET}`, [cookie]);

  // What is broken: the upstream, the configuration, Redis.
  await send('GET', `/broken?token=${QUERY_SECRET}`, [cookie]);
  gateway.rewrite({
    ...options,
    config: { ...options.config, login: { password: { usersFile: 7, secret: INLINE_SECRET } } },
  });
  await gateway.admin('/-/reload', { method: 'POST' });
  gateway.rewrite(options);
  await until(async () => (await gateway.admin('/-/reload', { method: 'POST' })).status === 200, 'it is repaired');
  const stored = await contentOf(redis);
  redis.freeze();
  await send('GET', '/api', [`Cookie: __Host-sid=${'A'.repeat(43)}`]);
  await login(PASSWORD);
  redis.thaw();
  await until(async () => (await gateway.status('/readyz')) === 200, 'Redis is back');
  const admin = await Promise.all(
    ['/metrics', '/-/config', '/readyz?include=upstream', '/api/sessions?subject=alice'].map(async (path) =>
      (await gateway.admin(path)).text(),
    ),
  );
  await send('POST', '/auth/logout', [cookie, `Origin: ${PUBLIC_ORIGIN}`]);
  gateway.signal('SIGTERM');
  await gateway.ended;

  const secrets = {
    'the password': PASSWORD,
    'a wrong password': WRONG_PASSWORD,
    'the password hash': /passwordHash: (\S+)/.exec(USERS)?.[1] ?? '',
    'the session id': sessionId,
    'the session id of the backend': backendSessionId,
    'the upstream token': upstreamToken.split('.')[2] ?? '',
    'the service token': serviceToken.split('.')[2] ?? '',
    'the secret of the backend': BACKEND_SECRET,
    'the Basic credential': basic,
    'the admin token': ADMIN_TOKEN,
    'the password of Redis': REDIS_PASSWORD,
    'a secret in a query': QUERY_SECRET,
    'a secret in a header': HEADER_SECRET,
    'a secret in a body': BODY_SECRET,
    'a secret in a rejected configuration': INLINE_SECRET,
    'the header for the collector': COLLECTOR_SECRET,
  };
  for (const [name, secret] of Object.entries(secrets)) expect(secret.length, name).toBeGreaterThan(20);
  const outputs = {
    'standard output': gateway.stdout,
    'standard error': gateway.stderr,
    'the admin listener': admin.join('\n'),
    'answers and pages': answers.map(withoutNewCookie).join('\n'),
    Redis: stored,
    spans: collector.bytes,
  };
  // An empty output would prove nothing.
  expect(outputs['standard output']).toContain('"event":"login"');
  expect(outputs['standard output']).toContain('"reason":"store_unavailable"');
  expect(outputs['the admin listener']).toContain('sallyport_http_requests_total');
  expect(outputs['answers and pages']).toContain('request_ambiguous');
  expect(outputs.Redis).toContain('carol');
  for (const name of ['POST /auth/login', 'store read', 'mint token', 'verify token', 'hash password'])
    expect(outputs.spans).toContain(name);
  // Nor do they say who it was: more people can read spans than logs.
  expect(outputs.spans).not.toMatch(/alice|carol|serviceaccount/);
  expect(collector.requests[0]?.headers.authorization).toBe(`Bearer ${COLLECTOR_SECRET}`);
  const found = Object.entries(outputs).flatMap(([output, text]) =>
    Object.entries(secrets)
      .filter(([, secret]) => text.includes(secret))
      .map(([name]) => `${name} in ${output}`),
  );
  expect(found).toEqual([]);
  expect(upstream.text, 'the cookie passed').not.toContain(sessionId);
  expect(`${gateway.stdout}${gateway.stderr}`, 'a stack trace').not.toMatch(/^\s+at .*\.ts:\d+/m);
});

function processOptions(
  redis: RedisServer,
  upstream: RecordingUpstream,
  collector: TestCollector,
  jwks: string,
): ProcessOptions {
  return {
    files: {
      'users.yaml': USERS,
      'redis-password': REDIS_PASSWORD,
      'backend-secret': BACKEND_SECRET,
      'jwks.json': jwks,
      'otlp-headers': `Authorization: Bearer ${COLLECTOR_SECRET}`,
    },
    upstream: upstream.origin,
    routes: [
      { id: 'api', match: { path: '/api' }, credential: 'session' },
      { id: 'internal', match: { path: '/internal' }, credential: { service: ['cluster'] } },
      { id: 'broken', match: { path: '/broken' }, credential: 'session', upstream: 'nobody' },
    ],
    config: {
      store: { redis: { url: redis.url, passwordFile: 'redis-password' } },
      login: {
        password: { usersFile: 'users.yaml' },
        trustedBackends: [{ id: 'logins', clientSecretFile: 'backend-secret' }],
      },
      issuers: {
        cluster: { issuer: 'https://cluster.example', jwksFile: 'jwks.json', algorithms: ['ES256'] },
      },
      upstreams: { app: { endpoints: [upstream.origin] }, nobody: { endpoints: ['http://127.0.0.1:1'] } },
      log: { level: 'debug' },
      traces: { url: collector.url, headersFile: 'otlp-headers', sampleRatio: 1 },
    },
  };
}

const idIn = (answer: RawResponse): string =>
  /__Host-sid=([A-Za-z0-9_-]{43})/.exec(answer.headers.get('set-cookie') ?? '')?.[1] ?? '';

/** An answer without the header line that sets a new cookie: the one place where a session id belongs. */
const withoutNewCookie = ({ head, body }: RawResponse): string =>
  `${head.replace(/^set-cookie: __Host-sid=[^;\r\n]*/gim, '')}\n${body.toString('latin1')}`;

/** Every key of a small Redis, and its contents. */
async function contentOf(redis: RedisServer): Promise<string> {
  const keys = (await redis.cli('KEYS', '*')).split('\n');
  const values = await Promise.all(
    keys.map(async (key) => {
      const type = await redis.cli('TYPE', key);
      if (type === 'string') return redis.cli('GET', key);
      if (type === 'zset') return redis.cli('ZRANGE', key, '0', '-1', 'WITHSCORES');
      if (type === 'hash') return redis.cli('HGETALL', key);
      return type === 'none' ? '' : `${type} is not looked into`;
    }),
  );
  return [...keys, ...values].join('\n');
}
