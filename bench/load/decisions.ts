/**
 * What does an answer of the authorizer cost over HTTP, and over gRPC? One gateway, a warm session, questions as Envoy asks them, 64 at
 * a time: over HTTP on 64 connections, over gRPC on 4. Both take turns in one run; the ratio is that of each turn. Where
 * `OAUTH2_PROXY_BIN` names a build of oauth2-proxy, the same question goes to its `/oauth2/auth`, with its session in a real Redis.
 *
 *     node bench/load/decisions.ts [--rounds 5] [--seconds 2]
 */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, credentials } from '@grpc/grpc-js';
import { attributesOf, CheckClient } from '../../test/authorizer/grpc/client.ts';
import { question } from '../../test/authorizer/stage.ts';
import { RedisServer } from '../../test/support/redis.ts';
import { startOauth2Proxy } from '../peers/peers.ts';
import { preparePlace } from '../peers/place.ts';
import { Children } from '../support/children.ts';
import { cpuTimeUs } from '../support/process-figures.ts';
import { spreadOf } from '../support/statistics.ts';
import { startGateway } from './gateway.ts';
import { UnaryCalls } from './generator/unary-calls.ts';
import { createServiceIssuer, openSessions } from './sessions.ts';

const TARGET = '/api/orders';
const AT_A_TIME = 64;
const GRPC_CONNECTIONS = 4;
/** Of a message of gRPC: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;
const WARM_UP_MS = 2_000;
/** Of a browser, as Envoy passes them on. */
const LINES = [
  ...['accept: text/html,application/xhtml+xml', 'accept-encoding: gzip, br', 'accept-language: en'],
  ...['sec-fetch-dest: document', 'sec-fetch-mode: navigate', 'sec-fetch-site: same-origin'],
  'user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  ...['x-forwarded-for: 203.0.113.7', 'x-forwarded-proto: https', 'x-request-id: 1f0ad0cc-8a57-4b52-b1a1-6a3e0b0d0b36'],
];

/** Asks as fast as answers come, until it is stopped. */
interface Load {
  readonly answers: number;
  stop(): void;
}

/** Asks over HTTP, one question at a time on each connection; any other status ends the run. */
function overHttp(port: number, bytes: Buffer | string, status: number): Load {
  const load = {
    answers: 0,
    stop: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
  const sockets: Socket[] = Array.from({ length: AT_A_TIME }, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes)).setNoDelay();
    return socket.on('data', (part: Buffer) => {
      if (part.subarray(9, 12).toString() !== `${status}`)
        throw new Error(`answered ${part.toString('latin1', 0, 40)}`);
      load.answers += 1;
      socket.write(bytes);
    });
  });
  return load;
}

function overGrpc(port: number, message: Uint8Array, answerBytes: number): Load {
  const each = AT_A_TIME / GRPC_CONNECTIONS;
  const calls = Array.from(
    { length: GRPC_CONNECTIONS },
    () => new UnaryCalls(port, CheckClient.method.path, message, answerBytes, each),
  );
  return {
    get answers() {
      return calls.reduce((sum, { answers }) => sum + answers, 0);
    },
    stop: () => {
      for (const call of calls) call.close();
    },
  };
}

/** Asks once with a real client: whether it may forward, and how long that answer is on the wire. */
async function lengthOfAnswer(port: number, message: Uint8Array): Promise<number> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const answer = await new Promise<Buffer>((resolve, reject) =>
    client.makeUnaryRequest(
      CheckClient.method.path,
      () => Buffer.from(message),
      (bytes) => bytes,
      null,
      (error, bytes) => (error === null ? resolve(bytes as Buffer) : reject(error)),
    ),
  );
  client.close();
  const { status } = CheckClient.method.responseDeserialize(answer);
  if (status.code !== 0) throw new Error(`answered ${status.code}`);
  return PREFIX_BYTES + answer.length;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** CPU time of the gateway per answer, microseconds. */
async function costOf(pid: number, begin: () => Load, durationMs: number): Promise<number> {
  const load = begin();
  await pause(durationMs / 4);
  const [cpuUs, answers] = [cpuTimeUs(pid), load.answers];
  await pause(durationMs);
  const cost = ((cpuTimeUs(pid) ?? Number.NaN) - (cpuUs ?? Number.NaN)) / (load.answers - answers);
  load.stop();
  await pause(100);
  return cost;
}

async function measure(rounds: number, durationMs: number): Promise<void> {
  using children = new Children();
  using disposer = new DisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-decisions-'));
  disposer.defer(() => rmSync(directory, { recursive: true, force: true }));
  const { jwks } = await createServiceIssuer();
  const settings = { upstreamPort: 9, redisUrl: null, accessLog: 'all', jwks } as const;
  const { child, port, authorizerPort, grpcPort } = await startGateway(children, directory, settings);
  const [session] = await openSessions(port, 1);
  const cookie = `cookie: ${session}`;
  const http = attributesOf([cookie, ...LINES], { path: TARGET });
  const message = CheckClient.method.requestSerialize({ attributes: { request: { http } } });
  const answerBytes = await lengthOfAnswer(grpcPort, message);
  const asked = question('ext-authz', { target: TARGET, lines: [cookie, ...LINES, 'Content-Length: 0'] });
  const kinds = {
    HTTP: () => overHttp(authorizerPort, asked, 200),
    gRPC: () => overGrpc(grpcPort, message, answerBytes),
  };
  for (const begin of Object.values(kinds)) await costOf(child.pid, begin, WARM_UP_MS);
  await using peer = await startPeer(children, directory);
  if (peer !== null) await costOf(peer.pid, peer.begin, WARM_UP_MS);
  const costs: { readonly http: number; readonly grpc: number; readonly peer: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const overHttp = await costOf(child.pid, kinds.HTTP, durationMs);
    const overGrpc = await costOf(child.pid, kinds.gRPC, durationMs);
    const byPeer = peer === null ? Number.NaN : await costOf(peer.pid, peer.begin, durationMs);
    costs.push({ http: overHttp, grpc: overGrpc, peer: byPeer });
  }
  const shown = (values: readonly number[], digits: number) => {
    const { median, min, max } = spreadOf(values);
    return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
  };
  const [ofHttp, ofGrpc] = [costs.map(({ http }) => http), costs.map(({ grpc }) => grpc)];
  console.log(`CPU time of an answer, µs: HTTP ${shown(ofHttp, 0)}, gRPC ${shown(ofGrpc, 0)}`);
  console.log(
    `gRPC ÷ HTTP: ${shown(
      costs.map(({ http, grpc }) => grpc / http),
      2,
    )}`,
  );
  if (peer === null) return console.log('oauth2-proxy is left out: OAUTH2_PROXY_BIN names no build');
  const [ofPeer, ratios] = [costs.map((cost) => cost.peer), costs.map((cost) => cost.peer / cost.http)];
  console.log(`oauth2-proxy ${peer.version}, /oauth2/auth: ${shown(ofPeer, 0)} µs, ÷ HTTP: ${shown(ratios, 2)}`);
}

/** oauth2-proxy, with a session that it reads from Redis for each question; `null` without a build. */
async function startPeer(children: Children, directory: string) {
  const path = process.env['OAUTH2_PROXY_BIN'];
  if (path === undefined || !existsSync(path)) return null;
  const redis = await RedisServer.start();
  const place = await preparePlace({ children, directory, redis, connections: 1 });
  const { child, port, version, credentials } = await startOauth2Proxy(place, path, true);
  const [session] = (await credentials(1)).values;
  const lines = ['GET /oauth2/auth HTTP/1.1', 'Host: shop.example.com', `Cookie: ${session}`, ...LINES];
  const asked = `${lines.join('\r\n')}\r\n\r\n`;
  return {
    ...{ pid: child.pid, version, begin: () => overHttp(port, asked, 202) },
    [Symbol.asyncDispose]: async () => {
      place[Symbol.dispose]();
      await redis[Symbol.asyncDispose]();
    },
  };
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '2' } },
});
await measure(Number(values.rounds), Number(values.seconds) * 1_000);
process.exit();
