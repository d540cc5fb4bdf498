/** `sallyport doctor`: each kind of trouble is caused with real servers, and is reported. */

import { chmodSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { DoctorFinding } from '../../src/cli/doctor/finding.ts';
import { ADVICE } from '../../src/cli/why/advice.ts';
import { type Clocks, systemClocks } from '../../src/lib/clock.ts';
import { addKey } from '../../src/token/key-directory.ts';
import { TestClocks } from '../support/clocks.ts';
import { HOST, testConfig } from '../support/gateway.ts';
import { ADMIN_TOKEN, type InstanceTestOptions, startInstance, type TestInstance } from '../support/instance.ts';
import { TestAuthority } from '../support/issuers/certificates.ts';
import { answering, KeyServer } from '../support/issuers/key-server.ts';
import { freePort } from '../support/ports.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { RedisServer } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { until } from '../support/until.ts';
import { cli, temporaryDirectory } from './support.ts';

const DAY_MS = 86_400_000;

interface Diagnosis {
  readonly code: number;
  readonly well: boolean;
  readonly findings: readonly DoctorFinding[];
}

async function diagnose(argv: readonly string[], clocks: Clocks = systemClocks): Promise<Diagnosis> {
  const { code, out, err } = await cli(['doctor', '--json', ...argv], { clocks });
  expect(err).toBe('');
  return { code, ...(JSON.parse(out) as Omit<Diagnosis, 'code'>) };
}

/** Without warnings that have nothing to do with the test. */
const quiet = (options: InstanceTestOptions): InstanceTestOptions => ({
  ...options,
  config: { acceptWarnings: ['login/no-way-in', 'config/unused'], ...options.config },
});
const start = (options: Parameters<typeof startInstance>[0] & object) =>
  startInstance({ ...options, ...quiet(options) });

/** Diagnoses a running gateway, with its configuration. */
const beside = (instance: TestInstance, clocks?: Clocks) =>
  diagnose(
    [
      ...['-c', instance.file.path, '--admin-url', `http://127.0.0.1:${instance.adminPort}`],
      ...['--token-file', join(instance.file.directory, 'admin.token')],
    ],
    clocks,
  );

/** Diagnoses a configuration that no gateway runs. */
async function ofFile(options: InstanceTestOptions, files: Readonly<Record<string, string>> = {}, clocks?: Clocks) {
  const directory = temporaryDirectory();
  for (const [name, text] of Object.entries({ 'admin.token': ADMIN_TOKEN, ...files }))
    writeFileSync(join(directory, name), text, { mode: 0o600 });
  const path = join(directory, 'sallyport.yaml');
  const port = await freePort();
  const admin = { address: `127.0.0.1:${port}`, tokenFile: 'admin.token' };
  const { listeners, ...config } = quiet(options).config ?? {};
  writeFileSync(
    path,
    stringify(
      testConfig({
        ...options,
        config: { listeners: { public: { address: '127.0.0.1:0' }, admin, ...(listeners as object) }, ...config },
      }),
    ),
  );
  return diagnose(['-c', path], clocks);
}

/** The failures and warnings, as `verdict about: text`. */
const troubles = ({ findings }: Diagnosis) =>
  findings
    .filter(({ verdict }) => verdict === 'failure' || verdict === 'warning')
    .map(({ verdict, about, text }) => `${verdict} ${about}: ${text}`);

/** The findings about one thing. */
const about = ({ findings }: Diagnosis, what: string) => findings.filter((finding) => finding.about === what);

const keyFilesOf = (directory: string) => readdirSync(directory).filter((name) => name.endsWith('.key.json'));

let upstream: RecordingUpstream;
beforeAll(async () => {
  upstream = await RecordingUpstream.start();
});
afterAll(() => upstream[Symbol.asyncDispose]());

describe('a gateway in good health', () => {
  test('has no trouble, and a line for each check; exit code 0', async () => {
    await using instance = await start({ upstream: upstream.origin });
    const diagnosis = await beside(instance);
    expect([troubles(diagnosis), diagnosis.code, diagnosis.well]).toEqual([[], 0, true]);
    const fine = diagnosis.findings.filter(({ verdict }) => verdict === 'ok').map((finding) => finding.about);
    expect(fine).toEqual(['configuration', 'gateway', 'readiness', 'drift', 'feed', 'limits', 'requests']);
  });

  test('only a finding of trouble says why it matters, and it says what to do', async () => {
    const diagnosis = await ofFile({ config: { store: { redis: { url: 'redis://127.0.0.1:1' } } } });
    expect(troubles(diagnosis).length).toBeGreaterThan(1);
    for (const { verdict, why, cure } of diagnosis.findings) {
      const isTrouble = verdict === 'failure' || verdict === 'warning';
      expect([why !== null, !isTrouble || cure !== null]).toEqual([isTrouble, true]);
    }
  });
});

describe('a gateway that is down', () => {
  test('is reported, and its file is still checked; exit code 1', async () => {
    const diagnosis = await ofFile({ upstream: upstream.origin });
    expect(diagnosis.code).toBe(1);
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(/^failure gateway: cannot be asked: http:\/\/127\.0\.0\.1:\d+: nothing listens there$/),
    ]);
    expect(about(diagnosis, 'configuration')[0]?.text).toMatch(/sallyport\.yaml is valid$/);
  });

  test('with an invalid configuration: each mistake is reported at its line', async () => {
    const diagnosis = await ofFile({
      routes: [{ id: 'a', match: { path: '/' }, credential: 'none', upstream: 'orderz' }],
    });
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(/^failure configuration: \S+sallyport\.yaml:\d+: .*orderz.* \[routes\//),
      expect.stringContaining('failure gateway: cannot be asked: '),
    ]);
  });

  test('without a configuration file: both are reported', async () => {
    const path = join(temporaryDirectory(), 'none.yaml');
    const diagnosis = await diagnose(['-c', path]);
    expect(troubles(diagnosis)).toEqual([
      `failure configuration: ${path}: there is no such file`,
      expect.stringContaining('failure gateway: cannot be asked: '),
    ]);
  });
});

describe('the admin listener', () => {
  test('that refuses the token: the rest is still checked', async () => {
    await using instance = await start({ upstream: upstream.origin });
    writeFileSync(join(instance.file.directory, 'other.token'), `${ADMIN_TOKEN}-no`);
    const diagnosis = await diagnose([
      ...['-c', instance.file.path, '--admin-url', `http://127.0.0.1:${instance.adminPort}`],
      ...['--token-file', join(instance.file.directory, 'other.token')],
    ]);
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(/^warning gateway: answers, but its API does not: .*401/),
    ]);
    expect(about(diagnosis, 'readiness')[0]?.verdict).toBe('ok');
  });

  test('that is another program is reported', async () => {
    const server = createServer((_request, response) => response.end('<html>hello</html>'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const token = join(temporaryDirectory(), 'token');
    writeFileSync(token, ADMIN_TOKEN);
    const diagnosis = await diagnose(['--admin-url', `http://127.0.0.1:${port}`, '--token-file', token]);
    server.close();
    expect(troubles(diagnosis)).toContainEqual(expect.stringContaining('does not answer like an admin listener'));
  });

  test('can be diagnosed without a configuration file', async () => {
    await using instance = await start({ upstream: upstream.origin });
    const diagnosis = await diagnose([
      ...['-c', join(temporaryDirectory(), 'none.yaml'), '--admin-url', `http://127.0.0.1:${instance.adminPort}`],
      ...['--token-file', join(instance.file.directory, 'admin.token')],
    ]);
    expect([diagnosis.code, troubles(diagnosis)]).toEqual([0, []]);
    expect(about(diagnosis, 'configuration')[0]?.verdict).toBe('note');
  });
});

describe('readiness and drift', () => {
  test('report a required upstream that is down', async () => {
    await using instance = await start({
      config: {
        listeners: {
          public: { address: '127.0.0.1:0' },
          admin: { address: '127.0.0.1:0', readyRequires: ['upstreams'] },
        },
        upstreams: { app: { endpoints: ['http://127.0.0.1:9'] } },
      },
    });
    expect(troubles(await beside(instance))).toEqual([
      'failure upstream app: no endpoint accepts connections',
      'failure readiness: it is not ready, because of the required parts above',
    ]);
  });

  test('report a file that was not reloaded, one that was rejected, and a key that needs a restart', async () => {
    await using instance = await start({ upstream: upstream.origin });
    const { reloader } = instance.instance;
    const inUse = reloader.inUse.hash;
    instance.file.write(quiet({ upstream: upstream.origin, config: { session: { idleTimeout: '7m' } } }));
    expect(troubles(await beside(instance))).toEqual([
      expect.stringMatching(new RegExp(`^warning drift: the process runs ${inUse}, \\S+ is \\w+$`)),
    ]);
    instance.file.write(quiet({ upstream: upstream.origin, config: { metrics: { labels: [] } } }));
    await reloader.reload();
    expect(troubles(await beside(instance))).toEqual([
      'warning drift: changed, but in use only after a restart: metrics.labels',
    ]);
    instance.file.write(quiet({ routes: [{ id: 'a', match: { path: '/' }, credential: 'none', upstream: 'orderz' }] }));
    await reloader.reload();
    instance.file.write(quiet({ upstream: upstream.origin }));
    expect(troubles(await beside(instance))).toContainEqual(
      expect.stringMatching(/^failure reload: the last one was rejected at \S+Z: .*orderz/),
    );
  });
});

describe('Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis[Symbol.asyncDispose]());
  /** The findings about the store and about clocks, for a configuration with these Redis keys. */
  async function ofStore(keys: Record<string, unknown>, files: Readonly<Record<string, string>> = {}, clocks?: Clocks) {
    // On a busy machine Redis may answer late, which doctor reports too.
    return (await ofSlowStore(keys, files, clocks)).filter((line) => !line.includes(': a round trip takes '));
  }
  /** The same, with how long a round trip takes. */
  async function ofSlowStore(
    keys: Record<string, unknown>,
    files: Readonly<Record<string, string>>,
    clocks: Clocks | undefined,
  ) {
    const diagnosis = await ofFile(
      { config: { store: { redis: { commandTimeout: '60s', connectTimeout: '60s', ...keys } } } },
      files,
      clocks,
    );
    return troubles(diagnosis).filter((line) => / (?:store|clock): /.test(line));
  }

  test('that is healthy is reported with its version', async () => {
    const diagnosis = await ofFile({ config: { store: { redis: { url: redis.url, commandTimeout: '60s' } } } });
    // On a busy machine Redis may answer late, which doctor reports too.
    const found = about(diagnosis, 'store').filter(({ text }) => !text.startsWith('a round trip takes '));
    expect(found.map(({ verdict, text }) => [verdict, text])).toEqual([
      [
        'ok',
        expect.stringMatching(
          /^redis \(127\.0\.0\.1:\d+\): does everything that the gateway needs \((?:Redis|Valkey) \d+\.\d+\.\d+\)$/,
        ),
      ],
    ]);
    expect(about(diagnosis, 'clock')).toMatchObject([{ verdict: 'ok' }]);
  });

  test('that is down is reported', async () => {
    expect(await ofStore({ url: 'redis://127.0.0.1:1' })).toEqual([
      'failure store: redis (127.0.0.1:1): no connection to Redis (ECONNREFUSED)',
    ]);
  });

  test('that may drop sessions and has little memory left is reported', async () => {
    const used = Number(/used_memory:(\d+)/.exec(await redis.cli('INFO', 'memory'))?.[1]);
    await redis.cli('CONFIG', 'SET', 'maxmemory', String(Math.floor(used * 1.05)), 'maxmemory-policy', 'allkeys-lru');
    const found = await ofStore({ url: redis.url });
    await redis.cli('CONFIG', 'SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction');
    expect(found).toEqual([
      'failure store: maxmemory-policy is allkeys-lru',
      expect.stringMatching(/^warning store: \d+ % of its memory is in use$/),
    ]);
  });

  test('that refuses the password is reported', async () => {
    await using locked = await RedisServer.start({ password: 'right-password' });
    const found = await ofStore(
      { url: locked.url, passwordFile: 'redis.password' },
      { 'redis.password': 'wrong-password' },
    );
    expect(found).toEqual([expect.stringContaining('Redis refuses the user or password (WRONGPASS)')]);
  });

  test('whose user lacks a right is reported', async () => {
    await redis.cli(
      'ACL',
      'SETUSER',
      'poor',
      'on',
      '>pw',
      'resetkeys',
      '~sallyport:*',
      '&sallyport:*',
      '+@all',
      '-eval',
    );
    const found = await ofStore({ url: redis.url.replace('redis://', 'redis://poor:pw@') });
    expect(found).toEqual([expect.stringMatching(/^failure store: .*lacks a right that the gateway needs \(NOPERM\)/)]);
  });

  test('whose user has only the necessary rights: a note says what is unknown', async () => {
    const rights =
      '+get +getrange +set +del +eval +zscore +zrange +zrem +zadd +zcard +pttl +pexpire +setrange +hset +hget +hmget +hdel +time +publish +subscribe +ping +select';
    await redis.cli(
      ...[
        'ACL',
        'SETUSER',
        'least',
        'on',
        '>pw',
        'resetkeys',
        'resetchannels',
        '-@all',
        '~sallyport:*',
        '&sallyport:*',
      ],
      ...rights.split(' '),
    );
    const diagnosis = await ofFile({
      config: { store: { redis: { url: redis.url.replace('redis://', 'redis://least:pw@'), commandTimeout: '60s' } } },
    });
    expect(about(diagnosis, 'store').map(({ verdict, text }) => [verdict, text])).toEqual([
      ['ok', expect.stringMatching(/: does everything that the gateway needs$/)],
      ['note', expect.stringContaining('are unknown')],
    ]);
  });

  test('whose clock is wrong is reported', async () => {
    const ahead: Clocks = { ...systemClocks, wallMs: () => systemClocks.wallMs() + 20_000 };
    expect(await ofStore({ url: redis.url }, {}, ahead)).toEqual([
      expect.stringMatching(/^failure clock: that of the store is (?:1\ds|20s) behind$/),
    ]);
    const behind: Clocks = { ...systemClocks, wallMs: () => systemClocks.wallMs() - 8_000 };
    expect(await ofStore({ url: redis.url }, {}, behind)).toEqual([
      expect.stringMatching(/^warning clock: that of the store is [1-8]s ahead$/),
    ]);
  });

  test('that answers slowly is reported', async () => {
    // Each reading of this clock advances it by another 50 ms, as if every answer took that long.
    let turns = 0;
    const slow: Clocks = { wallMs: systemClocks.wallMs, monotonicMs: () => systemClocks.monotonicMs() + 50 * turns++ };
    expect(await ofSlowStore({ url: redis.url }, {}, slow)).toContainEqual(
      expect.stringMatching(/^warning store: a round trip takes \d+ms$/),
    );
  });

  test('that a running gateway has lost is reported, as is its interrupted feed', async () => {
    await using lost = await RedisServer.start();
    await using proxy = await RedisProxy.start(lost.port);
    await using instance = await start({
      upstream: upstream.origin,
      config: { store: { redis: { url: `redis://127.0.0.1:${proxy.port}`, commandTimeout: '60s' } } },
    });
    const feedOf = () => instance.instance.localGateway?.store.feed.provenAtMs() ?? null;
    await until(() => feedOf() !== null, 'the feed is proven');
    await proxy[Symbol.asyncDispose]();
    await until(() => feedOf() === null, 'the feed is cut');
    const found = troubles(await beside(instance));
    expect(found).toContainEqual(expect.stringMatching(/^failure store: .*: no connection to Redis/));
    expect(found).toContainEqual(
      expect.stringMatching(/^failure feed: gateway: interrupted; last proven complete \S+ ago$/),
    );
  });
});

describe('signing keys', () => {
  const clocks = systemClocks;
  /** The findings about a directory with keys of these ages in days. */
  async function ofKeys(
    agesDays: readonly number[],
    keys: Record<string, unknown>,
    change = (_directory: string) => {},
  ) {
    const directory = temporaryDirectory();
    for (const age of agesDays) {
      const sinceMs = clocks.wallMs() - age * DAY_MS;
      await addKey(directory, 'ES256', sinceMs, sinceMs);
    }
    change(directory);
    const diagnosis = await ofFile({ config: { upstreamToken: { keys: { directory, ...keys } } } });
    return about(diagnosis, 'signing keys').map(({ verdict, text }) => `${verdict}: ${text}`);
  }

  test('are reported with the time at which the next one signs', async () => {
    expect(await ofKeys([3], { rotateEvery: '30d' })).toEqual([
      expect.stringMatching(/^ok: the active key has been active for 3d(?: \S+)?; the next one signs from \S+Z$/),
    ]);
  });

  test('that should have been rotated are reported', async () => {
    expect(await ofKeys([40], { rotateEvery: '30d' })).toEqual([
      expect.stringMatching(
        /^failure: the active key .* for 40d(?: \S+)?; its successor should have been published by \S+Z$/,
      ),
    ]);
  });

  test('that are old and are never rotated get a note', async () => {
    expect(await ofKeys([400], {})).toEqual([
      expect.stringMatching(/^note: .* 400d(?: \S+)?, and nothing rotates it$/),
    ]);
  });

  test('that are world-readable are reported', async () => {
    const open = (directory: string) => {
      for (const file of new Set(keyFilesOf(directory))) chmodSync(join(directory, file), 0o644);
    };
    expect(await ofKeys([1], {}, open)).toContainEqual(
      expect.stringMatching(/^failure: everybody on this machine can read \S+\.key\.json$/),
    );
  });

  test('that differ between the process and the directory are reported', async () => {
    const directory = temporaryDirectory();
    await addKey(directory, 'ES256', clocks.wallMs() - DAY_MS, clocks.wallMs() - DAY_MS);
    await using instance = await start({
      upstream: upstream.origin,
      config: { upstreamToken: { keys: { directory } } },
    });
    for (const file of keyFilesOf(directory)) rmSync(join(directory, file));
    await addKey(directory, 'ES256', clocks.wallMs() - 2 * DAY_MS, clocks.wallMs() - 2 * DAY_MS);
    expect(troubles(await beside(instance))).toEqual([
      'failure signing keys: gateway does not sign with the active key of the directory',
    ]);
  });
});

describe('a certificate', () => {
  const authority = new TestAuthority();
  async function ofCertificate(fromDays: number, untilDays: number, names: readonly string[] = ['shop.example.com']) {
    const at = (days: number) => new Date(Date.now() + days * DAY_MS);
    const { certificate, key } = authority.issue({ names, notBefore: at(fromDays), notAfter: at(untilDays) });
    const tls = { certificates: [{ certFile: 'cert.pem', keyFile: 'key.pem' }] };
    const diagnosis = await ofFile(
      { config: { listeners: { public: { address: '127.0.0.1:0', tls } } } },
      { 'cert.pem': certificate, 'key.pem': key },
    );
    return diagnosis.findings
      .filter((finding) => /^certificate|^configuration/.test(finding.about) && finding.verdict !== 'note')
      .map(({ verdict, text }) => `${verdict}: ${text}`);
  }

  test('that is valid is fine', async () => {
    expect(await ofCertificate(-1, 90)).toContainEqual(
      expect.stringMatching(/^ok: of shop\.example\.com is valid until /),
    );
  });
  test('that ends soon is reported', async () => {
    expect(await ofCertificate(-1, 5)).toContainEqual(
      expect.stringMatching(/^warning: of shop\.example\.com is valid until \S+, for 4d/),
    );
  });
  test('that has expired is reported', async () => {
    expect(await ofCertificate(-30, -1)).toContainEqual(
      expect.stringMatching(/^failure: .*cert\.pem expired on .* \[config\/file\]$/),
    );
  });
  test('that is not valid yet is reported', async () => {
    expect(await ofCertificate(1, 30)).toContainEqual(
      expect.stringMatching(/^failure: of shop\.example\.com is not valid before /),
    );
  });
  test('that lacks the name of a public origin is reported', async () => {
    expect(await ofCertificate(-1, 90, ['other.example.com'])).toContainEqual(
      expect.stringMatching(/^warning: .*shop\.example\.com.* \[tls\/uncovered-host\]$/),
    );
  });
});

describe('issuers', () => {
  let server: KeyServer;
  beforeAll(async () => {
    server = await KeyServer.start(answering({ keys: [] }));
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const issuerAt = (jwksUrl: string) => ({
    issuers: { billing: { issuer: 'https://billing.example', jwksUrl, algorithms: ['ES256'] } },
  });
  const ofIssuer = async (jwksUrl: string) =>
    troubles(await ofFile({ config: issuerAt(jwksUrl) })).filter((line) => /(?:issuer billing|clock)/.test(line));

  test('that answer and have the right clock are fine', async () => {
    expect(await ofIssuer(server.origin)).toEqual([]);
  });

  test.each([
    [-60_000, /^failure clock: that of issuer billing is 5\ds behind$/],
    [15_000, /^warning clock: that of issuer billing is 1[0-5]s ahead$/],
  ])('whose clock is off by %d ms are reported', async (offMs, line) => {
    server.behaviour = (_request, response) =>
      void response.writeHead(200, { date: new Date(Date.now() + offMs).toUTCString() }).end('{"keys":[]}');
    expect(await ofIssuer(server.origin)).toEqual([expect.stringMatching(line)]);
  });

  test('that do not answer, or answer with an error, are reported', async () => {
    expect(await ofIssuer('http://127.0.0.1:9')).toEqual([
      'warning issuer billing: http://127.0.0.1:9 does not answer from here: ECONNREFUSED',
    ]);
    server.behaviour = (_request, response) => void response.writeHead(404).end();
    expect(await ofIssuer(server.origin)).toEqual([`warning issuer billing: ${server.origin} answers 404 from here`]);
  });

  test('whose keys have not been fetched for a long time are reported', async () => {
    const clocks = TestClocks.atNow();
    const { publicKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
    const jwk = await crypto.subtle.exportKey('jwk', publicKey);
    server.behaviour = answering({ keys: [{ ...jwk, kid: 'one', alg: 'ES256', use: 'sig', key_ops: undefined }] });
    await using instance = await start({ upstream: upstream.origin, config: issuerAt(server.origin), clocks });
    const ageOf = () => instance.instance.localGateway?.runtime.issuers.get('billing')?.keys.ageMs ?? null;
    await until(() => ageOf() !== null, 'the keys are fetched');
    clocks.advance(20 * 60_000);
    expect(troubles(await beside(instance))).toContainEqual(
      'warning issuer billing: gateway has fetched its keys 20m ago, and not since',
    );
  });
});

describe('doctor reports', () => {
  test('limits that were reached, and failed requests with the advice of "why"', async () => {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<() => void>();
    const usual = upstream.answer;
    upstream.answer = (request, socket) => arrive(() => usual(request, socket));
    await using instance = await start({
      config: { upstreams: { app: { endpoints: [upstream.origin] }, gone: { endpoints: ['http://127.0.0.1:9'] } } },
      routes: [
        { id: 'one', match: { path: '/one' }, credential: 'none', maxRequests: 1 },
        { id: 'gone', match: { path: '/gone' }, credential: 'none', upstream: 'gone' },
        { id: 'closed', match: { path: '/closed' }, credential: 'session' },
      ],
    });
    const get = (path: string) => rawRequest(instance.port, requestHead('GET', path, [HOST]));
    const first = get('/one');
    const finish = await arrived;
    await get('/one');
    upstream.answer = usual;
    finish();
    await first;
    for (const path of ['/gone', '/gone', '/closed']) await get(path);
    const diagnosis = await beside(instance);
    expect(troubles(diagnosis)).toEqual([
      'warning upstream gone: no endpoint accepts connections',
      'warning limits: requests refused because a client, a session or a route had too many in progress: 1',
      expect.stringMatching(
        /^warning requests: 2 × 502 upstream_connect_failed, the last one at \S+Z on route gone \(id [0-9a-f]{32}\)$/,
      ),
      expect.stringMatching(/^warning requests: 1 × 503 overloaded, the last one at \S+ on route one /),
    ]);
    const [fault, , refusal] = about(diagnosis, 'requests');
    const { cause, cure } = ADVICE.upstream_connect_failed;
    expect([fault?.why, fault?.cure]).toEqual([cause, cure]);
    expect(refusal).toMatchObject({ verdict: 'note', text: expect.stringMatching(/^1 × 401 credential_missing, /) });
    expect(refusal?.cure).toMatch(/^sallyport why [0-9a-f]{32}$/);
    expect(diagnosis.code).toBe(0);
  });

  test('an audit file that cannot be written to', async () => {
    const diagnosis = await ofFile({
      config: { log: { auditFile: '/no/such/directory/audit.log', onAuditFailure: 'refuse' } },
    });
    expect(about(diagnosis, 'audit')).toMatchObject([
      {
        verdict: 'failure',
        text: '/no/such/directory cannot be written to by this user',
        why: expect.stringContaining('503'),
      },
    ]);
  });
});

test('the text has a line for each finding, why it matters and what to do, and a summary', async () => {
  await using instance = await start({ config: { upstreams: { app: { endpoints: ['http://127.0.0.1:9'] } } } });
  const { code, out } = await cli([
    ...['doctor', '-c', instance.file.path, '--admin-url', `http://127.0.0.1:${instance.adminPort}`],
    ...['--token-file', join(instance.file.directory, 'admin.token')],
  ]);
  expect(code).toBe(0);
  expect(out).toMatch(/^ok {7}configuration {2}\S+ is valid\n/);
  expect(out).toMatch(
    /\nwarning {2}upstream app {3}no endpoint accepts connections\n {24}Why: .*\n {24}Do: {2}None of its servers/,
  );
  expect(out).toMatch(/\n\n0 failures, 1 warning\n$/);
});
