/** Several worker processes behind one address, with a real Redis. */

import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { USERS } from '../endpoints/login/fixture.ts';
import { HOST } from '../support/gateway.ts';
import { ADMIN_TOKEN } from '../support/instance.ts';
import { GatewayProcess } from '../support/process.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { RedisServer } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { until } from '../support/until.ts';
import { openWorkerSession, workerOptions } from '../support/worker-processes.ts';

const get = (target: string, headers: readonly string[] = []) => requestHead('GET', target, [HOST, ...headers]);

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

/** Workers with a long shutdown timeout for requests in progress. */
const options = (upstream: string, more: Record<string, unknown> = {}) =>
  workerOptions(redis.url, upstream, { shutdown: { timeout: '60s' }, ...more });

/** Statuses of several requests, each on its own connection: the workers take turns. */
async function statuses(gateway: GatewayProcess, count: number, request: string): Promise<number[]> {
  const responses = await Promise.all(Array.from({ length: count }, () => rawRequest(gateway.port, request)));
  return responses.map(({ status }) => status);
}

const metric = async (gateway: GatewayProcess, name: string) => {
  const text = await (await gateway.admin('/metrics')).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return line === undefined ? null : Number(line.slice(name.length + 1));
};
const REQUESTS = 'sallyport_http_requests_total{route="open",method="GET",code_class="2xx"}';

/** Process ids of the workers. */
async function workerPids(gateway: GatewayProcess): Promise<number[]> {
  const children = readFileSync(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8');
  return children.trim().split(' ').map(Number);
}

describe('two workers of one gateway', () => {
  let upstream: RecordingUpstream;
  let gateway: GatewayProcess;
  beforeAll(async () => {
    upstream = await RecordingUpstream.start();
    gateway = await GatewayProcess.start(options(upstream.origin));
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await until(async () => (await gateway.status('/readyz')) === 200, 'both are ready');
  });

  /** How much a total has grown from an earlier value. */
  const grownFrom = async (before: number | null, name: string) => ((await metric(gateway, name)) ?? 0) - (before ?? 0);

  test('accept sessions that either opened, and refuse them once revoked', async () => {
    const ended = 'sallyport_sessions_ended_total{cause="operator"}';
    const before = await metric(gateway, ended);
    const cookie = await openWorkerSession(gateway, 'bob');
    const request = get('/', [cookie]);
    expect(await statuses(gateway, 8, request)).toEqual(Array(8).fill(200));
    const connections = await Promise.all(Array.from({ length: 8 }, () => RawConnection.open(gateway.port)));
    for (const connection of connections) {
      connection.write(request);
      expect((await connection.response()).status).toBe(200);
    }
    const { sessions } = (await (await gateway.admin('/api/sessions?subject=bob')).json()) as {
      sessions: { handle: string }[];
    };
    expect(sessions).toHaveLength(1);
    const revoked = await gateway.admin(`/api/sessions/${sessions[0]?.handle}`, { method: 'DELETE' });
    expect(await revoked.json()).toEqual({ revoked: [sessions[0]?.handle] });
    await until(async () => (await statuses(gateway, 8, request)).every((status) => status === 401), 'both refuse it');
    for (const connection of connections) {
      connection.write(request);
      const { status, headers } = await connection.response();
      expect(status).toBe(401);
      // Only the worker that answered remembers the request.
      const id = headers.get('x-request-id') ?? '';
      const recent = await (await gateway.admin(`/api/requests?id=${id}`)).json();
      expect(recent).toMatchObject({ request: { id, status: 401, reason: 'session_unknown' } });
      connection.close();
    }
    expect(await grownFrom(before, ended)).toBe(1);
    const events = () => gateway.records.filter(({ event }) => event === 'session_revoked');
    await until(() => events().length > 0, 'it is audited');
    expect(events()).toMatchObject([{ by: 'operator', subject: 'bob', handle: sessions[0]?.handle }]);
  });

  test.skipIf(process.platform !== 'linux')(
    'R14: accept connections themselves, even while the primary is stopped',
    async () => {
      const before = await metric(gateway, REQUESTS);
      process.kill(gateway.pid, 'SIGSTOP');
      try {
        expect(await statuses(gateway, 16, get('/open'))).toEqual(Array(16).fill(200));
      } finally {
        process.kill(gateway.pid, 'SIGCONT');
      }
      // All sixteen connections reach the same worker by chance once in 30,000 runs.
      const pids = await workerPids(gateway);
      expect(pids).toHaveLength(2);
      expect(await grownFrom(before, REQUESTS)).toBe(16);
    },
  );

  test('look like one gateway to a scraper, and no total decreases when one ends', async () => {
    const DURATIONS = 'sallyport_http_request_duration_seconds_count{route="open",code_class="2xx"}';
    const RESTARTS = 'sallyport_workers_restarts_total';
    const [requests, durations, restarts] = [
      await metric(gateway, REQUESTS),
      await metric(gateway, DURATIONS),
      await metric(gateway, RESTARTS),
    ];
    expect(await statuses(gateway, 20, get('/open'))).toEqual(Array(20).fill(200));
    expect(await grownFrom(requests, REQUESTS)).toBe(20);
    expect(await grownFrom(durations, DURATIONS)).toBe(20);
    expect(await metric(gateway, 'sallyport_workers_ready')).toBe(2);
    expect(await metric(gateway, 'sallyport_store_up')).toBe(1);
    expect(await metric(gateway, 'sallyport_config_last_reload_successful')).toBe(1);
    expect(await metric(gateway, 'sallyport_upstream_healthy{upstream="app"}')).toBe(1);
    const text = await (await gateway.admin('/metrics')).text();
    expect(text.match(/^sallyport_build_info\{.*\} 1$/gm)).toHaveLength(1);
    expect(text.match(/^process_start_time_seconds \d/gm)).toHaveLength(1);

    const [victim = 0] = await workerPids(gateway);
    process.kill(victim, 'SIGKILL');
    await until(async () => (await grownFrom(restarts, RESTARTS)) === 1, 'it is started again');
    expect(await grownFrom(requests, REQUESTS)).toBe(20);
    await until(async () => (await gateway.status('/readyz')) === 200, 'both are ready');
    await statuses(gateway, 10, get('/open'));
    expect(await grownFrom(requests, REQUESTS)).toBe(30);
  });

  test('are one gateway on the admin page: a row for each process, and summed counts', async () => {
    const authorization = `Basic ${btoa(`me:${ADMIN_TOKEN}`)}`;
    const rowsOf = async (path: string) => {
      const text = await (await gateway.admin(path, { headers: { authorization } })).text();
      const rows = [...text.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row = '']) => row.replace(/<\/?t[hd][^>]*>/g, ' '));
      return rows.map((row) =>
        row
          .replace(/<[^>]+>/g, '')
          .replace(/\s+/g, ' ')
          .trim(),
      );
    };
    const requests = async () => Number(/ (\d+) 0 0 0$/.exec((await rowsOf('/routes?find=open'))[1] ?? '')?.[1]);
    const before = await requests();
    expect(await statuses(gateway, 16, get('/open'))).toEqual(Array(16).fill(200));
    // A worker counts a request when the client has its answer.
    await until(async () => (await requests()) === before + 16, 'all requests are counted');
    const pids = await workerPids(gateway);
    const processes = (await rowsOf('/')).flatMap((row) => /^(worker \d) (\d+) \S+ ago /.exec(row)?.slice(1) ?? []);
    expect(processes.toSorted()).toEqual(['worker 1', 'worker 2', ...pids.map(String)].toSorted());
    expect((await rowsOf('/upstreams'))[1]).toMatch(/^app http:\/\/\S+ HTTP\/1\.1 takes requests /);
  });

  test('one that dies while it is asked is left out of the answer without delay', async () => {
    // Lines from earlier tests may still come: the log is written once a second.
    const beganMs = Date.now();
    const [victim = 0] = await workerPids(gateway);
    process.kill(victim, 'SIGSTOP');
    const health = gateway.admin('/readyz');
    const metrics = gateway.admin('/metrics');
    // Once the primary has answered many later requests, it has passed both on. One is not enough: it may use an open
    // connection and overtake these.
    for (let later = 0; later < 100; later += 1) expect(await gateway.status('/livez')).toBe(200);
    process.kill(victim, 'SIGKILL');
    const answers = await Promise.all([health, metrics]);
    expect(answers.map(({ status }) => status)).toEqual([503, 200]);
    const { components } = (await answers[0].json()) as { components: { name: string; ok: boolean }[] };
    expect(components).toContainEqual(expect.objectContaining({ name: 'workers', ok: false }));
    expect(components).toContainEqual(expect.objectContaining({ name: 'store', ok: true }));
    expect(await answers[1].text()).toContain('sallyport_store_up 1');
    const unanswered = () =>
      gateway.records.filter(({ msg, time }) => msg === 'worker did not answer' && Date.parse(String(time)) >= beganMs);
    await until(() => unanswered().length === 2, 'both are logged');
    expect(unanswered()).toMatchObject(
      ['health', 'nextMetrics'].map((method) => ({ method, fault: { message: 'the worker process has exited' } })),
    );
  });

  test('one performs the operation that the other does not answer', async () => {
    const cookie = await openWorkerSession(gateway, 'carol');
    const { sessions } = (await (await gateway.admin('/api/sessions?subject=carol')).json()) as {
      sessions: { handle: string }[];
    };
    const [stuck = 0] = await workerPids(gateway);
    process.kill(stuck, 'SIGSTOP');
    try {
      const revoked = await gateway.admin(`/api/sessions/${sessions[0]?.handle}`, { method: 'DELETE' });
      expect(await revoked.json()).toEqual({ revoked: [sessions[0]?.handle] });
    } finally {
      process.kill(stuck, 'SIGCONT');
    }
    const request = get('/', [cookie]);
    await until(async () => (await statuses(gateway, 8, request)).every((status) => status === 401), 'both refuse it');
  });

  test('reload together: a configuration that one rejects is used by neither', async () => {
    const APPLIED = 'sallyport_config_reloads_total{result="applied"}';
    const REJECTED = 'sallyport_config_reloads_total{result="rejected"}';
    const [applied, rejected] = [await metric(gateway, APPLIED), await metric(gateway, REJECTED)];
    const issuers = { a: { issuer: 'https://a.test', jwksFile: 'bad.json', algorithms: ['ES256'] } };
    gateway.rewrite({
      ...options('http://127.0.0.1:1', { issuers }),
      files: { ...options('').files, 'bad.json': 'no JSON' },
    });
    const response = await gateway.admin('/-/reload', { method: 'POST' });
    expect(response.status).toBe(422);
    expect(((await response.json()) as { problems: string[] }).problems.join()).toContain('bad.json');
    expect(await statuses(gateway, 8, get('/open'))).toEqual(Array(8).fill(200));
    expect(await metric(gateway, 'sallyport_config_last_reload_successful')).toBe(0);
    // Once for the request, and again if the changed file is noticed.
    expect(await grownFrom(rejected, REJECTED)).toBeGreaterThanOrEqual(1);
    expect(await grownFrom(applied, APPLIED)).toBe(0);
    gateway.rewrite(options(upstream.origin));
    expect((await gateway.admin('/-/reload', { method: 'POST' })).status).toBe(200);
  });

  test('S8: open no debugger on SIGUSR1', async () => {
    for (const pid of await workerPids(gateway)) process.kill(pid, 'SIGUSR1');
    for (let probe = 0; probe < 50; probe += 1) expect(await gateway.status('/readyz')).toBe(200);
    expect(gateway.stderr).toBe('');
  });
});

describe('two workers', () => {
  test('R14: do not share their address with another program', async () => {
    await using other = await RecordingUpstream.start();
    const port = Number(new URL(other.origin).port);
    await using gateway = await GatewayProcess.start({ ...options(other.origin), port, isNotWaitedFor: true });
    expect((await gateway.ended).code).toBe(1);
    expect(`${gateway.stdout}${gateway.stderr}`).toContain(
      'another program is listening there: stop it, or choose another port',
    );
  });

  test('one that is killed is replaced, with the last applied configuration', async () => {
    await using first = await RecordingUpstream.start();
    await using second = await RecordingUpstream.start();
    await using gateway = await GatewayProcess.start(options(first.origin));
    gateway.rewrite(options(second.origin));
    const reloaded = await gateway.admin('/-/reload', { method: 'POST' });
    expect(await reloaded.json()).toMatchObject({
      result: 'applied',
      results: [
        { process: 'worker 1', problem: null, kept: [] },
        { process: 'worker 2', problem: null, kept: [] },
      ],
    });
    // Invalid: a worker that read it would not start.
    gateway.file.text('sallyport.yaml', 'version: [');
    const before = await workerPids(gateway);
    for (const victim of before) process.kill(victim, 'SIGKILL');
    await until(async () => (await workerPids(gateway)).every((pid) => !before.includes(pid)), 'others are started');
    await until(async () => (await gateway.status('/readyz')) === 200, 'both are ready');
    expect(await statuses(gateway, 8, get('/open'))).toEqual(Array(8).fill(200));
    expect(second.requests).toHaveLength(8);
    expect(first.requests).toHaveLength(0);
    const ends = () => gateway.records.filter(({ msg }) => String(msg).startsWith('worker exited'));
    // Lines are written in blocks, so they may come after the answers.
    await until(() => ends().length === 2, 'both ends are logged');
  });

  test.skipIf(process.platform !== 'linux')('one that becomes ready during a reload applies it, too', async () => {
    await using first = await RecordingUpstream.start();
    await using second = await RecordingUpstream.start();
    await using gateway = await GatewayProcess.start(options(first.origin));
    await using probes = new AsyncDisposableStack();
    const [slow = 0, victim = 0] = await workerPids(gateway);
    process.kill(slow, 'SIGSTOP');
    try {
      // A new worker starts when the stopped one has not passed on its files for five seconds.
      process.kill(victim, 'SIGKILL');
      await until(async () => !(await workerPids(gateway)).includes(victim), 'it has ended');
      gateway.rewrite(options(second.origin));
      const reloaded = gateway.admin('/-/reload', { method: 'POST' });
      await until(async () => {
        probes.use(await RawConnection.open(gateway.port)).write(get('/open'));
        return first.requests.length > 0;
      }, 'another one is ready, with the configuration before');
      // No later reload can help.
      gateway.file.text('sallyport.yaml', 'version: [');
      process.kill(slow, 'SIGCONT');
      expect(await (await reloaded).json()).toMatchObject({ result: 'applied' });
    } finally {
      process.kill(slow, 'SIGCONT');
    }
    expect(await statuses(gateway, 16, get('/open?later'))).toEqual(Array(16).fill(200));
    expect(second.requests.filter(({ head }) => head.includes('?later'))).toHaveLength(16);
  });

  test.skipIf(process.platform !== 'linux')(
    'one that cannot apply a reload during its start restarts with it',
    async () => {
      await using first = await RecordingUpstream.start();
      await using second = await RecordingUpstream.start();
      const login = { password: { usersFile: 'users' } };
      await using gateway = await GatewayProcess.start(options(first.origin));
      const before = await workerPids(gateway);
      process.kill(before[1] ?? 0, 'SIGKILL');
      let next = 0;
      await until(async () => {
        next = (await workerPids(gateway)).find((pid) => !before.includes(pid)) ?? 0;
        // Until it has executed its own program, the primary is blocked.
        return next !== 0 && readFileSync(`/proc/${next}/environ`, 'latin1').includes('NODE_UNIQUE_ID=');
      }, 'another one is being started');
      process.kill(next, 'SIGSTOP');
      try {
        gateway.rewrite({ ...options(second.origin, { login }), files: { ...options('').files, users: USERS } });
        expect((await gateway.admin('/-/reload', { method: 'POST' })).status).toBe(200);
        gateway.file.text('users', 'no user');
      } finally {
        process.kill(next, 'SIGCONT');
      }
      await until(async () => {
        first.reset();
        // Its exit cuts requests on it.
        const answers = await statuses(gateway, 16, get('/open')).catch(() => []);
        return answers.length === 16 && first.requests.length === 0 && (await gateway.status('/readyz')) === 200;
      }, 'both have it');
    },
  );

  test('R15: one that is killed is replaced even if files of the configuration have become unusable', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await GatewayProcess.start(options(upstream.origin));
    gateway.file.text('token.secret', 'short');
    gateway.file.text('backend.secret', '');
    const allReady = async () => {
      await until(async () => (await metric(gateway, 'sallyport_workers_ready')) === 2, 'both are ready');
      expect(await gateway.status('/readyz')).toBe(200);
    };
    const replace = async (victims: readonly number[]) => {
      for (const victim of victims) process.kill(victim, 'SIGKILL');
      await until(async () => {
        const pids = await workerPids(gateway);
        return pids.length === 2 && !victims.some((victim) => pids.includes(victim));
      }, 'others are started');
      await allReady();
    };
    // First with what the other worker has read, then with what the primary has.
    await replace((await workerPids(gateway)).slice(0, 1));
    await replace(await workerPids(gateway));
    const cookie = await openWorkerSession(gateway, 'bob');
    expect(await statuses(gateway, 8, get('/', [cookie]))).toEqual(Array(8).fill(200));
    const text = 'files of the configuration cannot be used; starting with what was read before';
    // A killed worker may lose its last lines.
    await until(() => gateway.records.filter(({ msg }) => msg === text).length >= 2, 'both have logged it');
  });

  test('R5: one that is killed while Redis is down is replaced, and the replica stays ready', async () => {
    await using upstream = await RecordingUpstream.start();
    await using proxy = await RedisProxy.start(redis.port);
    const store = { redis: { url: proxy.url, connectTimeout: '200ms', commandTimeout: '200ms' } };
    await using gateway = await GatewayProcess.start(options(upstream.origin, { store }));
    expect(await gateway.status('/readyz')).toBe(200);
    proxy.block();
    const [victim = 0] = await workerPids(gateway);
    process.kill(victim, 'SIGKILL');
    await until(async () => (await metric(gateway, 'sallyport_workers_restarts_total')) === 1, 'it is started again');
    await until(async () => (await metric(gateway, 'sallyport_workers_ready')) === 2, 'both are ready');
    await until(async () => (await metric(gateway, 'sallyport_store_up')) === 0, 'the outage is noticed');
    expect(await gateway.status('/readyz')).toBe(200);
    expect(await statuses(gateway, 8, get('/open'))).toEqual(Array(8).fill(200));
  });

  test('finish requests and exit with 0 when all processes get SIGTERM at once', async () => {
    const held: (() => void)[] = [];
    await using upstream = await RecordingUpstream.start((_request, socket) => {
      held.push(() => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    });
    await using gateway = await GatewayProcess.start(options(upstream.origin));
    const connections = await Promise.all(Array.from({ length: 6 }, () => RawConnection.open(gateway.port)));
    for (const connection of connections) connection.write(get('/open'));
    await upstream.received(6);
    const pids = await workerPids(gateway);
    for (const pid of [gateway.pid, ...pids]) process.kill(pid, 'SIGTERM');
    await until(async () => (await gateway.status('/readyz')) === 503, 'it is not ready');
    expect(await gateway.status('/livez')).toBe(200);
    for (const answer of held) answer();
    for (const connection of connections) {
      const response = await connection.response();
      expect([response.status, response.headers.get('connection')]).toEqual([200, 'close']);
      connection.close();
    }
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    // Every line of every process is complete: `records` parses them all.
    expect(gateway.records.filter(({ path }) => path === '/open')).toHaveLength(6);
    expect(gateway.stderr).toBe('');
  });

  test('end with their primary', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await GatewayProcess.start(options(upstream.origin));
    const pids = await workerPids(gateway);
    expect(pids).toHaveLength(2);
    gateway.signal('SIGKILL');
    await gateway.ended;
    for (const pid of pids) {
      await until(() => {
        try {
          process.kill(pid, 0);
          return false;
        } catch {
          return true;
        }
      }, `worker ${pid} has ended`);
    }
  });

  test('log complete lines, however many at once', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await GatewayProcess.start(options(upstream.origin));
    const client = async () => {
      await using connection = await RawConnection.open(gateway.port);
      for (let round = 0; round < 10; round += 1) {
        connection.write(get('/open/with-a-path-that-makes-the-line-a-little-longer').repeat(10));
        for (let count = 0; count < 10; count += 1) await connection.response();
      }
    };
    await Promise.all(Array.from({ length: 16 }, client));
    gateway.signal('SIGTERM');
    await gateway.ended;
    expect(gateway.records.filter(({ route }) => route === 'open')).toHaveLength(16 * 100);
  });

  test('report a mistake that shows only at their start in one line, with exit code 1', async () => {
    await using taken = await GatewayProcess.start();
    await using gateway = await GatewayProcess.start({
      ...options('http://127.0.0.1:1'),
      port: taken.port,
      isNotWaitedFor: true,
    });
    expect(await gateway.ended).toEqual({ code: 1, signal: null });
    const problem = `listeners.public.address: cannot listen on 127.0.0.1:${taken.port}: another program is listening there: stop it, or choose another port`;
    expect(gateway.records).toMatchObject([{ level: 'fatal', problems: [problem], msg: 'cannot start' }]);
    expect(gateway.stderr).toBe('');
  });
});

test('the built program starts its workers from the build', async () => {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  // Inside the tree, so that packages are found, but not `dist/` itself, which may be in use.
  mkdirSync(join(root, 'node_modules/.cache'), { recursive: true });
  const place = mkdtempSync(join(root, 'node_modules/.cache/built-'));
  try {
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    // Types are checked where the image is built.
    const build = ['--noCheck', '--project', join(root, 'tsconfig.build.json'), '--outDir', join(place, 'dist')];
    await promisify(execFile)(process.execPath, [tsc, ...build]);
    copyFileSync(join(root, 'package.json'), join(place, 'package.json'));
    await using upstream = await RecordingUpstream.start();
    await using gateway = await GatewayProcess.start({
      ...options(upstream.origin),
      main: join(place, 'dist/main.js'),
    });
    expect(await statuses(gateway, 4, get('/open'))).toEqual(Array(4).fill(200));
    const commands = (await workerPids(gateway)).map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
    expect(commands).toHaveLength(2);
    for (const command of commands) expect(command).toContain(join(place, 'dist/main.js'));
    gateway.signal('SIGTERM');
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});
