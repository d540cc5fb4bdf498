/**
 * The baseline of every ratio: the least that a reverse proxy in Node can be, written as well as one
 * reasonably can. `node:http` in front, one undici pool behind, raw headers passed on without those that concern one
 * connection only (RFC 9110 §7.6.1), bodies streamed both ways with backpressure, either side's end passed to the other,
 * 502 when the upstream fails.
 *
 * It leaves out everything that the gateway is for: no routes, no check of the request, no credentials, no headers of its
 * own, no metrics, no log.
 *
 * Usage: node relay.ts <origin of the upstream>
 */

import { createServer, type IncomingHttpHeaders, type IncomingMessage, ServerResponse } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
import { serve } from './serve.ts';

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const [origin] = process.argv.slice(2);
if (origin === undefined) throw new Error('usage: node relay.ts <origin>');
// As many connections as the gateway has by default.
const pool = new Pool(origin, { connections: 512, pipelining: 1, allowH2: false });

/** A response that knows its relaying, so that one function can listen to all of them. */
class RelayResponse extends ServerResponse<IncomingMessage> {
  relaying: Relaying | null = null;
}

/** One request on its way. */
class Relaying implements Dispatcher.DispatchHandler {
  readonly #response: RelayResponse;
  #controller: Dispatcher.DispatchController | null = null;
  #isOver = false;

  constructor(response: RelayResponse) {
    this.#response = response;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isOver) controller.abort(new Error('client left'));
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, received: IncomingHttpHeaders): void {
    if (status >= 200) this.#response.writeHead(status, responseHeaders(received));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#response.once('drain', () => controller.resume());
  }

  onResponseEnd(): void {
    this.#isOver = true;
    this.#response.end();
  }

  onResponseError(_: Dispatcher.DispatchController | null, _error: Error): void {
    this.#isOver = true;
    if (this.#response.headersSent) this.#response.destroy();
    else this.#response.writeHead(502, ['content-length', '0', 'connection', 'close']).end();
  }

  clientLeft(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#controller?.abort(new Error('client left'));
  }
}

function onRequest(request: IncomingMessage, response: RelayResponse): void {
  const relaying = new Relaying(response);
  response.relaying = relaying;
  response.on('close', onClose);
  const { headers } = request;
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  pool.dispatch(
    {
      path: request.url as string,
      method: request.method as Dispatcher.HttpMethod,
      headers: requestHeaders(request),
      body: hasBody ? request : null,
    },
    relaying,
  );
}

function onClose(this: RelayResponse): void {
  this.relaying?.clientLeft();
}

function requestHeaders({ rawHeaders, headers }: IncomingMessage): string[] {
  const listed = listedIn(headers.connection);
  const kept: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    const folded = name.toLowerCase();
    if (!HOP_BY_HOP.has(folded) && listed?.has(folded) !== true) kept.push(name, rawHeaders[index + 1] as string);
  }
  return kept;
}

function responseHeaders(received: IncomingHttpHeaders): string[] {
  const listed = listedIn(received.connection);
  const kept: string[] = [];
  for (const name in received) {
    const value = received[name];
    if (value === undefined || HOP_BY_HOP.has(name) || listed?.has(name) === true) continue;
    if (typeof value === 'string') kept.push(name, value);
    else for (const line of value) kept.push(name, line);
  }
  return kept;
}

/** The headers that a Connection header lists; `null` in the usual case that it lists none. */
function listedIn(connection: string | string[] | undefined): ReadonlySet<string> | null {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return null;
  return new Set(
    String(connection)
      .split(',')
      .map((option) => option.trim().toLowerCase()),
  );
}

// Idle connections are kept for as long as the gateway keeps them by default.
await serve(createServer({ ServerResponse: RelayResponse, keepAliveTimeout: 65_000 }, onRequest));
