/** Reloading the configuration of a running instance. */

import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import type { ReloadReport } from '../../src/admin/control.ts';
import { hashPassword } from '../../src/endpoints/login/password/hash.ts';
import { DependencyFault } from '../../src/errors.ts';
import { Reloader } from '../../src/process/reload.ts';
import { ReloadSeries } from '../../src/process/series.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { addKey } from '../../src/token/key-directory.ts';
import { TestClocks } from '../support/clocks.ts';
import { CapturedLog, HOST } from '../support/gateway.ts';
import { ConfigFileFixture, startInstance, type TestInstance } from '../support/instance.ts';
import { TestAuthority } from '../support/issuers/certificates.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';

const get = (target: string, headers: readonly string[] = []) => requestHead('GET', target, [HOST, ...headers]);
const answering = (text: string) => () =>
  RecordingUpstream.start((_request, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
  });
const PUBLIC = { id: 'app', match: { path: '/' }, credential: 'none' };

async function reload(instance: TestInstance): Promise<ReloadReport & { status: number }> {
  const response = await instance.admin('/-/reload', { method: 'POST' });
  return { ...((await response.json()) as ReloadReport), status: response.status };
}
const metricsOf = async (instance: TestInstance) => (await instance.admin('/metrics')).text();
const gatewayOf = ({ instance }: TestInstance) => {
  if (instance.localGateway === null) throw new Error('no gateway in this process');
  return instance.localGateway;
};

describe('a valid configuration', () => {
  test('is applied, keeping the previous version of an unusable certificate; the answer and the log say so', async () => {
    const authority = new TestAuthority();
    const { certificate, key } = authority.issue({ names: ['shop.example.com'] });
    const tls = { certificates: [{ certFile: 'tls.crt', keyFile: 'tls.key' }] };
    const options = {
      routes: [PUBLIC],
      files: { 'tls.crt': certificate, 'tls.key': key },
      config: {
        listeners: { public: { address: '127.0.0.1:0', tls }, admin: { address: '127.0.0.1:0' } },
      },
    };
    await using instance = await startInstance(options);
    expect(await reload(instance)).toMatchObject({ status: 200, kept: [] });
    const path = instance.file.text('tls.crt', 'garbage');
    const report = await reload(instance);
    expect(report).toMatchObject({ status: 200, result: 'applied', problems: [] });
    expect(report.kept).toEqual([
      `listeners.public.tls.certificates[0].certFile: ${path} is not a PEM certificate; the previous certificate stays in use`,
    ]);
    const line = instance.log.records.findLast(({ msg }) => String(msg).startsWith('configuration reloaded'));
    expect(line).toMatchObject({ level: 'warn', kept: report.kept });
    expect(await metricsOf(instance)).toContain('sallyport_tls_certificates_last_read_successful 0\n');
  });

  test('A7: is applied with its warnings in the log, such as a certificate that does not cover publicOrigin', async () => {
    const authority = new TestAuthority();
    const { certificate, key } = authority.issue({ names: ['shop.example.com'] });
    const tls = { certificates: [{ certFile: 'tls.crt', keyFile: 'tls.key' }] };
    await using instance = await startInstance({
      routes: [PUBLIC],
      files: { 'tls.crt': certificate, 'tls.key': key },
      config: { listeners: { public: { address: '127.0.0.1:0', tls }, admin: { address: '127.0.0.1:0' } } },
    });
    const warned = () => instance.log.records.filter(({ code }) => code === 'tls/uncovered-host');
    expect((await reload(instance)).result).toBe('applied');
    expect(warned()).toEqual([]);
    const other = authority.issue({ names: ['other.test'] });
    instance.file.text('tls.crt', other.certificate);
    instance.file.text('tls.key', other.key);
    expect((await reload(instance)).result).toBe('applied');
    expect(warned()).toMatchObject([
      { level: 'warn', msg: expect.stringContaining('no certificate covers shop.example.com') },
    ]);
  });

  test('takes effect with the next request', async () => {
    await using first = await answering('first')();
    await using second = await answering('second')();
    await using instance = await startInstance({ upstream: first.origin, routes: [PUBLIC] });
    const hashBefore = instance.instance.reloader.inUse.hash;
    await using connection = await RawConnection.open(instance.port);
    connection.write(get('/'));
    expect((await connection.response()).body.toString()).toBe('first');
    instance.file.write({ upstream: second.origin, routes: [PUBLIC] });
    const report = await reload(instance);
    expect(report).toMatchObject({ status: 200, result: 'applied', problems: [], needRestart: [] });
    expect(report.hash).not.toBe(hashBefore);
    connection.write(get('/'));
    expect((await connection.response()).body.toString()).toBe('second');
    const metrics = await metricsOf(instance);
    expect(metrics).toContain('sallyport_config_reloads_total{result="applied"} 1\n');
    expect(metrics).toContain('sallyport_config_last_reload_successful 1\n');
    expect(metrics).toContain(`sallyport_config_info{hash="${report.hash}"} 1\n`);
    expect(metrics).not.toContain(`sallyport_config_info{hash="${hashBefore}"}`);
  });

  test('is picked up when its watched file changes', async () => {
    await using upstream = await answering('ok')();
    await using instance = await startInstance({
      isWatched: true,
      upstream: upstream.origin,
      routes: [PUBLIC],
    });
    const paths = async (path: string) => (await rawRequest(instance.port, get(path))).status;
    expect(await paths('/a')).toBe(200);
    for (const id of ['b', 'c']) {
      instance.file.write({ upstream: upstream.origin, routes: [{ ...PUBLIC, match: { path: `/${id}` } }] });
      await until(async () => (await paths('/a')) === 404 && (await paths(`/${id}`)) === 200, `route ${id} is in use`);
    }
  });

  test('is picked up when its file changed while the gateway was starting', async () => {
    await using upstream = await answering('ok')();
    const routes = [{ ...PUBLIC, match: { path: '/new' } }];
    await using instance = await startInstance({
      isWatched: true,
      upstream: upstream.origin,
      routes: [PUBLIC],
      afterReading: (file) => file.write({ upstream: upstream.origin, routes }),
    });
    await until(async () => (await rawRequest(instance.port, get('/'))).status === 404, 'the new one is in use');
  });

  test('is picked up when a file that it names changes', async () => {
    await using upstream = await answering('ok')();
    await using instance = await startInstance({ upstream: upstream.origin });
    const secretFile = instance.file.text('backend.secret', 'x'.repeat(32));
    instance.file.write({
      upstream: upstream.origin,
      config: {
        login: {
          trustedBackends: [{ id: 'shop', clientSecretFile: secretFile }],
          // The new secret is tried until it is accepted.
          throttle: { freeAttemptsPerAccount: 10_000, freeAttemptsPerAddress: 10_000 },
        },
      },
    });
    expect((await reload(instance)).result).toBe('applied');
    instance.instance.reloader.watch(instance.file.path);
    const login = async (secret: string) => {
      const authorization = `Basic ${btoa(`shop:${secret}`)}`;
      const body = JSON.stringify({ subject: 'bob' });
      const head = requestHead('POST', '/auth/sessions', [
        HOST,
        `Authorization: ${authorization}`,
        'Content-Type: application/json',
        `Content-Length: ${body.length}`,
      ]);
      return (await rawRequest(instance.port, head + body)).status;
    };
    expect(await login('x'.repeat(32))).toBeLessThan(300);
    instance.file.text('backend.secret', 'y'.repeat(32));
    await until(async () => (await login('y'.repeat(32))) < 300, 'the new secret is accepted');
    expect(await login('x'.repeat(32))).toBe(401);
  });

  test('R15: is applied although a file in the key directory is half written: answer, log, readiness and metrics say so', async () => {
    const file = new ConfigFileFixture();
    const directory = join(file.directory, 'keys');
    mkdirSync(directory);
    await addKey(directory, 'ES256', 0, 0);
    await using instance = await startInstance({
      routes: [PUBLIC],
      config: { upstreamToken: { keys: { directory } } },
    });
    const isRefreshed = async (value: number) =>
      (await metricsOf(instance)).includes(`sallyport_signing_keys_last_refresh_successful ${value}\n`);
    expect(await isRefreshed(1)).toBe(true);
    const half = join(directory, 'half.key.json');
    writeFileSync(half, '{"createdAt":"2026');
    const report = await reload(instance);
    expect(report).toMatchObject({ status: 200, result: 'applied' });
    expect(report.kept).toEqual([
      `upstreamToken.keys.directory: ${half} is not a key file of \`sallyport keys generate\`; the known signing keys stay in use`,
    ]);
    expect(instance.log.text).toContain('signing keys cannot be read; keeping the known ones');
    expect(await isRefreshed(0)).toBe(true);
    const ready = await instance.admin('/readyz');
    expect(ready.status).toBe(200);
    expect(await ready.text()).toContain('"signingKeyFiles","ok":false,"required":false,"detail":"cannot be used');
    rmSync(half);
    expect((await reload(instance)).kept).toEqual([]);
    expect(await isRefreshed(1)).toBe(true);
    file[Symbol.dispose]();
  });

  test('R15: is rejected when its users file was emptied; readiness and metrics say so, and the users can still log in', async () => {
    const passwordHash = await hashPassword('correct horse');
    const users = `users:\n  - name: alice\n    passwordHash: ${passwordHash}\n`;
    const config = { login: { password: { usersFile: 'users.yaml' } } };
    await using instance = await startInstance({ routes: [PUBLIC], config, files: { 'users.yaml': users } });
    const isRead = async (value: number) =>
      (await metricsOf(instance)).includes(`sallyport_users_file_last_read_successful ${value}\n`);
    expect(await isRead(1)).toBe(true);
    const path = instance.file.text('users.yaml', '');
    expect(await isRead(0)).toBe(true);
    const ready = await instance.admin('/readyz');
    expect(ready.status).toBe(200);
    expect(await ready.text()).toContain('"usersFile","ok":false,"required":false,"detail":"cannot be used');
    const report = await reload(instance);
    expect(report.result).toBe('rejected');
    expect(report.problems).toEqual([
      expect.stringContaining(`login.password.usersFile: ${path}:1:1 users must be a list`),
    ]);
    instance.file.text('users.yaml', users);
    expect(await isRead(1)).toBe(true);
    expect((await reload(instance)).result).toBe('applied');
  });

  test('R4: is retried when a missing file that it names appears', async () => {
    await using upstream = await answering('ok')();
    await using instance = await startInstance({ isWatched: true, upstream: upstream.origin, routes: [PUBLIC] });
    const clientSecretFile = join(instance.file.directory, 'later.secret');
    const login = { trustedBackends: [{ id: 'shop', clientSecretFile }] };
    instance.file.write({
      upstream: upstream.origin,
      routes: [{ ...PUBLIC, match: { path: '/new' } }],
      config: { login },
    });
    const isLast = async (value: number) =>
      (await metricsOf(instance)).includes(`sallyport_config_last_reload_successful ${value}\n`);
    await until(() => isLast(0), 'the configuration is rejected');
    expect(instance.log.text).toContain('names a file that does not exist');
    instance.file.text('later.secret', 'short');
    await until(() => instance.log.text.includes('has a secret of fewer than 32 characters'), 'it is rejected again');
    instance.file.text('later.secret', 'x'.repeat(32));
    await until(() => isLast(1), 'the configuration is applied');
    expect((await rawRequest(instance.port, get('/new'))).status).toBe(200);
  });

  test('R4: is read again when the file of a ${file:…} changes', async () => {
    await using upstream = await answering('ok')();
    const file = 'path.txt';
    const options = { upstream: upstream.origin, routes: [{ ...PUBLIC, match: { path: '${file:path.txt}' } }] };
    await using instance = await startInstance({ ...options, isWatched: true, files: { [file]: '/a' } });
    const status = async (path: string) => (await rawRequest(instance.port, get(path))).status;
    expect(await status('/a')).toBe(200);
    for (const path of ['/b', '/c']) {
      instance.file.text(file, path);
      await until(async () => (await status(path)) === 200, `${path} is in use`);
    }
  });

  test.each([
    ['deleted', (path: string) => rmSync(path), 'there is no such file'],
    ['emptied', (path: string) => writeFileSync(path, ''), 'the file is empty'],
    [
      'replaced by a directory',
      (path: string) => {
        rmSync(path);
        mkdirSync(path);
      },
      'is a directory',
    ],
  ])('R4: a configuration file that is %s is logged and shown in the metrics', async (_how, spoil, message) => {
    await using upstream = await answering('ok')();
    await using instance = await startInstance({ isWatched: true, upstream: upstream.origin, routes: [PUBLIC] });
    const isLast = async (value: number) =>
      (await metricsOf(instance)).includes(`sallyport_config_last_reload_successful ${value}\n`);
    spoil(instance.file.path);
    await until(() => isLast(0), 'it is noticed');
    expect(instance.log.records.at(-1)).toMatchObject({
      msg: 'reload rejected; keeping the configuration in use',
      problems: [expect.stringContaining(message)],
    });
    expect((await rawRequest(instance.port, get('/'))).status).toBe(200);
    rmSync(instance.file.path, { recursive: true, force: true });
    instance.file.write({ upstream: upstream.origin, routes: [PUBLIC] });
    await until(() => isLast(1), 'the next good one is applied');
  });

  test('R4: is retried automatically when it could not be applied', async () => {
    using file = new ConfigFileFixture();
    file.write({ routes: [PUBLIC] });
    let attempts = 0;
    const registry = new MetricRegistry();
    const reloader = new Reloader({
      initial: await file.loadToRun(),
      load: () => file.load(),
      apply: async () => {
        attempts += 1;
        if (attempts === 1) throw new DependencyFault('store_unavailable', 'no worker is ready');
        return [{ process: 'worker 1', problem: attempts === 2 ? 'did not answer' : null, kept: [] }];
      },
      log: createLog('error', new CapturedLog()),
      series: new ReloadSeries(registry),
      clocks: new TestClocks(),
      retryMs: 1,
    });
    expect((await reloader.reload()).result).toBe('rejected');
    await until(async () => (await registry.text()).includes('reloads_total{result="applied"} 1\n'), 'it is applied');
    expect(attempts).toBe(3);
    reloader.close();
  });

  test('a configuration directory that disappears is logged and counted, and stops nothing', async () => {
    await using upstream = await RecordingUpstream.start((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    await using instance = await startInstance({ isWatched: true, upstream: upstream.origin, routes: [PUBLIC] });
    const { directory } = instance.file;
    renameSync(directory, `${directory}-away`);
    const faults = () => instance.log.records.filter(({ msg }) => String(msg).startsWith('file watch failed'));
    await until(() => faults().length === 2, 'both watches of the directory report it');
    renameSync(`${directory}-away`, directory);
    expect(
      faults()
        .map(({ watched }) => watched)
        .toSorted(),
    ).toEqual(['admin_token', 'configuration']);
    expect(faults()[0]).toMatchObject({ directory, fault: { code: 'ENOENT' } });
    const metrics = await metricsOf(instance);
    expect(metrics).toContain('sallyport_config_watch_errors_total 1');
    expect(metrics).toContain('sallyport_admin_token_watch_errors_total 1');
    expect((await rawRequest(instance.port, get('/'))).status).toBe(200);
    expect((await reload(instance)).result).toBe('applied');
  });

  test('changes limits, session timeouts and the log level at once', async () => {
    const clocks = new TestClocks();
    await using upstream = await RecordingUpstream.start(() => {});
    await using instance = await startInstance({
      clocks,
      upstream: upstream.origin,
      routes: [PUBLIC, { id: 's', match: { path: '/s' }, credential: 'session' }],
    });
    const gateway = gatewayOf(instance);
    const { sessionId } = await gateway.sessions.open({ subject: 'bob', user: {}, method: 'password', device: '' });
    instance.file.write({
      upstream: upstream.origin,
      routes: [PUBLIC, { id: 's', match: { path: '/s' }, credential: 'session' }],
      config: {
        listeners: {
          public: { address: '127.0.0.1:0', limits: { maxConcurrentRequests: 1 } },
          admin: { address: '127.0.0.1:0' },
        },
        session: { idleTimeout: '1s' },
        log: { level: 'error' },
      },
    });
    expect(await reload(instance)).toMatchObject({ result: 'applied', needRestart: [] });
    await using slow = await RawConnection.open(instance.port);
    slow.write(get('/slow'));
    await upstream.received(1);
    expect((await rawRequest(instance.port, get('/'))).status).toBe(503);
    slow.close();
    await until(() => gateway.requestsInFlight === 0, 'no request is in progress');
    clocks.advance(2_000);
    const { status } = await rawRequest(instance.port, get('/s', [`Cookie: __Host-sid=${sessionId}`]));
    expect(status).toBe(401);
    const lines = instance.log.text.length;
    await rawRequest(instance.port, get('/auth/nothing'));
    expect(instance.log.text.length).toBe(lines);
  });

  test('reuses tokens that were minted before, unless their claims have changed', async () => {
    await using upstream = await RecordingUpstream.start();
    const withClaims = (title: string, claims: Record<string, string>) => ({
      upstream: upstream.origin,
      config: { login: { title }, upstreamToken: { claims } },
    });
    await using instance = await startInstance(withClaims('One', {}));
    const user = { email: 'bob@example.com' };
    const { sessionId } = await gatewayOf(instance).sessions.open({
      subject: 'bob',
      user,
      method: 'password',
      device: '',
    });
    const token = async () => {
      await rawRequest(instance.port, get('/', [`Cookie: __Host-sid=${sessionId}`]));
      return upstream.last.values('authorization')[0]?.replace('Bearer ', '') ?? '';
    };
    const first = await token();
    instance.file.write(withClaims('Two', {}));
    expect((await reload(instance)).result).toBe('applied');
    expect(await token()).toBe(first);
    instance.file.write(withClaims('Two', { email: 'user.email' }));
    expect((await reload(instance)).result).toBe('applied');
    expect(decodeJwt(await token())).toMatchObject({ sub: 'bob', email: 'bob@example.com' });
  });

  test('names the keys that need a restart at every reload, until they are changed back', async () => {
    await using instance = await startInstance({ routes: [PUBLIC] });
    const withPort = (keepAlive: string, path: string) => ({
      routes: [{ ...PUBLIC, match: { path } }],
      config: {
        listeners: {
          public: { address: '127.0.0.1:0', timeouts: { keepAlive } },
          admin: { address: '127.0.0.1:0' },
        },
      },
    });
    const key = 'listeners.public.timeouts.keepAlive';
    instance.file.write(withPort('5s', '/a'));
    expect((await reload(instance)).needRestart).toEqual([key]);
    instance.file.write(withPort('5s', '/b'));
    expect((await reload(instance)).needRestart).toEqual([key]);
    expect(await (await instance.admin('/-/config')).json()).toMatchObject({ needRestart: [key] });
    expect(instance.log.records.at(-1)).toBeDefined();
    expect(instance.log.text).toContain(key);
    instance.file.write(withPort('65s', '/b'));
    expect((await reload(instance)).needRestart).toEqual([]);
  });
});

describe('an invalid configuration', () => {
  const broken: readonly (readonly [title: string, text: string, problem: RegExp])[] = [
    ['is not YAML', 'version: [1\n', /yaml/i],
    ['has an unknown key', 'version: 1\nrutes: []\n', /rutes/],
    ['names a missing file', 'FILE', /does not exist/],
  ];
  test.each(broken)('changes nothing when it %s', async (_title, text, problem) => {
    await using upstream = await answering('ok')();
    await using instance = await startInstance({ upstream: upstream.origin, routes: [PUBLIC] });
    const { hash } = instance.instance.reloader.inUse;
    if (text === 'FILE') {
      instance.file.write({
        routes: [PUBLIC],
        config: { issuers: { a: { issuer: 'https://a.test', jwksFile: 'nowhere.json', algorithms: ['ES256'] } } },
      });
    } else {
      instance.file.text('sallyport.yaml', text);
    }
    const report = await reload(instance);
    expect(report).toMatchObject({ status: 422, result: 'rejected', hash });
    expect(report.problems.join('\n')).toMatch(problem);
    expect(instance.log.text).toContain('reload rejected; keeping the configuration in use');
    expect((await rawRequest(instance.port, get('/'))).body.toString()).toBe('ok');
    expect((await instance.admin('/readyz')).status).toBe(200);
    const metrics = await metricsOf(instance);
    expect(metrics).toContain('sallyport_config_reloads_total{result="rejected"} 1\n');
    expect(metrics).toContain('sallyport_config_last_reload_successful 0\n');
    expect(metrics).toContain(`sallyport_config_info{hash="${hash}"} 1\n`);
    instance.file.write({ upstream: upstream.origin, routes: [PUBLIC] });
    expect((await reload(instance)).result).toBe('applied');
    expect(await metricsOf(instance)).toContain('sallyport_config_last_reload_successful 1\n');
  });

  test('is reported with all its mistakes at once, including those in its files', async () => {
    await using instance = await startInstance({ routes: [PUBLIC] });
    const [first, second] = ['one.json', 'two.json'].map((name) => instance.file.text(name, 'not JSON'));
    const issuer = (jwksFile = '') => ({ issuer: `https://${jwksFile.length}.test`, jwksFile, algorithms: ['ES256'] });
    const issuers = { a: issuer(first), b: { ...issuer(second), issuer: 'https://b.test' } };
    instance.file.write({ routes: [PUBLIC], config: { issuers } });
    const files = await reload(instance);
    expect(files.problems).toEqual([
      expect.stringMatching(/^.*sallyport\.yaml:\d+:\d+: error: issuers\.a\.jwksFile: .*one\.json/),
      expect.stringMatching(/^.*sallyport\.yaml:\d+:\d+: error: issuers\.b\.jwksFile: .*two\.json/),
    ]);
    instance.file.write({ routes: [PUBLIC], config: { issuers, lgo: {} } });
    expect((await reload(instance)).problems.map((line) => line.replace(/^.*\[/, '['))).toEqual([
      '[config/file]',
      '[config/file]',
      '[config/unknown-key]',
    ]);
  });

  test('changes nothing when a file that it names exists but is unusable', async () => {
    await using upstream = await answering('ok')();
    await using instance = await startInstance({ upstream: upstream.origin, routes: [PUBLIC] });
    const { hash } = instance.instance.reloader.inUse;
    const jwksFile = instance.file.text('jwks.json', 'not JSON');
    instance.file.write({
      upstream: 'http://127.0.0.1:1',
      routes: [PUBLIC],
      config: { issuers: { a: { issuer: 'https://a.test', jwksFile, algorithms: ['ES256'] } } },
    });
    const report = await reload(instance);
    expect(report.result).toBe('rejected');
    expect(report.problems.join()).toContain('jwks.json');
    expect(report.hash).toBe(hash);
    expect(await (await instance.admin('/-/config')).json()).toMatchObject({ hash, config: { issuers: {} } });
    expect((await rawRequest(instance.port, get('/'))).body.toString()).toBe('ok');
  });
});

describe('requests', () => {
  test('survive twenty reloads under load, each with its own complete answer', async () => {
    const echo = () =>
      RecordingUpstream.start((request, socket) => {
        const target = request.head.split(' ')[1] ?? '';
        setTimeout(
          () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`),
          Math.random() * 10,
        );
      });
    await using first = await echo();
    await using second = await echo();
    await using instance = await startInstance({ upstream: first.origin });
    const gateway = gatewayOf(instance);
    let isOver = false;
    let answered = 0;
    const client = async (number: number) => {
      const { sessionId } = await gateway.sessions.open({
        subject: `user-${number}`,
        user: {},
        method: 'password',
        device: '',
      });
      await using connection = await RawConnection.open(instance.port);
      for (let count = 0; !isOver; count += 1) {
        const target = `/${number}/${count}`;
        connection.write(get(target, [`Cookie: __Host-sid=${sessionId}`]));
        const response = await connection.response();
        expect([response.status, response.body.toString()]).toEqual([200, target]);
        answered += 1;
      }
    };
    const clients = Array.from({ length: 32 }, (_, number) => client(number));
    for (let round = 1; round <= 20; round += 1) {
      const before = answered;
      instance.file.write({
        upstream: round % 2 === 0 ? first.origin : second.origin,
        config: { login: { title: `Round ${round}` } },
      });
      expect((await reload(instance)).result).toBe('applied');
      await until(() => answered > before + 32, 'some requests are answered');
    }
    isOver = true;
    await Promise.all(clients);
    expect(first.requests.length).toBeGreaterThan(0);
    expect(second.requests.length).toBeGreaterThan(0);
    await until(() => second.openConnections === 0, 'the removed upstream has no connection left');
    expect(first.openConnections).toBeGreaterThan(0);
  });

  test('in progress finish on the configuration they began with, and are counted under its route', async () => {
    const held: (() => void)[] = [];
    await using upstream = await RecordingUpstream.start((_request, socket) => {
      held.push(() => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    });
    await using other = await answering('other')();
    const old = { ...PUBLIC, id: 'old', responseHeaders: { set: { 'X-Configuration': 'old' } } };
    await using instance = await startInstance({
      upstream: upstream.origin,
      routes: [{ ...PUBLIC, id: 'a', match: { path: '/a' } }, old],
    });
    await using connection = await RawConnection.open(instance.port);
    connection.write(get('/slow'));
    await upstream.received(1);
    instance.file.write({ upstream: other.origin, routes: [{ ...PUBLIC, id: 'new' }] });
    expect((await reload(instance)).result).toBe('applied');
    expect((await rawRequest(instance.port, get('/'))).body.toString()).toBe('other');
    expect(upstream.openConnections).toBe(1);
    for (const answer of held) answer();
    const response = await connection.response();
    expect(response.body.toString()).toBe('ok');
    expect(response.headers.get('x-configuration')).toBe('old');
    await until(() => upstream.openConnections === 0, 'the removed upstream has no connection left');
    const metrics = await metricsOf(instance);
    for (const route of ['old', 'new']) {
      expect(metrics).toContain(`sallyport_http_requests_total{route="${route}",method="GET",code_class="2xx"} 1\n`);
    }
    expect(metrics).toContain('sallyport_http_requests_total{route="a",method="GET",code_class="2xx"} 0\n');
  });

  test('R2: in progress finish, whatever they use and however many reloads happen', async () => {
    const held: (() => void)[] = [];
    await using upstream = await RecordingUpstream.start((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npa');
      held.push(() => void socket.write('rt'));
    });
    await using instance = await startInstance({ upstream: upstream.origin, routes: [PUBLIC] });
    const connections: RawConnection[] = [];
    const begin = async () => {
      const connection = await RawConnection.open(instance.port);
      connection.write(get('/slow'));
      await upstream.received(connections.push(connection));
    };
    const apply = async (options: Parameters<TestInstance['file']['write']>[0]) => {
      instance.file.write(options);
      expect((await reload(instance)).result).toBe('applied');
    };
    await begin();
    // The next configuration has the same upstream and no requests, the one after it another upstream.
    await apply({ upstream: upstream.origin, routes: [{ ...PUBLIC, id: 'same' }] });
    await apply({ upstream: 'http://127.0.0.1:1', routes: [PUBLIC] });
    // The first upstream again, as a new one; then configurations without it.
    await apply({ upstream: upstream.origin, routes: [PUBLIC] });
    await begin();
    for (const at of [1, 2]) await apply({ upstream: `http://127.0.0.1:${at}`, routes: [PUBLIC] });
    for (const finish of held) finish();
    for (const connection of connections) {
      expect((await connection.response()).body.toString()).toBe('part');
      connection.close();
    }
    await until(() => upstream.openConnections === 0, 'the removed upstream has no connection left');
  });

  test('for a reload run one at a time, and all those made meanwhile share the next run', async () => {
    using file = new ConfigFileFixture();
    file.write({ routes: [PUBLIC] });
    const first = Promise.withResolvers<void>();
    let loads = 0;
    let underWay = 0;
    let most = 0;
    const reloader = new Reloader({
      initial: await file.loadToRun(),
      load: async () => {
        loads += 1;
        if (loads === 1) await first.promise;
        return file.load();
      },
      apply: async () => {
        underWay += 1;
        most = Math.max(most, underWay);
        await new Promise(setImmediate);
        underWay -= 1;
        return [{ process: 'gateway', problem: null, kept: [] }];
      },
      log: createLog('error', new CapturedLog()),
      series: new ReloadSeries(new MetricRegistry()),
      clocks: new TestClocks(),
    });
    const asked = [reloader.reload()];
    await until(() => loads === 1, 'the first is under way');
    // It may already have read the files, so another load has to follow.
    asked.push(...Array.from({ length: 50 }, () => reloader.reload()));
    first.resolve();
    expect((await Promise.all(asked)).map(({ result }) => result)).toEqual(Array(51).fill('applied'));
    expect([loads, most]).toEqual([2, 1]);
    expect(reloader.history().reloads).toHaveLength(2);
    await reloader.reload();
    expect(loads).toBe(3);
  });
});
