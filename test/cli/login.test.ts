/** `sallyport login`, `token get` and `logout` at a terminal, against a real gateway. */

import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { decodeJwt } from 'jose';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { runCli } from '../../src/cli/run.ts';
import { CommandLineStage, fieldsOf, locationOf } from '../endpoints/command-line/fixture.ts';
import { FORM, NAVIGATION } from '../endpoints/login/fixture.ts';
import type { TestClocks } from '../support/clocks.ts';
import { freePort } from '../support/ports.ts';
import { type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';
import { temporaryDirectory } from './support.ts';

/** A gateway, a person with a browser, and the person's terminal. */
class Desk {
  readonly stage: CommandLineStage;
  readonly origin: string;
  readonly cookie: string;
  readonly home = temporaryDirectory();
  readonly clocks: TestClocks;
  out = '';
  err = '';

  private constructor(stage: CommandLineStage, origin: string, cookie: string) {
    this.stage = stage;
    this.origin = origin;
    this.cookie = cookie;
    this.clocks = stage.clocks;
  }

  static async start(options: Parameters<typeof CommandLineStage.start>[0] = {}): Promise<Desk> {
    const upstream = await RecordingUpstream.start();
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const stage = await CommandLineStage.start({
      upstream: upstream.origin,
      routes: [{ id: 'api', match: { path: '/api' }, credential: { service: ['ourselves'] } }],
      ...options,
      config: {
        publicOrigin: origin,
        listeners: { public: { address: `127.0.0.1:${port}` }, admin: { address: '127.0.0.1:0' } },
        issuers: { ourselves: { own: {} } },
      },
    });
    onTestFinished(async () => {
      await stage[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    });
    return new Desk(stage, origin, await stage.login.gateway.cookie('alice'));
  }

  /** The file with the login. */
  get file(): string {
    return join(this.home, 'sallyport', 'logins', `${encodeURIComponent(this.origin)}.json`);
  }

  /** Types a command. */
  run(...argv: readonly string[]): Promise<number> {
    return runCli(argv, {
      stdin: Readable.from([]),
      stdout: { write: (text) => (this.out += text) },
      stderr: { write: (text) => (this.err += text) },
      env: { XDG_CONFIG_HOME: this.home },
      cwd: this.home,
      clocks: this.clocks,
      startedAtMs: 0,
    });
  }

  /** Runs `token get` once, and returns what it writes. */
  async token(): Promise<string> {
    this.out = '';
    const code = await this.run('token', 'get', this.origin);
    if (code !== 0) throw new Error(this.err);
    return this.out.trim();
  }

  /** Waits until the terminal shows this. */
  async shown(pattern: RegExp): Promise<string> {
    await until(() => pattern.test(this.err), 'the terminal shows it');
    return pattern.exec(this.err)?.[1] ?? '';
  }

  browse(method: string, address: string, fields: Record<string, string> | null = null): Promise<RawResponse> {
    const { host, port, pathname, search } = new URL(address);
    const body = fields === null ? '' : new URLSearchParams(fields).toString();
    const form = fields === null ? [] : [FORM, `Origin: ${this.origin}`, 'Sec-Fetch-Site: same-origin'];
    const length = `Content-Length: ${Buffer.byteLength(body)}`;
    const head = requestHead(method, `${pathname}${search}`, [
      `Host: ${host}`,
      ...NAVIGATION,
      length,
      ...form,
      this.cookie,
    ]);
    return rawRequest(Number(port), `${head}${body}`);
  }

  /** Decides on the consent page; returns where the browser is sent. */
  async decide(address: string, decision: 'allow' | 'deny'): Promise<URL> {
    const page = await this.browse('GET', address);
    return locationOf(await this.browse('POST', `${this.origin}/auth/authorize`, { ...fieldsOf(page), decision }));
  }

  /** Logs in through the browser. */
  async login(...options: readonly string[]): Promise<void> {
    this.err = '';
    const done = this.run('login', this.origin, '--no-browser', ...options);
    const back = await this.decide(await this.shown(/^(http:\S+)$/m), 'allow');
    const answer = await fetch(back);
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('Go back to the terminal')]);
    expect([await done, this.err.includes('unexpected')]).toEqual([0, false]);
  }
}

let desk: Desk;
beforeEach(async () => {
  desk = await Desk.start();
});

describe('login', () => {
  test('through the browser keeps a login that only its owner can read, whose token works with curl', async () => {
    await desk.login();
    expect(desk.out).toBe(`logged in to ${desk.origin}\n`);
    expect(statSync(desk.file).mode & 0o777).toBe(0o600);
    for (const directory of ['sallyport', 'sallyport/logins'])
      expect(statSync(join(desk.home, directory)).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(desk.home, 'sallyport/logins'))).toHaveLength(1);
    const token = await desk.token();
    expect(decodeJwt(token).sub).toBe('alice');
    const served = await fetch(`${desk.origin}/api`, { headers: { Authorization: `Bearer ${token}` } });
    expect(served.status).toBe(200);
    // The screen shows no secret but the address, which is useless without the browser's session.
    expect(desk.err).not.toContain(JSON.parse(readFileSync(desk.file, 'utf8')).refreshToken);
  });

  test('with --print writes the tokens and keeps nothing', async () => {
    await desk.login('--print');
    expect(JSON.parse(desk.out)).toMatchObject({ scope: 'orders:read', refresh_token: expect.any(String) });
    expect(existsSync(desk.file)).toBe(false);
  });

  test('that the browser refuses says so, and keeps nothing', async () => {
    const done = desk.run('login', desk.origin, '--no-browser');
    const back = await desk.decide(await desk.shown(/^(http:\S+)$/m), 'deny');
    expect(await (await fetch(back)).text()).toContain('Not logged in');
    expect(await done).toBe(1);
    expect(desk.err).toContain('the login was refused in the browser');
    expect(existsSync(desk.file)).toBe(false);
  });

  test('ends the session of an earlier login', async () => {
    await desk.login();
    const first = await desk.token();
    await desk.login();
    expect(decodeJwt(await desk.token())['sid']).not.toBe(decodeJwt(first)['sid']);
    const refused = await fetch(`${desk.origin}/api`, { headers: { Authorization: `Bearer ${first}` } });
    expect(refused.status).toBe(401);
  });

  test('RFC 8252 §8.10: refuses an answer for another login, and continues', async () => {
    const done = desk.run('login', desk.origin, '--no-browser');
    const address = new URL(await desk.shown(/^(http:\S+)$/m));
    const redirectUri = address.searchParams.get('redirect_uri') ?? '';
    const state = address.searchParams.get('state') ?? '';
    for (const query of ['?code=stolen', '?code=stolen&state=guess', '?error=access_denied&state=guess'])
      expect((await fetch(`${redirectUri}${query}`)).status).toBe(400);
    const { port } = new URL(redirectUri);
    const rebound = requestHead('GET', `/callback?code=x&state=${state}`, [`Host: evil.example:${port}`]);
    expect((await rawRequest(Number(port), rebound)).status).toBe(400);
    await fetch(await desk.decide(address.href, 'allow'));
    expect(await done).toBe(0);
  });

  test('RFC 9207: refuses an answer from another issuer', async () => {
    const done = desk.run('login', desk.origin, '--no-browser');
    const back = await desk.decide(await desk.shown(/^(http:\S+)$/m), 'allow');
    back.searchParams.set('iss', 'https://evil.example');
    await fetch(back);
    expect(await done).toBe(1);
    expect(existsSync(desk.file)).toBe(false);
  });

  test('with --device shows a code, and continues when it is confirmed elsewhere', async () => {
    // The library waits for the interval in real time; the clock of the gateway is moved past it.
    const done = desk.run('login', desk.origin, '--device');
    const userCode = await desk.shown(/^ {2}([A-Z]{4}-[A-Z]{4})$/m);
    expect(desk.err).toContain(`Go to ${desk.origin}/auth/device on any device`);
    const page = await desk.browse('POST', `${desk.origin}/auth/device`, { user_code: userCode });
    await desk.browse('POST', `${desk.origin}/auth/device`, { ...fieldsOf(page), decision: 'allow' });
    expect(await done).toBe(0);
    expect(decodeJwt(await desk.token()).sub).toBe('alice');
  });

  test('at a gateway that does not offer it says what is missing', async () => {
    const other = await Desk.start({ refresh: { commandLine: {} } });
    expect(await other.run('login', other.origin, '--device')).toBe(1);
    expect(other.err).toContain('refresh.commandLine.deviceGrant');
    const none = await Desk.start({ refresh: { commandLine: undefined } });
    expect(await none.run('login', none.origin)).toBe(1);
    expect(none.err).toContain('refresh.commandLine in its configuration');
  });

  test.each([
    ['http://shop.example.com', 'https only'],
    ['https://shop.example.com/auth', 'stand alone'],
    ['https://alice:secret@shop.example.com', 'stand alone'],
    ['https://shop.example.com?x', 'stand alone'],
    ['shop.example.com', 'is not an origin'],
    ['file:///etc/passwd', 'is not an origin'],
  ])('at %s is refused', async (origin, message) => {
    for (const command of [['login'], ['logout'], ['token', 'get']]) {
      desk.err = '';
      expect(await desk.run(...command, origin)).toBe(2);
      expect(desk.err).toContain(message);
      expect(desk.err).not.toContain('alice:secret');
    }
  });
});

describe('token get', () => {
  test('prints the same token, and renews it when less than 30 seconds are left', async () => {
    await desk.login();
    const first = await desk.token();
    desk.clocks.advance(269_000);
    expect(await desk.token()).toBe(first);
    desk.clocks.advance(2_000);
    const second = await desk.token();
    expect(second).not.toBe(first);
    expect(statSync(desk.file).mode & 0o777).toBe(0o600);
    for (let i = 0; i < 5; i++) {
      desk.clocks.advance(280_000);
      expect(decodeJwt(await desk.token())['sid']).toBe(decodeJwt(first)['sid']);
    }
  });

  test('renews the token only once for simultaneous calls', async () => {
    await desk.login();
    desk.clocks.advance(280_000);
    const refreshes = 'sallyport_refreshes_total{result="rotated"}';
    const runs = Array.from({ length: 10 }, () => desk.run('token', 'get', desk.origin));
    expect(await Promise.all(runs)).toEqual(Array.from({ length: 10 }, () => 0));
    const text = await desk.stage.login.gateway.metrics.text();
    expect(text).toContain(`${refreshes} 1\n`);
    const lines = desk.out.split('\n').filter((line) => line.startsWith('ey'));
    expect(new Set(lines).size).toBe(1);
  });

  test('takes over the lock of a dead process', async () => {
    await desk.login();
    desk.clocks.advance(280_000);
    // Above the highest pid on Linux.
    writeFileSync(`${desk.file}.lock`, '4194305');
    expect(decodeJwt(await desk.token()).sub).toBe('alice');
    expect(existsSync(`${desk.file}.lock`)).toBe(false);
  });

  test('says that the login has ended, and forgets it', async () => {
    await desk.login();
    await desk.stage.login.gateway.gateway.sessions.endAll('alice', 'operator');
    desk.clocks.advance(280_000);
    expect(await desk.run('token', 'get', desk.origin)).toBe(1);
    expect(desk.err).toContain(`log in again with sallyport login ${desk.origin}`);
    expect(existsSync(desk.file)).toBe(false);
    desk.err = '';
    expect(await desk.run('token', 'get', desk.origin)).toBe(1);
    expect(desk.err).toContain('not logged in');
  });

  test('prints the current token until it expires while the gateway is down, and keeps the login', async () => {
    await desk.login();
    const token = await desk.token();
    await desk.stage.login.gateway[Symbol.asyncDispose]();
    desk.clocks.advance(280_000);
    expect(await desk.token()).toBe(token);
    desk.clocks.advance(20_000);
    expect(await desk.run('token', 'get', desk.origin)).toBe(1);
    expect(desk.err).toContain('nothing listens there');
    expect(existsSync(desk.file)).toBe(true);
  });

  test('refuses a file that others can read, a link, and other content', async () => {
    await desk.login();
    chmodSync(desk.file, 0o640);
    await expect(desk.token()).rejects.toThrow('can be read by others');
    chmodSync(desk.file, 0o600);
    writeFileSync(desk.file, '{}');
    await expect(desk.token()).rejects.toThrow('is not a login');
    const elsewhere = join(desk.home, 'elsewhere');
    writeFileSync(elsewhere, readFileSync(desk.file), { mode: 0o600 });
    const { unlinkSync } = await import('node:fs');
    unlinkSync(desk.file);
    symlinkSync(elsewhere, desk.file);
    await expect(desk.token()).rejects.toThrow('cannot be read (ELOOP)');
  });
});

describe('logout', () => {
  test('ends the session at the gateway and deletes the login', async () => {
    await desk.login();
    const token = await desk.token();
    expect(await desk.run('logout', desk.origin)).toBe(0);
    expect(existsSync(desk.file)).toBe(false);
    const refused = await fetch(`${desk.origin}/api`, { headers: { Authorization: `Bearer ${token}` } });
    expect(refused.status).toBe(401);
    expect((await desk.browse('GET', `${desk.origin}/auth/session`)).status).toBe(200);
    expect(await desk.run('logout', desk.origin)).toBe(1);
    expect(desk.err).toContain('not logged in');
  });

  test('keeps the login while the gateway is down, since its session still exists', async () => {
    await desk.login();
    await desk.stage.login.gateway[Symbol.asyncDispose]();
    expect(await desk.run('logout', desk.origin)).toBe(1);
    expect(existsSync(desk.file)).toBe(true);
  });
});

test('a gateway that names endpoints of another origin gets nothing', async () => {
  const { createServer } = await import('node:http');
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const evil = 'https://evil.example';
    const own = `http://${request.headers.host}`;
    response.setHeader('Content-Type', 'application/json');
    response.end(
      JSON.stringify({
        issuer: own,
        authorization_endpoint: `${own}/authorize`,
        token_endpoint: `${evil}/token`,
        revocation_endpoint: `${own}/revoke`,
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  expect(await desk.run('login', `http://127.0.0.1:${port}`, '--no-browser')).toBe(1);
  expect(desk.err).toContain('token_endpoint that is not its own');
  expect(asked).toEqual(['GET /.well-known/oauth-authorization-server']);
});
