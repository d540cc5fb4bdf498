/** Load at a fixed rate, the basis of every published latency. */

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { ANSWER } from '../../bench/load/answer.ts';
import type { Load } from '../../bench/load/generator/load.ts';
import { openLoop } from '../../bench/load/generator/open-loop.ts';

const CONNECTIONS = 4;

async function startServer(answer: (response: ServerResponse, cookie: string) => void): Promise<number> {
  const server = createServer((request, response) => answer(response, request.headers.cookie ?? ''));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const load = (port: number, durationMs: number, given: Partial<Load> = {}): Load => ({
  port,
  path: '/api/orders',
  headers: { Host: 'shop.example.com' },
  credentials: { header: 'Cookie', values: ['a=1'], use: 'per connection' },
  connections: CONNECTIONS,
  rate: null,
  durationMs,
  ...given,
});

test('a server pause delays every request due during it, not only those in progress', async () => {
  const held: ServerResponse[] = [];
  let isPaused = true;
  const port = await startServer((response) => {
    if (!isPaused) {
      response.end(ANSWER);
      return;
    }
    held.push(response);
    if (held.length < CONNECTIONS) return;
    setTimeout(() => {
      isPaused = false;
      for (const waiting of held) waiting.end(ANSWER);
    }, 500);
  });

  const { requests, latenciesUs } = await openLoop(load(port, 1_000), 200);

  expect(requests).toBe(200);
  // The requests due in the first 400 ms of the pause, 80 at this rate, wait for at least 100 ms.
  const delayed = latenciesUs.filter((us) => us >= 100_000).length;
  expect(held).toHaveLength(CONNECTIONS);
  expect(delayed).toBeGreaterThan(10 * CONNECTIONS);
});

test('wrong answers are counted, but their latency is not', async () => {
  let count = 0;
  const port = await startServer((response) => {
    count += 1;
    if (count % 4 === 0) response.end('something else');
    else if (count % 4 === 1) response.writeHead(503).end(ANSWER);
    else response.end(ANSWER);
  });

  const { requests, latenciesUs, failures } = await openLoop(load(port, 200), 200);

  expect(failures).toEqual({ non2xx: 10, mismatches: 10, connectionErrors: 0, timeouts: 0 });
  expect(requests).toBe(20);
  expect(latenciesUs).toHaveLength(20);
});

test('a broken connection counts as a failure', async () => {
  let count = 0;
  const port = await startServer((response) => {
    count += 1;
    if (count === 10) response.destroy();
    else response.end(ANSWER);
  });

  const { requests, failures } = await openLoop(load(port, 200), 200);

  expect(failures.connectionErrors).toBe(1);
  expect(requests).toBe(39);
});

test('a single-use credential is sent in one request only', async () => {
  const seen: string[] = [];
  const port = await startServer((response, cookie) => {
    seen.push(cookie);
    response.end(ANSWER);
  });
  const values = Array.from({ length: 50 }, (_, index) => `id=${index}`);

  await openLoop(load(port, 0, { credentials: { header: 'Cookie', values, use: 'once' } }), 500);

  expect(seen.toSorted()).toEqual(values.toSorted());
});
