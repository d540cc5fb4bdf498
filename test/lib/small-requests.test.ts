/** Small requests to providers and authorization servers, against servers that answer well or badly. */

import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { SmallRequests } from '../../src/lib/http/small-requests.ts';

const MAX_BODY_BYTES = 1_000;
/** Never aborts. */
const { signal } = new AbortController();
const GET = { method: 'GET', headers: {}, signal } as const;

async function serve(answer: RequestListener): Promise<{ readonly url: URL; readonly server: Server }> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/path?query`), server };
}

function client(): SmallRequests {
  const requests = new SmallRequests({ ca: null, maxConnections: 1, maxBodyBytes: MAX_BODY_BYTES });
  onTestFinished(() => requests.close());
  return requests;
}

test('requests are sent as given, in sequence on one connection', async () => {
  const seen: object[] = [];
  let connections = 0;
  const { url, server } = await serve((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () => {
      const { method, url: target, headers } = request;
      seen.push({ method, target, type: headers['content-type'], encoding: headers['accept-encoding'], body });
      response.writeHead(503, { 'x-own': 'yes' }).end('çok');
    });
  });
  server.on('connection', () => {
    connections += 1;
  });
  const requests = client();
  const post = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'said', signal };
  const answers = await Promise.all([requests.send(url, post), requests.send(url, GET)]);
  expect(seen).toEqual([
    { method: 'POST', target: '/path?query', type: 'text/plain', encoding: 'identity', body: 'said' },
    { method: 'GET', target: '/path?query', type: undefined, encoding: 'identity', body: '' },
  ]);
  expect(answers.map(({ status, headers, text }) => [status, headers['x-own'], text])).toEqual(
    Array(2).fill([503, 'yes', 'çok']),
  );
  expect(connections).toBe(1);
});

test('a redirect is returned, not followed', async () => {
  let count = 0;
  const { url } = await serve((_request, response) => {
    count += 1;
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  expect(await client().send(url, GET)).toMatchObject({ status: 302, headers: { location: '/elsewhere' } });
  expect(count).toBe(1);
});

const unusable: readonly [what: string, answer: RequestListener, code: string][] = [
  [
    'a body one byte over the limit',
    (_request, response) => void response.end('x'.repeat(MAX_BODY_BYTES + 1)),
    'ERR_ANSWER_TOO_LARGE',
  ],
  [
    'an endless body',
    (_request, response) => {
      const write = () => response.write('x'.repeat(65_536), () => setImmediate(write));
      write();
    },
    'ERR_ANSWER_TOO_LARGE',
  ],
  [
    'headers over the limit',
    (_request, response) => void response.writeHead(200, { 'x-long': 'x'.repeat(16 * 1024) }).end(),
    'HPE_HEADER_OVERFLOW',
  ],
  [
    'text that is not UTF-8',
    (_request, response) => void response.end(Buffer.of(0xc3, 0x28)),
    'ERR_ENCODING_INVALID_ENCODED_DATA',
  ],
  [
    'a truncated body',
    (_request, response) => {
      response.writeHead(200, { 'content-length': 10 }).write('half', () => response.socket?.destroy());
    },
    'ECONNRESET',
  ],
  ['a connection closed without an answer', (request) => void request.socket.destroy(), 'ECONNRESET'],
];

test.each(unusable)('%s is an error with a code', async (_what, answer, code) => {
  const { url } = await serve(answer);
  await expect(client().send(url, GET)).rejects.toMatchObject({ code });
});

test('a body of exactly the limit is read', async () => {
  const { url } = await serve((_request, response) => void response.end('x'.repeat(MAX_BODY_BYTES)));
  expect((await client().send(url, GET)).text).toHaveLength(MAX_BODY_BYTES);
});

test.each([
  ['before an answer', (): void => {}],
  ['in the middle of an answer', (response: Parameters<RequestListener>[1]) => void response.write('half')],
])('the signal ends a request %s, with its reason as the error', async (_when, answer) => {
  const ending = new AbortController();
  const reason = new Error('enough');
  const { url } = await serve((_request, response) => {
    answer(response);
    setImmediate(() => ending.abort(reason));
  });
  await expect(client().send(url, { ...GET, signal: ending.signal })).rejects.toBe(reason);
});

test('closing cuts off a request in progress', async () => {
  const requests = client();
  const { url } = await serve(() => requests.close());
  await expect(requests.send(url, GET)).rejects.toMatchObject({ code: 'ECONNRESET' });
});
