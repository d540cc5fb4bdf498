import { renameSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { RedisServer } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { Program } from './program.ts';
import { temporaryDirectory } from './support.ts';

/** A configuration on free ports. */
const config = (
  more = '',
  listeners = 'public: { address: 127.0.0.1:0 }, admin: { address: 127.0.0.1:0 }',
) => `version: 1
publicOrigin: https://shop.example.com
listeners: { ${listeners} }
upstreams: { app: { endpoints: [http://127.0.0.1:9] } }
routes:
  - { id: app, match: { path: / }, credential: none, upstream: app }
${more}`;

function written(text: string): string {
  const path = join(temporaryDirectory(), 'sallyport.yaml');
  writeFileSync(path, text);
  return path;
}

const READY = /^\{.*"readyAfterMs".*\}$/m;

interface Ready {
  readonly public: string;
  readonly admin: string;
  readonly config: string;
  readonly store: string;
  readonly signing: string;
}

async function started(path: string): Promise<{ program: Program; ready: Ready }> {
  const program = new Program(['start', '-c', path]);
  const [line] = await program.says(READY);
  return { program, ready: JSON.parse(line) as Ready };
}

test('start reports readiness once, with all relevant facts, and shuts down gracefully on SIGTERM', async () => {
  const { program, ready } = await started(written(config('upstreamToken: { lifetime: 6m }\n')));
  expect(ready).toMatchObject({
    public: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    admin: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    routes: 1,
    store: expect.stringContaining('memory'),
    signing: 'ES256 key in memory',
    config: expect.stringMatching(/^[0-9a-f]{12}$/),
    warnings: 1,
    readyAfterMs: expect.any(Number),
    origins: ['https://shop.example.com'],
    msg: expect.stringMatching(
      /^is ready after \d+ ms: https:\/\/shop\.example\.com \(on 127\.0\.0\.1:\d+ by http\), admin http:/,
    ),
  });
  expect((await fetch(`${ready.admin}/livez`)).status).toBe(200);
  program.process.kill('SIGTERM');
  expect(await program.ended).toBe(0);
  expect(program.out.match(/"readyAfterMs"/g)).toHaveLength(1);
  expect(program.out).toContain('"code":"token/lifetime"');
  const records = program.out.trim().split('\n');
  expect(records.slice(-2).map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { level: 'info', signal: 'SIGTERM', delayMs: 0, timeoutMs: 25_000, msg: 'shutting down' },
    { level: 'info', afterMs: expect.any(Number), msg: 'stopped' },
  ]);
  expect(program.err).toBe('');
});

test('CFG-08: SIGHUP applies a changed configuration, and keeps the current one if the new one is invalid', async () => {
  const path = written(config());
  const { program, ready } = await started(path);
  writeFileSync(path, config('bogus: 1\n'));
  program.process.kill('SIGHUP');
  await program.says(/unknown key \\"bogus\\"/);
  expect((await fetch(`${ready.admin}/livez`)).status).toBe(200);

  writeFileSync(path, config('log: { access: errors }\n'));
  program.process.kill('SIGHUP');
  const [, hash] = await program.says(/"hash":"([0-9a-f]{12})","msg":"configuration reloaded"/);
  expect(hash).not.toBe(ready.config);
  program.process.kill('SIGTERM');
  expect(await program.ended).toBe(0);
});

test('a changed file is reloaded without a signal', async () => {
  const path = written(config());
  const { program, ready } = await started(path);
  writeFileSync(`${path}.new`, config('log: { access: errors }\n'));
  renameSync(`${path}.new`, path);
  const [, hash] = await program.says(/"hash":"([0-9a-f]{12})","msg":"configuration reloaded"/);
  expect(hash).not.toBe(ready.config);
});

test('a second SIGTERM ends the program at once, with exit code 1', async () => {
  const { program, ready } = await started(written(config('shutdown: { delay: 5m }\n')));
  program.process.kill('SIGTERM');
  await until(async () => (await fetch(`${ready.admin}/readyz`)).status === 503, 'it is not ready any more');
  program.process.kill('SIGTERM');
  expect(await program.ended).toBe(1);
  expect(program.out).toContain('"msg":"stopped by a second signal; requests in progress were cut"');
});

/** The problems that a failed start logs; nothing is on standard error. */
async function failureOf(program: Program): Promise<readonly string[]> {
  expect(await program.ended).toBe(1);
  expect(program.err).toBe('');
  const { problems, ...record } = JSON.parse(program.out) as { problems: string[] };
  expect(record).toEqual({ level: 'fatal', time: expect.any(String), msg: 'cannot start' });
  return problems;
}

test('a port in use is reported in one clear line, with exit code 1', async () => {
  const squatter = createServer();
  await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void squatter.close());
  const { port } = squatter.address() as AddressInfo;
  const program = new Program([
    'start',
    '-c',
    written(config('', `public: { address: "127.0.0.1:${port}" }, admin: { address: 127.0.0.1:0 }`)),
  ]);
  expect(await failureOf(program)).toEqual([
    `listeners.public.address: cannot listen on 127.0.0.1:${port}: another program is listening there: stop it, or choose another port`,
  ]);
});

test.each([
  [
    'a missing file',
    'login: { password: { usersFile: /nowhere/users.yaml } }\n',
    /login\.password\.usersFile names a file that does not exist/,
  ],
  ['an unknown key', 'bogus: 1\n', /unknown key "bogus"/],
  [
    'a key directory without keys',
    'upstreamToken: { keys: { directory: . } }\n',
    /has no active ES256 key: run `sallyport keys generate/,
  ],
  [
    'an audit file that cannot be opened',
    'log: { auditFile: /nowhere/audit.log }\n',
    /log\.auditFile: \/nowhere\/audit\.log cannot be opened/,
  ],
])('%s ends the start with exit code 1 and no stack', async (_title, more, message) => {
  const program = new Program(['start', '-c', written(config(more))]);
  const problems = await failureOf(program);
  expect(problems).toEqual([expect.stringMatching(message)]);
  expect(problems.join('\n')).not.toMatch(/^\s+at /m);
});

test('a Redis that refuses the password is reported in one clear line without it, with exit code 1', async () => {
  await using redis = await RedisServer.start({ password: 'the-right-one' });
  const url = `redis://:canary-password@127.0.0.1:${redis.port}`;
  const more = `store: { redis: { url: "${url}", connectTimeout: 60s } }\nacceptWarnings: [config/secret-in-file, token/memory-key]\n`;
  const program = new Program(['start', '-c', written(config(more))]);
  expect(await failureOf(program)).toEqual([expect.stringContaining('password')]);
  expect(program.out).not.toContain('canary-password');
});

const redisStore = (url: string) =>
  `store: { redis: { url: "${url}", connectTimeout: 60s } }\nacceptWarnings: [token/memory-key]\n`;

test('a store that does not answer at start is named in the start record, which does not say ready', async () => {
  const { port } = await RedisServer.start().then(async (redis) => {
    await redis[Symbol.asyncDispose]();
    return redis;
  });
  const program = new Program(['start', '-c', written(config(redisStore(`redis://127.0.0.1:${port}`)))]);
  const [line] = await program.says(/^\{.*"startedAfterMs".*\}$/m);
  const ready = JSON.parse(line) as Ready;
  expect(ready).toMatchObject({
    level: 'warn',
    notReady: ['the session store does not answer'],
    store: `redis (127.0.0.1:${port})`,
    msg: expect.stringMatching(/^started after \d+ ms, not ready: the session store does not answer; https:/),
  });
  expect(program.out).not.toContain('is ready');
  expect((await fetch(`${ready.admin}/readyz`)).status).toBe(503);
});

test('a single Redis addressed as a Cluster is reported in one clear line, with exit code 1', async () => {
  await using redis = await RedisServer.start();
  const program = new Program(['start', '-c', written(config(redisStore(`redis+cluster://127.0.0.1:${redis.port}`)))]);
  expect(await failureOf(program)).toEqual([
    'store.redis: this Redis is not a Cluster (cluster support disabled): use redis://, not redis+cluster://',
  ]);
});

test('several workers report the same store and keys as one process', async () => {
  await using redis = await RedisServer.start();
  const said = await Promise.all(
    [1, 2].map(async (workers) => {
      const secret = join(temporaryDirectory(), 'token.secret');
      writeFileSync(secret, 'an-hs256-secret-of-32-bytes-or-more', { mode: 0o600 });
      const keys = `workers: ${workers}\nupstreamToken: { algorithm: HS256, secretFile: ${secret} }\n`;
      const { program, ready } = await started(written(config(`${keys}${redisStore(redis.url)}`)));
      program.process.kill('SIGTERM');
      await program.ended;
      const { store, signing } = ready;
      return { store, signing };
    }),
  );
  expect(said[0]).toMatchObject({
    store: `redis (127.0.0.1:${redis.port})`,
    signing: expect.stringContaining('HS256'),
  });
  expect(said[1]).toEqual(said[0]);
});

test('a configuration from standard input works, but cannot be reloaded, and a reload says so', async () => {
  const program = new Program(['start', '-c', '-'], { stdin: config() });
  await program.says(READY);
  program.process.kill('SIGHUP');
  await program.says(/came from standard input/);
  program.process.kill('SIGINT');
  expect(await program.ended).toBe(0);
});
