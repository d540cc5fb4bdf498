import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { readAdminToken } from '../../src/admin/token-file.ts';
import { ConfigFault } from '../../src/errors.ts';
import { ADMIN_TOKEN, ConfigFileFixture, startInstance, type TestInstance } from '../support/instance.ts';
import { RawConnection, rawRequest } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const BEARER = `Authorization: Bearer ${ADMIN_TOKEN}`;
const ask = (instance: TestInstance, requestLine: string, ...headers: string[]) =>
  rawRequest(instance.adminPort, `${requestLine} HTTP/1.1\r\n${[...headers, '', ''].join('\r\n')}`);
const LOCAL = 'Host: 127.0.0.1:9090';

describe('probes', () => {
  test.each(['/livez', '/healthz', '/readyz', '/startupz', '/.well-known/jwks.json'])(
    '%s is answered without a token, under any host name',
    async (path) => {
      await using instance = await startInstance();
      const response = await ask(instance, `GET ${path}`, 'Host: pod-7.sallyport.svc.cluster.local:9090');
      expect(response.status).toBe(200);
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.get('access-control-allow-origin')).toBeUndefined();
    },
  );

  /** What Prometheus 3 sends. */
  const PROMETHEUS = [
    'User-Agent: Prometheus/3.5.0',
    'Accept: text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    'Accept-Encoding: gzip',
    'X-Prometheus-Scrape-Timeout-Seconds: 10',
  ];
  test.each([
    '10.1.2.3:9090',
    '[fd00::7]:9090',
    'localhost:9090',
    'localhost:',
    'gateway:9090',
    'sallyport-admin.shop.svc:9090',
  ])('S8: Prometheus and curl scrape metrics at %s', async (host) => {
    await using instance = await startInstance();
    for (const headers of [PROMETHEUS, ['User-Agent: curl/8.14.1', 'Accept: */*'], []])
      expect((await ask(instance, 'GET /metrics', `Host: ${host}`, ...headers)).status).toBe(200);
  });

  test.each([
    ['Accept-Encoding: gzip, deflate'],
    ['User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0'],
    ['Accept-Language: '],
    ['Origin: http://evil.test:9090'],
    ['Referer: http://evil.test:9090/'],
    ['Sec-Fetch-Site: same-origin'],
    ['Cookie: a=1'],
  ])(
    'S8, CSRF-15: a page under a rebound name, recognized by %s, gets no metrics but the key that allows a name',
    async (line) => {
      await using instance = await startInstance();
      for (const host of ['evil.test:9090', '10.1.2.3.evil.test', 'localhost.evil.test', 'pod-7.sallyport.svc:9090']) {
        const response = await ask(instance, 'GET /metrics', `Host: ${host}`, line);
        expect([host, response.status]).toEqual([host, 421]);
        expect(response.body.toString()).toContain('listeners.admin.allowedHosts');
        expect(response.body.toString()).not.toContain('sallyport_');
      }
      expect((await ask(instance, 'GET /metrics', LOCAL, line)).status).toBe(200);
    },
  );

  test.each([[], ['Host: '], ['Host: evil.test/x']])(
    'S8: metrics are refused with Host headers %j',
    async (...lines) => {
      await using instance = await startInstance();
      expect((await ask(instance, 'GET /metrics', ...lines)).status).toBe(421);
    },
  );

  test('readiness has one line per component', async () => {
    await using instance = await startInstance();
    const text = await (await instance.admin('/readyz')).text();
    expect(text).toMatch(/^ {4}\{"name":"listener","ok":true,"required":true,"detail":"accepts requests"\},$/m);
    expect(text).toMatch(/^ {4}\{"name":"store","ok":true,"required":(?:true|false),"detail":"memory[^"]*"\},$/m);
    expect(text).toMatch(/^ {4}\{"name":"signingKeys","ok":true,"required":true,"detail":"[^"]*"\}$/m);
    expect(JSON.parse(text)).toMatchObject({ ready: true });
  });

  test('readiness includes upstreams on request', async () => {
    const upstreamServer = createServer();
    const listen = (port: number) => new Promise<void>((resolve) => upstreamServer.listen(port, '127.0.0.1', resolve));
    await listen(0);
    const { port } = upstreamServer.address() as AddressInfo;
    await using instance = await startInstance({
      config: {
        upstreams: { app: { endpoints: [`http://127.0.0.1:${port}`], ejection: { consecutiveFailures: 1 } } },
      },
      routes: [{ id: 'app', match: { path: '/' }, credential: 'none' }],
    });
    expect((await instance.admin('/readyz?include=upstream')).status).toBe(200);
    await new Promise((resolve) => upstreamServer.close(resolve));
    // The probe notices it by itself, before any request.
    const response = await instance.admin('/readyz?include=upstream');
    expect(response.status).toBe(503);
    const upstream = { name: 'upstream app', ok: false, required: true, detail: 'no endpoint accepts connections' };
    expect(await response.json()).toMatchObject({ ready: false, components: expect.arrayContaining([upstream]) });
    expect((await instance.admin('/readyz')).status).toBe(200);
    await rawRequest(instance.port, 'GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n');
    expect(await (await instance.admin('/metrics')).text()).toContain('sallyport_upstream_healthy{upstream="app"} 0\n');
    await listen(port);
    expect((await instance.admin('/readyz?include=upstream')).status).toBe(200);
    upstreamServer.close();
  });

  test('CFG-14: endpoints match their exact path only', async () => {
    await using instance = await startInstance();
    for (const target of [
      '/healthz/../-/config',
      '/healthz?x',
      '/livez?',
      '/livez/',
      '//livez',
      '/LIVEZ',
      '/%6civez',
      '/readyz?include=upstream&include=upstream',
      '/readyz?include=store',
      '/metrics?format=json',
      '/?x',
      '*',
      'http://127.0.0.1/livez',
      '/-/config/',
      '/api/sessions/a/b',
    ]) {
      const response = await ask(instance, `GET ${target}`, LOCAL, BEARER);
      expect([target, response.status]).toEqual([target, 404]);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
    }
  });

  test.each(['', '?', '?subject=', '?user=bob', '?subject=bob&subject=bob', '?subject=bob&user=bob'])(
    'listing or ending sessions needs exactly one subject: %j is refused with 400',
    async (query) => {
      await using instance = await startInstance();
      for (const method of ['GET', 'DELETE']) {
        const response = await ask(instance, `${method} /api/sessions${query}`, LOCAL, BEARER);
        expect(response.status).toBe(400);
        expect(response.headers.get('content-type')).toBe('application/problem+json');
        expect(JSON.parse(response.body.toString())).toMatchObject({ reason: 'query_malformed' });
        expect((await ask(instance, `${method} /api/sessions${query}`, LOCAL)).status).toBe(401);
      }
    },
  );

  test('CFG-13: the public listener serves no admin endpoint', async () => {
    await using instance = await startInstance({ routes: [{ id: 'a', match: { path: '/app' }, credential: 'none' }] });
    for (const path of ['/livez', '/readyz', '/metrics', '/-/config', '/-/reload', '/api/sessions?subject=bob']) {
      const head = `GET ${path} HTTP/1.1\r\nHost: shop.example.com\r\n${BEARER}\r\n\r\n`;
      expect((await rawRequest(instance.port, head)).status).toBe(404);
    }
  });

  test('an unsupported method is refused with 405 and the list of supported ones', async () => {
    await using instance = await startInstance();
    const response = await ask(instance, 'POST /livez', LOCAL);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    const sessions = await ask(instance, 'PUT /api/sessions?subject=bob', LOCAL, BEARER);
    expect(sessions.headers.get('allow')).toBe('GET, HEAD, DELETE');
  });

  test('HEAD has the headers of GET and no body', async () => {
    await using instance = await startInstance();
    const response = await ask(instance, 'HEAD /livez', LOCAL);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-length')).toBe('6');
  });
});

describe('the guarded part', () => {
  const guarded = [
    'POST /-/reload',
    'GET /-/config',
    'GET /api/sessions?subject=bob',
    'DELETE /api/sessions?subject=bob',
    'DELETE /api/sessions/0000000000000000000000000000000000000000000',
    'POST /api/token-revocations',
  ];
  const refusals: readonly (readonly [title: string, headers: readonly string[], status: number, reason: string])[] = [
    ['without a token', [LOCAL], 401, 'client_unauthorized'],
    [
      'with another token',
      [LOCAL, 'Authorization: Bearer an-admin-token-that-is-long-enough-for-testz'],
      401,
      'client_unauthorized',
    ],
    ['with a prefix of the token', [LOCAL, BEARER.slice(0, -1)], 401, 'client_unauthorized'],
    [
      'with the token as a Basic password',
      [LOCAL, `Authorization: Basic ${btoa(`admin:${ADMIN_TOKEN}`)}`],
      401,
      'client_unauthorized',
    ],
    ['CSRF-15: with the token, from a page', [LOCAL, BEARER, 'Origin: http://127.0.0.1:9090'], 403, 'origin_forbidden'],
    ['CSRF-15: with the token, from a sandboxed page', [LOCAL, BEARER, 'Origin: null'], 403, 'origin_forbidden'],
    ['CSRF-15: with the token, under a rebound name', ['Host: evil.test:9090', BEARER], 421, 'host_not_served'],
    [
      'CSRF-15: with the token, under a name that starts like an allowed one',
      ['Host: localhost.evil.test', BEARER],
      421,
      'host_not_served',
    ],
    ['with the token, without a Host', [BEARER], 421, 'host_not_served'],
  ];
  test.each(refusals)('is refused %s', async (_title, headers, status, reason) => {
    await using instance = await startInstance();
    for (const requestLine of guarded) {
      const response = await ask(instance, requestLine, ...headers);
      expect([requestLine, response.status]).toEqual([requestLine, status]);
      expect(JSON.parse(response.body.toString())).toMatchObject({ reason });
      if (status === 401) expect(response.headers.get('www-authenticate')).toBe('Bearer realm="sallyport admin"');
      // The advice of the public listener, to name this site in Origin, would not help here.
      if (status === 403) expect(response.body.toString()).toContain('A program leaves the Origin header out.');
    }
    expect(instance.log.text).not.toContain(ADMIN_TOKEN);
  });

  test.each([
    'localhost:9090',
    'LocalHost',
    '127.0.0.1',
    '10.1.2.3:9090',
    '[::1]:9090',
    'admin.internal',
    'admin.internal.:9090',
  ])('accepts the token under the host %s', async (host) => {
    await using instance = await startInstance({
      config: {
        listeners: {
          public: { address: '127.0.0.1:0' },
          admin: { address: '127.0.0.1:0', allowedHosts: ['admin.internal'] },
        },
      },
    });
    expect((await ask(instance, 'GET /-/config', `Host: ${host}`, BEARER)).status).toBe(200);
    expect((await ask(instance, 'GET /metrics', `Host: ${host}`)).status).toBe(200);
  });

  test('is disabled without a token file', async () => {
    await using instance = await startInstance({ hasNoToken: true });
    for (const requestLine of guarded) {
      const response = await ask(instance, requestLine, LOCAL, BEARER);
      expect(response.status).toBe(403);
      expect(JSON.parse(response.body.toString())).toMatchObject({ reason: 'admin_disabled' });
    }
    expect((await ask(instance, 'GET /readyz', LOCAL)).status).toBe(200);
  });

  test('follows changes of its token file, and keeps the last good token', async () => {
    await using instance = await startInstance();
    const status = async (token: string) =>
      (await ask(instance, 'GET /-/config', LOCAL, `Authorization: Bearer ${token}`)).status;
    const second = 'another-admin-token-that-is-long-enough-too';
    instance.file.text('admin.token', second);
    await until(async () => (await status(second)) === 200, 'the new token is accepted');
    expect(await status(ADMIN_TOKEN)).toBe(401);
    instance.file.text('admin.token', 'short');
    await until(() => instance.log.text.includes('keeping the previous token'), 'the short token is refused');
    expect(await status('short')).toBe(401);
    expect(await status(second)).toBe(200);
  });

  test.each([
    ['31 characters', 'x'.repeat(31)],
    ['a space', `${'x'.repeat(40)} y`],
    ['two lines', `${'x'.repeat(40)}\n${'y'.repeat(40)}`],
  ])('a token with %s is a configuration error that does not show it', async (_title, token) => {
    using file = new ConfigFileFixture();
    const path = file.text('bad.token', token);
    const fault = await readAdminToken(path).catch((thrown: unknown) => thrown);
    expect(fault).toBeInstanceOf(ConfigFault);
    expect((fault as ConfigFault).message).toMatch(/must hold at least 32/);
    expect((fault as ConfigFault).message).not.toContain(token);
  });
});

describe('sessions of a user', () => {
  async function withSessions() {
    const instance = await startInstance();
    const { sessions } = instance.instance.localGateway ?? {};
    if (sessions === undefined) throw new Error('no gateway in this process');
    const open = async (subject: string) => {
      const opened = await sessions.open({ subject, user: {}, method: 'password', device: 'Firefox on Linux' });
      return { id: opened.sessionId, handle: opened.record.handle };
    };
    const statusOf = async (id: string) =>
      (await rawRequest(instance.port, `GET / HTTP/1.1\r\nHost: shop.example.com\r\nCookie: __Host-sid=${id}\r\n\r\n`))
        .status;
    return { instance, open, statusOf };
  }

  test('are listed without their ids', async () => {
    const { instance, open } = await withSessions();
    await using _ = instance;
    const first = await open('bob@example.com');
    const second = await open('bob@example.com');
    await open('alice');
    const response = await instance.admin('/api/sessions?subject=bob%40example.com');
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({
      sessions: [
        { handle: first.handle, subject: 'bob@example.com', method: 'password', device: 'Firefox on Linux' },
        { handle: second.handle, subject: 'bob@example.com' },
      ],
    });
    expect(text).not.toContain(first.id);
    expect(await (await instance.admin('/api/sessions?subject=nobody')).json()).toEqual({ sessions: [] });
  });

  test('are revoked one by one, by handle: audited, counted and refused from then on', async () => {
    const { instance, open, statusOf } = await withSessions();
    await using _ = instance;
    const bob = await open('bob');
    const other = await open('bob');
    expect(await statusOf(bob.id)).toBe(502);
    const response = await instance.admin(`/api/sessions/${bob.handle}`, { method: 'DELETE' });
    expect(await response.json()).toEqual({ revoked: [bob.handle] });
    expect(await statusOf(bob.id)).toBe(401);
    expect(await statusOf(other.id)).toBe(502);
    const [event] = instance.audit.records.filter((record) => record['event'] === 'session_revoked');
    expect(event).toMatchObject({ by: 'operator', subject: 'bob', handle: bob.handle, client: '127.0.0.1' });
    expect(await (await instance.admin('/metrics')).text()).toContain(
      'sallyport_sessions_ended_total{cause="operator"} 1\n',
    );
    const again = await instance.admin(`/api/sessions/${bob.handle}`, { method: 'DELETE' });
    expect(await again.json()).toEqual({ revoked: [] });
  });

  test('are all revoked by subject', async () => {
    const { instance, open, statusOf } = await withSessions();
    await using _ = instance;
    const bobs = [await open('bob'), await open('bob'), await open('bob')];
    const alice = await open('alice');
    const response = await instance.admin('/api/sessions?subject=bob', { method: 'DELETE' });
    const { revoked } = (await response.json()) as { revoked: string[] };
    expect(revoked.toSorted()).toEqual(bobs.map(({ handle }) => handle).toSorted());
    for (const { id } of bobs) expect(await statusOf(id)).toBe(401);
    expect(await statusOf(alice.id)).toBe(502);
    expect(instance.audit.records.filter((record) => record['by'] === 'operator')).toHaveLength(3);
    expect(await (await instance.admin('/metrics')).text()).toContain(
      'sallyport_sessions_ended_total{cause="operator"} 3\n',
    );
  });
});

test('/-/config shows the configuration in use with its hash, and no secret', async () => {
  await using instance = await startInstance();
  const text = await (await instance.admin('/-/config')).text();
  const report = JSON.parse(text) as Record<string, unknown>;
  expect(report).toMatchObject({
    hash: instance.instance.reloader.inUse.hash,
    needRestart: [],
    config: { publicOrigin: 'https://shop.example.com', session: { idleTimeout: '30m' } },
  });
  expect(Date.parse(String(report['loadedAt']))).toBeGreaterThan(Date.now() - 60_000);
  expect(text).not.toContain(ADMIN_TOKEN);
});

describe('the limits of the admin listener', () => {
  test.each([
    ['nonsense', 'NONSENSE\r\n\r\n', 400],
    ['20 KiB of headers', `GET /livez HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['101 headers', `GET /livez HTTP/1.1\r\n${'X: y\r\n'.repeat(101)}\r\n`, 431],
  ])('%s: refused with a problem document', async (_title, bytes, status) => {
    await using instance = await startInstance();
    const response = await rawRequest(instance.adminPort, bytes);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
  });

  test('withstand a client that resets its connections', async () => {
    await using instance = await startInstance();
    for (let round = 0; round < 20; round += 1) {
      const connection = await RawConnection.open(instance.adminPort);
      connection.write(round % 2 === 0 ? 'GET /metrics HTTP/1.1\r\n\r\n' : 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n');
      connection.socket.resetAndDestroy();
    }
    expect((await instance.admin('/livez')).status).toBe(200);
  });

  test('an address in use is reported in one clear line', async () => {
    await using instance = await startInstance();
    const taken = {
      listeners: { public: { address: '127.0.0.1:0' }, admin: { address: `127.0.0.1:${instance.adminPort}` } },
    };
    await expect(startInstance({ config: taken })).rejects.toThrow(
      new ConfigFault(
        `listeners.admin.address: cannot listen on 127.0.0.1:${instance.adminPort}: another program is listening there: stop it, or choose another port`,
      ),
    );
  });
});
