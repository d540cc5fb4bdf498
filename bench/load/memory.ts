/**
 * Resident memory of the gateway: idle, with 10,000 idle keep-alive connections, and while 1 GiB is streamed in each
 * direction; the relay streams the same for comparison. Run by `npm run bench -- memory`, with `--built` for the program
 * as it ships: the source costs some 20 MiB more. Linux only; ends by itself.
 */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { Children } from '../support/children.ts';
import { provenance } from '../support/machine.ts';
import { hardLimitOfOpenFiles, residentBytes } from '../support/process-figures.ts';
import { formatTable } from '../support/table.ts';
import { PROGRAMS, PUBLIC_ORIGIN, startGateway } from './gateway.ts';
import { get, HOST } from './http.ts';
import { createServiceIssuer, openSessions } from './sessions.ts';

const MIB = 2 ** 20;
const STREAMED_BYTES = 1024 * MIB;
const CONNECTIONS = 10_000;
/** Most memory that streams may add to that of an idle gateway. */
const STREAM_GOAL_BYTES = 64 * MIB;
const CONNECTIONS_GOAL_BYTES = 256 * MIB;
const STREAM_TIMEOUT_MS = 120_000;
const SETTLE_MS = 5_000;
const SAMPLE_MS = 20;

if (process.platform !== 'linux') {
  console.error('Resident memory is read from /proc, which only Linux has.');
  process.exit(1);
}

const server = (name: string) => fileURLToPath(new URL(`servers/${name}.ts`, import.meta.url));

const measured = provenance();
const form: keyof typeof PROGRAMS = process.argv.includes('--built') ? 'built' : 'source';
if (!existsSync(PROGRAMS[form])) {
  console.error('There is no dist/main.js: npm run build');
  process.exit(1);
}
const issuer = await createServiceIssuer();
using children = new Children();
const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
try {
  const upstream = await children.node([server('upstream')]).ask<{ port: number }>();
  const streams = await streamBothWays(await start('streams', upstream.port));
  const relayStreams = await streamBothWays(await startRelay(upstream.port));
  const connections = await holdConnections(upstream.port);
  const report = { kind: 'memory', ...measured, form, streams, relayStreams, connections };
  const stamp = measured.date.replace(/[:.]/g, '-');
  const file = fileURLToPath(new URL(`../results/local/${stamp}-memory.json`, import.meta.url));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  print(report);
  console.log(`written: ${file}`);
} finally {
  await rm(directory, { recursive: true, force: true });
}

interface Started {
  readonly port: number;
  readonly cookie: string;
  readonly pid: number;
  readonly end: () => Promise<void>;
}

/** Streams 1 GiB down and then up through a fresh process. */
async function streamBothWays(gateway: Started) {
  const idleBytes = residentOf(gateway.pid);
  const down = await peakDuring(gateway.pid, download(gateway.port, gateway.cookie));
  const up = await peakDuring(gateway.pid, upload(gateway.port, gateway.cookie));
  await gateway.end();
  return {
    bytesEachWay: STREAMED_BYTES,
    idleBytes,
    down: { ...down, addedBytes: down.peakBytes - idleBytes },
    up: { ...up, addedBytes: up.peakBytes - idleBytes },
    goalAddedBytes: STREAM_GOAL_BYTES,
  };
}

/** Opens 10,000 connections to a fresh gateway, sends one request on each, and measures once all are idle. */
async function holdConnections(upstreamPort: number) {
  const openFiles = Math.min(CONNECTIONS * 2 + 1_000, hardLimitOfOpenFiles());
  const wanted = Math.min(CONNECTIONS, openFiles - 1_000);
  const gateway = await start('connections', upstreamPort, openFiles);
  const idleBytes = residentOf(gateway.pid);
  const args = [server('idle-clients'), String(gateway.port), String(wanted), HOST, gateway.cookie];
  const clients = children.node(args, { openFiles });
  const { peakBytes: peakWhileOpening } = await peakDuring(gateway.pid, clients.ask<{ open: number }>());
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const residentBytes = residentOf(gateway.pid);
  const { open } = await clients.ask<{ open: number }>('count');
  await Promise.all([clients.end(), gateway.end()]);
  return {
    wanted: CONNECTIONS,
    open,
    openFilesAllowed: openFiles,
    idleBytes,
    peakWhileOpening,
    residentBytes,
    bytesPerConnection: Math.round((residentBytes - idleBytes) / open),
    goalBytes: CONNECTIONS_GOAL_BYTES,
  };
}

async function start(name: string, upstreamPort: number, openFiles?: number): Promise<Started> {
  const { child, port } = await startGateway(
    children,
    join(directory, name),
    { upstreamPort, redisUrl: null, accessLog: 'all', jwks: issuer.jwks },
    { form, ...(openFiles !== undefined && { openFiles }) },
  );
  const [cookie] = (await openSessions(port, 1)) as [string];
  return { port, cookie, pid: child.pid, end: () => child.end() };
}

async function startRelay(upstreamPort: number): Promise<Started> {
  const child = children.node([server('relay'), `http://127.0.0.1:${upstreamPort}`]);
  const { port } = await child.ask<{ port: number }>();
  await get(port, '/api/orders');
  return { port, cookie: 'none=', pid: child.pid, end: () => child.end() };
}

async function download(port: number, cookie: string): Promise<void> {
  const response = await answered(request({ ...call(port, cookie), path: `/api/bytes?count=${STREAMED_BYTES}` }).end());
  let count = 0;
  for await (const part of response) count += (part as Buffer).length;
  if (response.statusCode !== 200 || count !== STREAMED_BYTES) {
    throw new Error(`download: status ${response.statusCode}, ${count} bytes`);
  }
}

async function upload(port: number, cookie: string): Promise<void> {
  const outgoing = request({ ...call(port, cookie), path: '/api/upload', method: 'POST' });
  const response = answered(outgoing);
  await pipeline(Readable.from(parts(STREAMED_BYTES)), outgoing);
  let body = '';
  for await (const part of await response) body += String(part);
  if (body !== JSON.stringify({ count: STREAMED_BYTES })) throw new Error(`upload: the upstream says ${body}`);
}

function call(port: number, cookie: string) {
  return {
    host: '127.0.0.1',
    port,
    agent: false as const,
    headers: { host: HOST, cookie, origin: PUBLIC_ORIGIN },
    signal: AbortSignal.timeout(STREAM_TIMEOUT_MS),
  };
}

function answered(outgoing: ReturnType<typeof request>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
  });
}

function* parts(count: number): Generator<Buffer> {
  const part = Buffer.alloc(64 * 1024, 'x');
  for (let left = count; left > 0; left -= part.length) yield left < part.length ? part.subarray(0, left) : part;
}

/** Peak memory of a process while something is done. */
async function peakDuring(pid: number, work: Promise<unknown>) {
  const startedMs = performance.now();
  let peakBytes = residentOf(pid);
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, residentOf(pid));
  }, SAMPLE_MS);
  try {
    await work;
  } finally {
    clearInterval(timer);
  }
  return { peakBytes, durationMs: Math.round(performance.now() - startedMs) };
}

function residentOf(pid: number): number {
  const bytes = residentBytes(pid);
  if (bytes === null) throw new Error('the gateway has ended');
  return bytes;
}

interface MemoryReport {
  readonly form: keyof typeof PROGRAMS;
  readonly streams: Awaited<ReturnType<typeof streamBothWays>>;
  readonly relayStreams: Awaited<ReturnType<typeof streamBothWays>>;
  readonly connections: Awaited<ReturnType<typeof holdConnections>>;
  readonly node: string;
  readonly commit: string;
}

function print({ form, streams, relayStreams, connections, node, commit }: MemoryReport): void {
  console.log(`Node ${node} · commit ${commit} · gateway: ${form}\n`);
  const { idleBytes, residentBytes, open, wanted, openFilesAllowed } = connections;
  console.log(
    formatTable(
      ['resident memory, MiB', 'idle', 'then', 'added', 'goal'],
      [
        memoryRow('1 GiB down, peak', streams.idleBytes, streams.down.peakBytes, '≤ 64 added'),
        memoryRow('1 GiB up, peak', streams.idleBytes, streams.up.peakBytes, '≤ 64 added'),
        memoryRow('relay: 1 GiB down, peak', relayStreams.idleBytes, relayStreams.down.peakBytes, ''),
        memoryRow('relay: 1 GiB up, peak', relayStreams.idleBytes, relayStreams.up.peakBytes, ''),
        memoryRow(`${open} idle connections`, idleBytes, residentBytes, '≤ 256 in all'),
      ],
    ),
  );
  if (open < wanted) {
    console.log(`Only ${open} of ${wanted} connections: open files are limited to ${openFilesAllowed}.`);
  }
}

function memoryRow(title: string, idleBytes: number, bytes: number, goal: string): string[] {
  const mib = (count: number) => (count / MIB).toFixed(1);
  return [title, mib(idleBytes), mib(bytes), mib(bytes - idleBytes), goal];
}
