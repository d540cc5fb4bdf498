/** `explain --http2`: the request as the HTTP/2 listener reads it. */

import { expect, test } from 'vitest';
import { cli } from './support.ts';

const config = (listener: string) => `
version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 0.0.0.0:8080, ${listener} } }
login: { password: { usersFile: users.yaml } }
upstreams: { app: { endpoints: [http://127.0.0.1:9] } }
routes:
  - { id: app, match: { path: / }, credential: none, webSocket: true, upstream: app }
`;

const ask = (listener: string, ...argv: string[]) =>
  cli(['explain', ...argv, '--http2', '-c', '-'], { stdin: config(listener) });

async function asked(...argv: string[]) {
  const { out, err } = await ask('http2: true', ...argv, '--json');
  expect(err).toBe('');
  return JSON.parse(out) as Record<string, Record<string, unknown>>;
}

test('a request is forwarded as if it came over HTTP/2', async () => {
  const explained = await asked('GET', '/x?q=1', '--header', 'X-A: 1');
  expect([explained['outcome'], explained['request']?.['httpVersion']]).toEqual(['forwarded', '2']);
  expect(JSON.stringify(explained)).toContain('2 sallyport');
  expect((await ask('http2: true', 'GET', '/x')).out).toContain('GET /x on shop.example.com over HTTP/2');
});

test('a request that the listener refuses is shown with the reason', async () => {
  const { response } = await asked('GET', '/x', '--header', 'Host: evil.test');
  expect(response).toMatchObject({ status: 400, reason: 'request_ambiguous' });
  const many = Array.from({ length: 101 }, (_, at) => ['--header', `X-${at}: 1`]).flat();
  expect((await asked('GET', '/x', ...many))['response']).toMatchObject({ status: 431, note: expect.any(String) });
});

test('a WebSocket is explained as a handshake of RFC 8441', async () => {
  const handshake = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Origin: https://shop.example.com',
  ];
  const { outcome } = await asked('GET', '/chat', ...handshake.flatMap((line) => ['--header', line]));
  expect(outcome).toBe('forwarded');
});

test('--http2 is refused for an HTTP/1.1 listener, with --as and with --outbound', async () => {
  expect(await ask('http2: false', 'GET', '/')).toMatchObject({
    code: 2,
    err: expect.stringContaining('listeners.public.http2'),
  });
  expect((await ask('http2: true', 'GET', '/', '--as', 'forward-auth')).code).toBe(2);
  expect((await ask('http2: true', 'GET', '/', '--outbound')).code).toBe(2);
});
