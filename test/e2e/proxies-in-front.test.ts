/** The gateway behind a shared cache, and behind a proxy that speaks HTTP/2 to it; skipped where not installed. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HOST, startGateway } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { findProgram } from '../support/programs.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';
import { startEchoUpstream, WebSocketClient } from '../support/websocket.ts';

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A program with its configuration in its own directory, until the end of the test. */
class Front implements AsyncDisposable {
  readonly port: number;
  readonly #directory: string;
  readonly #child: ChildProcess;

  private constructor(port: number, directory: string, child: ChildProcess) {
    this.port = port;
    this.#directory = directory;
    this.#child = child;
    running.add(child);
  }

  static async start(
    program: string,
    configuration: (port: number) => string,
    args: readonly string[],
  ): Promise<Front> {
    const port = await freePort();
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-front-'));
    writeFileSync(join(directory, 'front.conf'), configuration(port));
    const child = spawn(program, args, { cwd: directory, stdio: 'ignore' });
    const front = new Front(port, directory, child);
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`${program} ended`);
      const status = await rawRequest(port, requestHead('GET', '/open', [HOST])).then(
        (answer) => answer.status,
        () => 0,
      );
      return status === 200;
    }, `${program} answers`);
    return front;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await ended;
    running.delete(this.#child);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const ROUTES = [
  { id: 'open', match: { path: '/open' }, credential: 'none' },
  { id: 'app', match: { path: '/' }, credential: 'session', identityHeaders: { 'X-User-Id': 'subject' } },
];

const NGINX = findProgram(['nginx']);
const HAPROXY = findProgram(['haproxy']);

describe.skipIf(NGINX === null)('nginx with a cache', () => {
  const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${kind};`);
  const configuration = (gateway: number) => (port: number) =>
    `
    daemon off; master_process off; pid pid; events {}
    http {
      access_log off; ${TEMPORARY.join(' ')}
      proxy_cache_path cache keys_zone=all:1m;
      server {
        listen 127.0.0.1:${port};
        proxy_cache all;
        add_header X-Cache $upstream_cache_status;
        location / { proxy_pass http://127.0.0.1:${gateway}; proxy_set_header Host $http_host; }
      }
    }`;

  test('SES-18: stores no answer for one user unless it allows shared caches, whatever the path', async () => {
    await using upstream = await RecordingUpstream.start((request, socket) => {
      const said = decodeURIComponent(/\?([^ ]*)/.exec(request.head)?.[1] ?? '');
      const body = `for ${request.values('x-user-id')[0] ?? 'all'}`;
      const lines = ['HTTP/1.1 200 OK', ...(said === '' ? [] : [said]), `Content-Length: ${body.length}`];
      socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
    });
    await using gateway = await startGateway({ upstream: upstream.origin, routes: ROUTES });
    await using front = await Front.start(NGINX as string, configuration(gateway.port), [
      '-p',
      '.',
      '-c',
      'front.conf',
      '-e',
      'stderr',
    ]);
    const get = (target: string, ...lines: readonly string[]) =>
      rawRequest(front.port, requestHead('GET', target, [HOST, ...lines]));
    const cookie = await gateway.cookie('bob');
    const says = (...values: readonly string[]) => values.map(encodeURIComponent).join('');
    for (const target of [
      '/account',
      '/account/logo.css',
      `/account?${says('Cache-Control: max-age=600')}`,
      `/account/x.js?${says('Cache-Control: max-age=31536000, immutable')}`,
      `/account?${says('Expires: Thu, 01 Jan 2099 00:00:00 GMT')}`,
    ]) {
      expect((await get(target, cookie)).body.toString()).toBe('for bob');
      const anonymous = await get(target);
      expect([target, anonymous.status, anonymous.headers.get('x-cache')]).toEqual([target, 401, undefined]);
    }
    // It stores what it may: the cache works.
    const open = `/open?${says('Cache-Control: max-age=600')}`;
    for (const state of ['MISS', 'HIT']) expect((await get(open)).headers.get('x-cache')).toBe(state);
    const shared = `/asset?${says('Cache-Control: public, max-age=600')}`;
    await get(shared, cookie);
    expect((await get(shared)).body.toString()).toBe('for bob');
  });
});

describe.skipIf(HAPROXY === null)('HAProxy that speaks HTTP/2 to the gateway', () => {
  const configuration = (gateway: number) => (port: number) =>
    `
defaults
  mode http
  timeout connect 60s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
frontend clients
  bind 127.0.0.1:${port}
  default_backend gateway
backend gateway
  server gateway 127.0.0.1:${gateway} proto h2
`;

  test('RFC 8441: opens WebSockets for HTTP/1.1 clients, and relays frames and close codes', async () => {
    await using upstream = await RecordingUpstream.start();
    await using echo = await startEchoUpstream();
    const chat = { id: 'chat', match: { path: '/chat' }, credential: 'session', upstream: 'chat' };
    await using gateway = await startGateway({
      routes: [chat, ...ROUTES],
      config: {
        upstreams: { app: { endpoints: [upstream.origin] }, chat: { endpoints: [echo.origin] } },
        listeners: { public: { address: '127.0.0.1:0', http2: true }, admin: { address: '127.0.0.1:0' } },
      },
    });
    await using front = await Front.start(HAPROXY as string, configuration(gateway.port), ['-db', '-f', 'front.conf']);
    await using client = await WebSocketClient.open(front.port, '/chat', [await gateway.cookie()]);
    client.send('hello');
    expect(await client.text()).toBe('hello');
    const drained = gateway.gateway.drain();
    expect(await client.closeCode()).toBe(1001);
    client.close();
    await drained;
  });
});
