import { readdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { PlainBrowser } from '../support/browsers/plain-browser.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { Program } from './program.ts';
import { cli } from './support.ts';

const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith('sallyport-dev-'));

test('dev needs no file: a login, the claims of a token, a public path, and nothing left behind', async () => {
  await using upstream = await RecordingUpstream.start();
  const before = left();
  const options = [
    '--upstream',
    upstream.origin,
    '--port',
    '0',
    '--user',
    'ada',
    '--role',
    'admin',
    '--public',
    '/assets',
  ];
  const gateway = new Program(['dev', ...options, '--email', 'ada@example.com']);
  const [, port = ''] = await gateway.says(/\(on 127\.0\.0\.1:(\d+)/);
  await gateway.says(/log in as ada with the password demo-password/);
  const browser = new PlainBrowser({ origins: { 'http://localhost': Number(port) } });

  expect((await browser.open('http://localhost/assets/a.css')).status).toBe(200);
  await gateway.says(/GET \/assets\/a\.css {2}200 {2}route public-1 {2}\d+ ms\n/);

  const login = await browser.open('http://localhost/orders?page=2');
  const page = await browser.submit(login, { username: 'ada', password: 'demo-password' });
  expect([page.status, page.url.pathname + page.url.search]).toEqual([200, '/orders?page=2']);
  await gateway.says(/login {2}subject ada {2}method password {2}account ada\n/);
  const [, claims = ''] = await gateway.says(/claims of the token for route app:\n([\s\S]*?\n {2}\})\n/);
  expect(JSON.parse(claims)).toMatchObject({ sub: 'ada', roles: ['admin'], email: 'ada@example.com', aud: 'app' });
  await gateway.says(/GET \/orders {2}200 {2}route app {2}ada {2}\d+ ms\n/);

  // The same token goes upstream again, and its claims are not shown again.
  await browser.open('http://localhost/again');
  await gateway.says(/GET \/again {2}200/);
  expect(gateway.out.match(/claims of the token for route/g)).toHaveLength(1);
  expect(gateway.out).not.toContain('The browser did not send the session cookie');
  // No token and no cookie is in the output.
  const secrets = [
    ...upstream.requests.flatMap((request) => request.values('authorization')),
    ...Object.values(browser.cookies.of('localhost')),
  ];
  expect(secrets.length).toBeGreaterThan(2);
  for (const secret of secrets) expect(gateway.out).not.toContain(secret.replace('Bearer ', ''));

  gateway.process.kill('SIGTERM');
  expect(await gateway.ended).toBe(0);
  expect(left()).toEqual(before);
  expect(gateway.err).toBe('');
});

test('a port in use is reported by its option, not by a key of a file that nobody wrote', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  const gateway = new Program(['dev', '--port', String(port)]);
  expect([await gateway.ended, gateway.err]).toEqual([1, `port ${port} is in use: choose another one with --port\n`]);
  taken.close();
});

test('dev says so when a browser does not keep the session cookie', async () => {
  await using upstream = await RecordingUpstream.start();
  const gateway = new Program(['dev', '--upstream', upstream.origin, '--port', '0']);
  const [, port = ''] = await gateway.says(/\(on 127\.0\.0\.1:(\d+)/);
  const body = '{"username":"demo","password":"demo-password"}';
  const head = ['Host: localhost', 'Content-Type: application/json', `Content-Length: ${body.length}`];
  expect((await rawRequest(Number(port), requestHead('POST', '/auth/login', head) + body)).status).toBe(200);
  expect((await rawRequest(Number(port), requestHead('GET', '/', ['Host: localhost']))).status).toBe(401);
  await gateway.says(/^The browser did not send the session cookie after this login\. Safari/m);
  gateway.process.kill('SIGTERM');
  await gateway.ended;
});

test.each([
  [['--port', '70000'], 2, '--port must be a number from 0 to 65535'],
  [['--port', '08'], 2, '--port must be a number from 0 to 65535'],
  [['--upstream', 'http://127.0.0.1:3000/app'], 1, 'the application must be an origin'],
])('%j is refused', async (options, code, message) => {
  const before = left();
  const run = await cli(['dev', ...options]);
  expect(run.code).toBe(code);
  expect(run.err).toContain(message);
  expect(left()).toEqual(before);
});
