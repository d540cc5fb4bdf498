import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { runCli } from '../../src/cli/run.ts';
import { systemClocks } from '../../src/lib/clock.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { Program } from './program.ts';
import { cli, temporaryDirectory } from './support.ts';

const run = promisify(execFile);
const modeOf = (path: string) => statSync(path).mode & 0o777;
const valid = (cwd: string) => cli(['validate', '--format', 'json'], { cwd });

test('init writes a valid configuration that only its owner can read', async () => {
  const cwd = temporaryDirectory();
  const { code, out, err } = await cli(['init', '--user', 'alice'], { cwd, stdin: 'correct horse battery\n' });
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(readdirSync(cwd).toSorted()).toEqual(['admin-token', 'keys', 'sallyport.yaml', 'users.yaml']);
  for (const name of ['admin-token', 'sallyport.yaml', 'users.yaml']) expect(modeOf(join(cwd, name))).toBe(0o600);
  expect(modeOf(join(cwd, 'keys'))).toBe(0o700);
  const checked = await valid(cwd);
  expect(checked.code).toBe(0);
  expect(JSON.parse(checked.out)).toMatchObject({ problems: [] });
  // No output shows a password that the user chose.
  expect(out).not.toContain('correct horse');
  expect((await cli(['users', 'list'], { cwd })).out).toContain('alice');
});

test.each([
  ['the origin of a proxy that terminates TLS', ['--origin', 'https://shop.example.com']],
  ['an origin with a port', ['--origin', 'http://app.localhost:8090', '--upstream', '127.0.0.1:4000']],
  ['Redis', ['--redis', 'rediss://:p%40ss@redis.example.com:6380/1']],
])('init writes a valid configuration with %s', async (_title, options) => {
  const cwd = temporaryDirectory();
  expect((await cli(['init', ...options], { cwd })).code).toBe(0);
  const checked = await valid(cwd);
  expect(JSON.parse(checked.out)).toMatchObject({ problems: [] });
});

test.each(['4000', ':4000'])('%s alone is a port of this machine, not an IPv4 address', async (port) => {
  const cwd = temporaryDirectory();
  expect((await cli(['init', '--upstream', port, '--origin', port], { cwd })).code).toBe(0);
  const text = readFileSync(join(cwd, 'sallyport.yaml'), 'utf8');
  expect(text).toContain('endpoints: ["http://127.0.0.1:4000"]');
  expect(text).toContain('publicOrigin: http://localhost:4000 ');
});

test('the Redis password goes into its own file', async () => {
  const cwd = temporaryDirectory();
  await cli(['init', '--redis', 'redis://gateway:p%40ss@127.0.0.1:6380'], { cwd });
  expect(readFileSync(join(cwd, 'redis-password'), 'utf8')).toBe('p@ss\n');
  expect(modeOf(join(cwd, 'redis-password'))).toBe(0o600);
  expect(readFileSync(join(cwd, 'sallyport.yaml'), 'utf8')).toContain(
    'store: { redis: { url: "redis://gateway@127.0.0.1:6380", passwordFile: redis-password } }',
  );
});

test.each(['sallyport.yaml', 'users.yaml', 'admin-token', 'keys'])(
  'an existing %s is kept, and nothing is written',
  async (name) => {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, name), 'mine');
    const { code, err } = await cli(['init'], { cwd });
    expect({ code, err }).toEqual({ code: 1, err: `${join(cwd, name)} already exists; nothing was written\n` });
    expect(readdirSync(cwd)).toEqual([name]);
    expect(readFileSync(join(cwd, name), 'utf8')).toBe('mine');
  },
);

test.each([
  [['--upstream', 'http://127.0.0.1:3000/app'], 'the application must be an origin'],
  [['--upstream', 'ftp://127.0.0.1'], 'the application must be an origin'],
  [['--origin', 'http://a@localhost'], 'the address for browsers must be an origin'],
  [['--origin', 'http://shop.example.com'], 'over https only: write https://shop.example.com'],
  [['--origin', 'shop.example.com:8443'], 'over https only: write https://shop.example.com:8443'],
  [['--user', 'al ice'], 'a user name has'],
  [['--redis', 'http://127.0.0.1'], 'a Redis URL begins with'],
  [['--redis', 'redis://:5%@127.0.0.1'], 'write % as %25 in the password of a URL'],
])('%j is refused, and nothing is written', async (options, message) => {
  const cwd = temporaryDirectory();
  const { code, err } = await cli(['init', ...options], { cwd });
  expect(code).toBe(1);
  expect(err).toContain(message);
  expect(readdirSync(cwd)).toEqual([]);
});

describe('on a terminal', () => {
  /** Runs `init` on a terminal that types one answer to each question. */
  async function typed(cwd: string, argv: readonly string[], ...answers: string[]) {
    const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined });
    const asked: string[] = [];
    let [out, err] = ['', ''];
    const code = await runCli(['init', ...argv], {
      stdin,
      stdout: { write: (text) => (out += text) },
      stderr: {
        write: (text) => {
          err += text;
          if (!/[?:\]] $/.test(text)) return;
          asked.push(text);
          const answer = answers.shift();
          if (answer === undefined) stdin.end();
          else stdin.write(`${answer}\n`);
        },
      },
      env: { USER: 'root' },
      cwd,
      clocks: systemClocks,
      startedAtMs: 0,
    });
    return { code, out, err, asked };
  }

  test('asks four questions and a password, and asks again after an unusable answer', async () => {
    const cwd = temporaryDirectory();
    const { code, asked, out } = await typed(cwd, [], '127.0.0.1:4000/app', '127.0.0.1:4000', '', 'alice', '', '');
    expect(asked).toEqual([
      'Where does your application listen? [http://127.0.0.1:3000] ',
      'Where does your application listen? [http://127.0.0.1:3000] ',
      'Which address will browsers use? [http://localhost:8080] ',
      'Who logs in first? [root] ',
      'URL of a Redis for sessions (empty: keep them in the process)? ',
      'Password: ',
    ]);
    expect(code).toBe(0);
    expect(readFileSync(join(cwd, 'sallyport.yaml'), 'utf8')).toContain('endpoints: ["http://127.0.0.1:4000"]');
    expect(out).toMatch(/^The password of alice is [A-Za-z2-9]{20}\. It is not shown again\.$/m);
  });

  test('does not ask a question that an option answers', async () => {
    const { asked } = await typed(temporaryDirectory(), ['--user', 'bob', '--redis', 'redis://127.0.0.1'], '', '', '');
    expect(asked.map((question) => question.split(' ')[0])).toEqual(['Where', 'Which', 'Password:']);
  });

  test('writes nothing when the input ends', async () => {
    const cwd = temporaryDirectory();
    const { code, err } = await typed(cwd, [], '');
    expect(code).toBe(1);
    expect(err).toContain('the questions were not answered; nothing was written');
    expect(existsSync(join(cwd, 'sallyport.yaml'))).toBe(false);
  });
});

test('the printed commands start the gateway and prove that it works', async () => {
  await using upstream = await RecordingUpstream.start();
  const cwd = temporaryDirectory();
  const { out } = await cli(['init', 'gateway', '--upstream', upstream.origin, '--user', "o'hara"], { cwd });
  const [start = '', ...curls] = [...out.matchAll(/^ {2}([a-z].*)$/gm)].map(([, line = '']) => line);
  expect(curls).toHaveLength(3);
  // Only the ports differ, since other programs may use them.
  const file = join(cwd, 'gateway/sallyport.yaml');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace('"127.0.0.1:8080"', '"127.0.0.1:0"').replace('"127.0.0.1:9090"', '"127.0.0.1:0"'));
  expect(start).toBe("sallyport start --config 'gateway/sallyport.yaml'");
  const gateway = new Program(['start', '--config', 'gateway/sallyport.yaml'], { cwd });
  const [, port] = await gateway.says(/127\.0\.0\.1:(\d+)/);
  const statuses: string[] = [];
  for (const curl of curls) {
    const connected = curl.replace(/^curl /, `curl -s --connect-to ::127.0.0.1:${port} `);
    const { stdout } = await run('sh', ['-c', connected], { cwd });
    statuses.push(stdout.split(' ')[1] ?? '');
  }
  expect(statuses).toEqual(['401', '303', '200']);
  expect(upstream.requests).toHaveLength(1);
});
