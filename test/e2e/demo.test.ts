/** What a newcomer sees first: `npm start`. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestBrowser } from '../support/browsers/browser.ts';
import { PlainBrowser } from '../support/browsers/plain-browser.ts';
import { freePort } from '../support/ports.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';

let demo: ChildProcess;
let port: number;
let lines: string[] = [];

beforeAll(async () => {
  port = await freePort();
  demo = spawn(process.execPath, [join(import.meta.dirname, '../../demo/start.ts')], {
    env: { ...process.env, PORT: String(port), ADMIN_PORT: String(await freePort()) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  demo.stderr!.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  await new Promise<void>((resolve, reject) => {
    const fail = (what: string) => reject(new Error(`the demo ${what}: ${JSON.stringify({ stdout, stderr })}`));
    const deadline = setTimeout(() => fail('did not get ready'), 120_000);
    demo.once('exit', (code) => fail(`exited with ${code}`));
    demo.stdout!.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      if (!stdout.includes('\nStop with')) return;
      clearTimeout(deadline);
      resolve();
    });
  });
  lines = stdout.split('\n');
});

afterAll(async () => {
  demo.kill('SIGTERM');
  await new Promise((resolve) => demo.once('exit', resolve));
});

const host = () => `Host: localhost:${port}`;

test('prints one line when ready: listeners, routes, store, configuration hash and startup time', () => {
  expect(lines[0]).toMatch(
    /^sallyport \S+ is ready after \d+ ms: http:\/\/localhost:\d+ \(on 127\.0\.0\.1:\d+\), admin http:\/\/127\.0\.0\.1:\d+, 3 routes, store memory \(.*\), ES256 key in memory, configuration [0-9a-f]{12}, 0 warnings$/,
  );
});

test('answers at the address in its first line', async () => {
  const [, origin = ''] = /: (http:\S+) \(on 127\.0\.0\.1:/.exec(lines[0] ?? '') ?? [];
  const answer = await fetch(`${origin}/public`);
  expect([answer.status, ((await answer.json()) as { message: string }).message]).toEqual([
    200,
    'Hello, whoever you are.',
  ]);
});

test('prints three commands to try, and each does what it says', async () => {
  const commands = lines.filter((line) => line.trimStart().startsWith('curl '));
  expect(commands).toHaveLength(3);
  const [, body = ''] = /-d '([^']+)'/.exec(commands[1] ?? '') ?? [];

  const anonymous = await rawRequest(port, requestHead('GET', '/api/orders', [host()]));
  expect(anonymous.status).toBe(401);

  const login = await rawRequest(
    port,
    `${requestHead('POST', '/auth/login', [host(), 'Content-Type: application/json', `Content-Length: ${body.length}`])}${body}`,
  );
  expect(login.status).toBe(200);
  const cookie = /^__Host-sid=[A-Za-z0-9_-]{43}/.exec(login.headers.get('set-cookie') ?? '')?.[0];

  const answered = await rawRequest(port, requestHead('GET', '/api/orders', [host(), `Cookie: ${cookie}`]));
  expect(JSON.parse(answered.body.toString())).toMatchObject({
    message: 'Hello, demo. I checked your token offline.',
    verifiedClaims: { iss: `http://localhost:${port}`, sub: 'demo', aud: 'orders', roles: ['customer'] },
    cookieReceived: null,
  });
});

/** Runs the demo to its end. */
function failedDemo(env: Record<string, string>) {
  return spawnSync(process.execPath, [join(import.meta.dirname, '../../demo/start.ts')], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 120_000,
  });
}

test.each([
  ['PORT', 'abc'],
  ['PORT', '0'],
  ['PORT', '65536'],
  ['ADMIN_PORT', '80x'],
])('%s=%s is reported in one clear line, with exit code 1', (variable, value) => {
  const { status, stdout, stderr } = failedDemo({ [variable]: value });
  expect([status, stdout, stderr]).toEqual([1, '', `${variable} is "${value}": it must be a port, 1 to 65535\n`]);
});

test('a port in use is reported in one clear line that says what to do, with exit code 1', async () => {
  const { status, stdout, stderr } = failedDemo({ PORT: String(port), ADMIN_PORT: String(await freePort()) });
  expect([status, stdout, stderr]).toEqual([
    1,
    '',
    `listeners.public.address: cannot listen on 127.0.0.1:${port}: another program is listening there: stop it, or choose another port\nSet PORT or ADMIN_PORT to another port.\n`,
  ]);
});

test('leads a browser to the login page', async () => {
  const answer = await rawRequest(port, requestHead('GET', '/', [host(), 'Accept: text/html']));
  expect([answer.status, answer.headers.get('location')]).toEqual([
    302,
    `http://localhost:${port}/auth/login?return_to=%2F`,
  ]);
});

test('a person logs in at the identity provider of the demo', async () => {
  await using browser = await TestBrowser.share();
  const { page } = await browser.profile();
  await page.goto(`http://localhost:${port}/`);
  await page.getByRole('link', { name: /demo provider/ }).click();
  expect(new URL(page.url()).hostname).toBe('127.0.0.1');
  await page.getByRole('button', { name: /Ada Lovelace/ }).click();
  await page.getByRole('heading', { name: 'Hello, demo|ada. I checked your token offline.' }).waitFor();
  expect(page.url()).toBe(`http://localhost:${port}/`);
  await page.goto(`http://localhost:${port}/api/orders`);
  expect(await page.textContent('pre')).toMatch(/"roles": \[\s*"customer"\s*\]/);
});

test('Grace, who is not a customer, cannot see the orders; a cancelled login is refused', async () => {
  const origin = `http://localhost:${port}`;
  const start = `${origin}/auth/login?provider=demo&return_to=/api/orders`;
  const [grace, nobody] = [new PlainBrowser(), new PlainBrowser()];
  const refused = await grace.submit(await grace.open(start), {}, '/grace');
  expect([refused.url.pathname, refused.status]).toEqual(['/api/orders', 403]);
  const told = await nobody.submit(await nobody.open(start), {}, '/cancel');
  expect([told.url.pathname, told.status]).toEqual(['/auth/callback/demo', 403]);
});
