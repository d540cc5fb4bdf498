/**
 * What a request over HTTP/2 costs, in comparison with HTTP/1.1: a warm session, 64 requests at a time, over 8 connections of 8
 * streams each or over 64 connections. Two gateways take turns on one core; load and upstream run on the other. About 30 s.
 *
 *     node bench/load/http2.ts [--rounds 5] [--seconds 2]
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  indexedField,
  PREFACE,
  windowUpdate,
} from '../../test/support/http2/client.ts';
import { Children, canPin, pinSelf } from '../support/children.ts';
import { cpuTimeUs } from '../support/process-figures.ts';
import { spreadOf } from '../support/statistics.ts';
import { ANSWER } from './answer.ts';
import { type RunningGateway, startGateway } from './gateway.ts';
import { HOST } from './http.ts';
import { createServiceIssuer, openSessions } from './sessions.ts';

const REQUESTS_AT_A_TIME = 64;
const CONNECTIONS_OF_HTTP2 = 8;
const MEASURED_CORE = 0;
const OTHER_CORE = 1;
const PATH = '/api/orders';
const HEADERS = { 'user-agent': 'bench', accept: 'application/json' };

/** RFC 7541 §2.3.3. */
const FIRST_DYNAMIC_INDEX = 62;
/** Of a frame (RFC 9113 §4.1). */
const HEAD_BYTES = 9;

type Protocol = 'HTTP/1.1' | 'HTTP/2';

interface Load {
  readonly protocol: Protocol;
  readonly port: number;
  readonly cookie: string;
  readonly durationMs: number;
}

/** A gateway that is asked in one protocol, and what that cost in each round. */
interface Variant {
  readonly protocol: Protocol;
  readonly gateway: RunningGateway;
  readonly cookie: string;
  readonly costs: number[];
  readonly rates: number[];
}

/** Counts right answers; stops the run at any other. */
class Counter {
  readonly #untilMs: number;
  answers = 0;
  constructor(durationMs: number) {
    this.#untilMs = performance.now() + durationMs;
  }
  get isOver(): boolean {
    return performance.now() >= this.#untilMs;
  }
  answered(status: unknown, body: string): void {
    if (Number(status) !== 200 || body !== ANSWER) throw new Error(`wrong answer: ${String(status)} ${body}`);
    this.answers += 1;
  }
}

/** One connection of HTTP/1.1 with one request at a time. */
async function overHttp1({ port, cookie }: Load, counter: Counter): Promise<void> {
  const lines = Object.entries({ host: HOST, ...HEADERS, cookie }).map(([name, value]) => `${name}: ${value}\r\n`);
  const request = `GET ${PATH} HTTP/1.1\r\n${lines.join('')}\r\n`;
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    const bodyAt = text.indexOf('\r\n\r\n') + 4;
    if (bodyAt < 4 || text.length - bodyAt < ANSWER.length) return;
    counter.answered(text.split(' ', 2)[1], text.slice(bodyAt));
    text = '';
    if (counter.isOver) socket.end();
    else socket.write(request);
  });
  socket.write(request);
  await once(socket, 'close');
}

/**
 * One connection of HTTP/2 with several requests at a time. Frames by hand: Node's client would need more of its core than the
 * gateway of the other. As with any client, a header that was sent once is one byte from then on.
 */
async function overHttp2({ port, cookie }: Load, counter: Counter): Promise<void> {
  const fields = Object.entries({
    ':method': 'GET',
    ':scheme': 'http',
    ':path': PATH,
    ':authority': HOST,
    ...HEADERS,
    cookie,
  });
  const first = Buffer.concat(fields.map(indexedField));
  const next = Buffer.from(fields.map((_, at) => 0x80 | (FIRST_DYNAMIC_INDEX + fields.length - 1 - at)));
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  let [id, open] = [1, 0];
  let received: Buffer = Buffer.alloc(0);
  const ask = (block: Buffer) => {
    open += 1;
    const head = frame(FRAME.headers, END_HEADERS | END_STREAM, id, block);
    id += 2;
    return head;
  };
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const answers: Buffer[] = [];
    let at = 0;
    for (let end = 0; received.length >= at + HEAD_BYTES; at = end) {
      end = at + HEAD_BYTES + received.readUIntBE(at, 3);
      if (received.length < end) break;
      const type = received[at + 3];
      if (type === FRAME.reset || type === FRAME.goaway) throw new Error('the gateway has refused a request');
      if (type === FRAME.settings && received[at + 4] === 0) answers.push(frame(FRAME.settings, 1, 0));
      if (type !== FRAME.data || ((received[at + 4] ?? 0) & END_STREAM) === 0) continue;
      counter.answered(200, received.toString('latin1', at + HEAD_BYTES, end));
      open -= 1;
      answers.push(windowUpdate(0, ANSWER.length));
      if (!counter.isOver) answers.push(ask(next));
    }
    received = received.subarray(at);
    if (answers.length > 0) socket.write(Buffer.concat(answers));
    if (open === 0) socket.end();
  });
  const others = Array.from({ length: REQUESTS_AT_A_TIME / CONNECTIONS_OF_HTTP2 }, (_, at) =>
    ask(at === 0 ? first : next),
  );
  socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), ...others]));
  await once(socket, 'close');
}

/** The process of the load. */
function generate(): void {
  process.once('disconnect', () => process.exit());
  process.on('message', async (load: Load) => {
    const counter = new Counter(load.durationMs);
    const isHttp2 = load.protocol === 'HTTP/2';
    const connections = Array.from({ length: isHttp2 ? CONNECTIONS_OF_HTTP2 : REQUESTS_AT_A_TIME });
    await Promise.all(connections.map(() => (isHttp2 ? overHttp2 : overHttp1)(load, counter)));
    process.send?.(counter.answers);
  });
}

async function measure(rounds: number, roundMs: number): Promise<void> {
  if (canPin && availableParallelism() > OTHER_CORE) pinSelf(OTHER_CORE);
  using children = new Children();
  const directory = await mkdtemp(join(tmpdir(), 'bench-http2-'));
  const upstream = children.node([fileURLToPath(new URL('servers/upstream.ts', import.meta.url))]);
  const { port: upstreamPort } = await upstream.ask<{ port: number }>();
  const generator: ChildProcess = fork(import.meta.filename, ['generate']);
  const { jwks } = await createServiceIssuer();
  const variants: Variant[] = [];
  for (const protocol of ['HTTP/1.1', 'HTTP/2'] as const) {
    const settings = { upstreamPort, redisUrl: null, accessLog: 'all' as const, jwks };
    const listener = { http2: protocol === 'HTTP/2' };
    const place = join(directory, protocol.replace(/\W/g, ''));
    const gateway = await startGateway(children, place, { ...settings, listener }, { core: MEASURED_CORE });
    const [cookie = ''] = await openSessions(gateway.port, 1);
    variants.push({ protocol, gateway, cookie, costs: [], rates: [] });
  }
  const round = async ({ protocol, gateway, cookie }: Variant, durationMs: number) => {
    const before = cpuTimeUs(gateway.child.pid) ?? Number.NaN;
    generator.send({ protocol, port: gateway.port, cookie, durationMs } satisfies Load);
    const [answers] = (await once(generator, 'message')) as [number];
    return {
      cost: ((cpuTimeUs(gateway.child.pid) ?? Number.NaN) - before) / answers,
      rate: (answers / durationMs) * 1_000,
    };
  };
  for (const variant of variants) for (let part = 0; part < 2; part += 1) await round(variant, roundMs);
  for (let at = 0; at < rounds; at += 1) {
    for (const variant of at % 2 === 0 ? variants : variants.toReversed()) {
      const { cost, rate } = await round(variant, roundMs);
      variant.costs.push(cost);
      variant.rates.push(rate);
    }
  }
  for (const { protocol, costs, rates } of variants) {
    const { min, median, max } = spreadOf(costs);
    const perSec = Math.round(spreadOf(rates).median);
    process.stdout.write(
      `${protocol}: ${median.toFixed(1)} µs of CPU time per request (${min.toFixed(1)}–${max.toFixed(1)}), ${perSec} requests/s\n`,
    );
  }
  const [first, second] = variants;
  const ratio = spreadOf((second?.costs ?? []).map((cost, at) => cost / (first?.costs[at] ?? Number.NaN)));
  process.stdout.write(
    `HTTP/2 ÷ HTTP/1.1: ${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})\n`,
  );
  generator.disconnect();
  await rm(directory, { recursive: true });
}

if (process.argv[2] === 'generate') generate();
else {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '2' } },
  });
  await measure(Number(values.rounds), Number(values.seconds) * 1_000);
}
