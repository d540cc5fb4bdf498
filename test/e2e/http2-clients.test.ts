/** HTTP/2 with common clients: Chromium and curl (nghttp2). `test/listener/http2/` has Node's client and raw frames. */

import { execFile } from 'node:child_process';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestBrowser } from '../support/browsers/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { CertificateFiles, TestAuthority } from '../support/issuers/certificates.ts';
import { freePort } from '../support/ports.ts';
import { RawUpstream } from '../support/raw-upstream.ts';
import { acceptHandshake, echoFrames } from '../support/websocket.ts';

const files = new CertificateFiles();
let upstream: RawUpstream;
let gateway: TestGateway;
let port: number;

beforeAll(async () => {
  upstream = await RawUpstream.start(answer);
  port = await freePort();
  const certificate = files.write('localhost', new TestAuthority().issue({ names: ['localhost'] }));
  gateway = await startGateway({
    upstream: upstream.origin,
    routes: [{ id: 'app', match: { path: '/' }, credential: 'none', webSocket: true, maxBodyBytes: '16MiB' }],
    config: {
      publicOrigin: `https://localhost:${port}`,
      listeners: {
        public: { address: `127.0.0.1:${port}`, tls: { certificates: [certificate] } },
        admin: { address: '127.0.0.1:0' },
      },
    },
  });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  files[Symbol.dispose]();
});

/** Answers each request on a connection with its length, and a page for `/`; echoes on a WebSocket. */
function answer(socket: Socket): void {
  let text = '';
  const onData = (bytes: Buffer) => {
    text += bytes.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end === -1) return;
    const head = text.slice(0, end).toLowerCase();
    if (head.startsWith('get /chat ')) {
      socket.off('data', onData);
      acceptHandshake(socket, (behind) => echoFrames(socket, behind));
      socket.emit('data', Buffer.from(text, 'latin1'));
      return;
    }
    const isWhole = head.includes('transfer-encoding')
      ? text.endsWith('0\r\n\r\n')
      : text.length - end - 4 >= Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
    if (!isWhole) return;
    const body = head.startsWith('get / ') ? '<!doctype html><title>page</title>' : String(text.length - end - 4);
    text = '';
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  };
  socket.on('data', onData);
}

test('RFC 8441: Chromium loads a page, sends a form of 1 MiB, and opens a WebSocket, all over HTTP/2', async () => {
  await using browser = await TestBrowser.share();
  const { page } = await browser.profile({ ignoreHTTPSErrors: true });
  await page.goto(`https://localhost:${port}/`);
  const results = await page.evaluate<unknown>(`(async () => {
    const [entry] = performance.getEntriesByType('navigation');
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => fetch('/part-' + at).then((a) => a.status)));
    const upload = await fetch('/upload', { method: 'POST', body: 'x'.repeat(1024 * 1024) }).then((a) => a.text());
    const echoed = await new Promise((resolve, reject) => {
      const socket = new WebSocket('wss://localhost:${port}/chat');
      socket.onopen = () => socket.send('hello');
      socket.onerror = () => reject(new Error('no WebSocket'));
      socket.onmessage = ({ data }) => {
        socket.close(1000);
        socket.onclose = ({ code }) => resolve([data, code]);
      };
    });
    return [entry.nextHopProtocol, answers.every((status) => status === 200), upload, echoed];
  })()`);
  expect(results).toEqual(['h2', true, String(1024 * 1024), ['hello', 1000]]);
  const records = gateway.log.records.filter(({ msg }) => msg === 'request');
  expect(records.find(({ path }) => path === '/chat')).toMatchObject({ httpVersion: '2', status: 101 });
  expect(records.filter(({ httpVersion }) => httpVersion !== '2')).toEqual([]);
});

test.each([
  [['--http2'], '2 200'],
  [['--http1.1'], '1.1 200'],
])('curl %j is served', async (options, expected) => {
  const resolve = ['--resolve', `localhost:${port}:127.0.0.1`];
  const write = ['--silent', '--insecure', '--output', '/dev/null', '--write-out', '%{http_version} %{http_code}\n'];
  const url = `https://localhost:${port}/x`;
  const upload = ['--data-binary', `@${files.text('upload', 'x'.repeat(1024 * 1024))}`];
  for (const more of [[], upload]) {
    const { stdout } = await promisify(execFile)('curl', [...options, ...resolve, ...write, ...more, url]);
    expect(stdout.trim()).toBe(expected);
  }
});
