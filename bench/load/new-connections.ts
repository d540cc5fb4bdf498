/**
 * How long do new connections wait while many kept ones are busy? One gateway, closed loops on kept connections, and a request on a
 * connection of its own every 20 ms. Takes about 15 s.
 *
 *     node bench/load/new-connections.ts [--connections 1000]
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { parseArgs } from 'node:util';
import { startGateway } from '../../test/support/gateway.ts';

const REQUEST = 'GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n';
const WARM_UP_MS = 5_000;
const MEASURE_MS = 8_000;

/** The gateway's process. */
async function serve(): Promise<void> {
  process.once('disconnect', () => process.exit());
  const upstream = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const { port } = upstream.address() as AddressInfo;
  const routes = [{ id: 'open', match: { path: '/' }, credential: 'none' }];
  const gateway = await startGateway({ upstream: `http://127.0.0.1:${port}`, routes });
  process.send?.(gateway.port);
}

/** Sends one request after the other on one connection; calls back with the time of each. */
function keepBusy(port: number, onAnswer: (ms: number) => void): void {
  const socket = connect(port, '127.0.0.1');
  let sentMs = 0;
  const send = () => {
    sentMs = performance.now();
    socket.write(REQUEST);
  };
  socket.on('connect', send).on('error', () => {});
  socket.on('data', () => {
    onAnswer(performance.now() - sentMs);
    send();
  });
}

/** Opens a connection for one request. */
function askOnce(port: number, onAnswer: (ms: number) => void): void {
  const beganMs = performance.now();
  const socket = connect(port, '127.0.0.1', () => socket.write(REQUEST));
  socket.on('error', () => {});
  socket.on('data', () => {
    onAnswer(performance.now() - beganMs);
    socket.destroy();
  });
}

const percentile = (values: readonly number[], share: number): string =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)]?.toFixed(0) ?? '-';

async function measure(connections: number): Promise<void> {
  const child: ChildProcess = fork(import.meta.filename, ['serve']);
  const [port] = (await once(child, 'message')) as [number];
  let [kept, fresh]: [number[], number[]] = [[], []];
  for (let count = 0; count < connections; count += 1) keepBusy(port, (ms) => kept.push(ms));
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  [kept, fresh] = [[], []];
  let asked = 0;
  const timer = setInterval(() => {
    asked += 1;
    askOnce(port, (ms) => fresh.push(ms));
  }, 20);
  await new Promise((resolve) => setTimeout(resolve, MEASURE_MS));
  clearInterval(timer);
  for (const [name, times] of [
    ['kept', kept],
    ['new', fresh],
  ] as const) {
    process.stdout.write(
      `${name}: ${times.length} answers, p50 ${percentile(times, 0.5)} ms, p99 ${percentile(times, 0.99)} ms\n`,
    );
  }
  process.stdout.write(`new connections asked for: ${asked}\n`);
  child.disconnect();
  process.exit();
}

if (process.argv[2] === 'serve') await serve();
else {
  const { values } = parseArgs({ options: { connections: { type: 'string', default: '1000' } } });
  await measure(Number(values.connections));
}
