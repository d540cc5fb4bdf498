/**
 * The access log: a line through pino against one built in place (src/telemetry/access.ts), and lines gathered as one
 * string against lines copied into a block (src/telemetry/line-blocks.ts). Nothing is written: only building counts.
 */

import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { pino, stdTimeFunctions } from 'pino';
import { Denial } from '../../src/errors.ts';
import { Exchange } from '../../src/exchange.ts';
import { Http1Reply } from '../../src/listener/http1/reply.ts';
import type { UserPrincipal } from '../../src/principal.ts';
import type { Route } from '../../src/routing/route.ts';
import { OwnedHeaders } from '../../src/sanitize/owned-headers.ts';
import { Sanitizer } from '../../src/sanitize/sanitize.ts';
import { AccessLog } from '../../src/telemetry/access.ts';
import { LineBlocks } from '../../src/telemetry/line-blocks.ts';
import type { RouteMetrics } from '../../src/telemetry/route-series.ts';
import { compare } from './compare.ts';

const BLOCK_BYTES = 64 * 1024;

/** Takes lines and blocks, and keeps only the last. */
class Sink {
  last: string | Uint8Array = '';
  write(data: string | Uint8Array): void {
    this.last = data;
  }
  readonly isBusy = false;
  readonly isFull = false;
  async idle(): Promise<void> {}
}

const sink = new Sink();
const exchange = finishedExchange();
const accessLog = new AccessLog(sink, { level: 'info', access: 'all' });
const logger = pino({ level: 'info', base: null, timestamp: stdTimeFunctions.isoTime }, sink);

compare(import.meta.url, 'the line of a request', [
  { name: 'pino', once: logWithPino },
  { name: 'AccessLog', once: () => accessLog.record(exchange, performance.now(), Date.now()) },
]);

let gathered = '';
const blocks = new LineBlocks(sink, 1_000);
compare(import.meta.url, 'gathering lines', [
  { name: 'joined as strings', once: gatherAsString },
  { name: 'LineBlocks', once: () => blocks.write(makeLine()) },
]);
blocks.close();

function logWithPino(): void {
  const { screened, route, principal } = exchange;
  const upstreamMs = (exchange.upstreamEndedMs as number) - (exchange.dispatchedMs as number);
  logger.info(
    {
      id: exchange.id,
      route: route?.id,
      method: exchange.method,
      host: screened?.host,
      path: screened?.target.path,
      status: exchange.reply.status,
      durationMs: Math.round((performance.now() - exchange.startedMs) * 1_000) / 1_000,
      upstreamMs: Math.round(upstreamMs * 1_000) / 1_000,
      requestBytes: exchange.requestBytes,
      responseBytes: exchange.responseBytes,
      client: screened?.clientAddress,
      kind: principal?.kind,
      subject: principal?.kind === 'user' ? principal.subject : undefined,
    },
    'request',
  );
}

function gatherAsString(): void {
  gathered += makeLine();
  if (gathered.length < BLOCK_BYTES) return;
  sink.write(Buffer.from(gathered));
  gathered = '';
}

/** Builds a line from many pieces. */
function makeLine(): string {
  let line = `{"level":"info","time":"2026-01-31T12:00:00.000Z","id":"${exchange.id}"`;
  line += `,"route":"orders","method":"${exchange.method}","host":"shop.example.com","path":"/api/orders"`;
  line += `,"status":200,"durationMs":${exchange.startedMs},"upstreamMs":${exchange.dispatchedMs}`;
  line += `,"requestBytes":0,"responseBytes":${exchange.responseBytes},"client":"127.0.0.1"`;
  return `${line},"kind":"user","subject":"user-1","msg":"request"}\n`;
}

/** An exchange that has been answered with 200. */
function finishedExchange(): Exchange {
  const incoming = new IncomingMessage(new Socket());
  incoming.method = 'GET';
  incoming.url = '/api/orders?page=2';
  incoming.httpVersion = '1.1';
  incoming.rawHeaders = ['Host', 'shop.example.com', 'Accept', 'application/json'];
  const peer = { address: '127.0.0.1', secure: false, serverName: null };
  const nothing = () => {};
  const unread = () => ({ mediaType: 'text/html', body: '', headers: [] });
  const unmatched = { observe: nothing, inFlight: { inc: nothing } } as unknown as RouteMetrics;
  const handler = { unmatched, begun: nothing, handle: nothing, refuse: nothing, unread, finished: nothing };
  const listener = { name: 'bench', logText: '', handler, finished: nothing };
  const made = new Exchange(listener, new Http1Reply(incoming), incoming, peer, performance.now());
  const screened = new Sanitizer({
    owned: new OwnedHeaders([], []),
    cookieName: '__Host-sid',
    trustedProxies: null,
    traceParents: 'all',
    publicOrigins: new Map(),
    maxTargetBytes: 8_192,
    cookieLimits: { maxCookieBytes: 8_192, maxCookieCount: 100 },
  }).screen(made);
  if (screened instanceof Denial) throw new Error('the request of this benchmark was refused');
  made.screened = screened;
  made.route = { id: 'orders' } as Route;
  made.principal = { kind: 'user', subject: 'user-1' } as UserPrincipal;
  made.dispatchedMs = made.startedMs + 0.081;
  made.firstByteMs = made.startedMs + 0.412;
  made.upstreamEndedMs = made.startedMs + 0.433;
  made.responseBytes = 129;
  return made;
}
