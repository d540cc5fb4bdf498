/**
 * A plain TCP upstream that records every byte it receives and answers each request by its framing. It reads like a
 * strict server: anything that two servers could read differently is noted in `problems`, and a test that ends with an
 * empty list has shown that nothing ambiguous was sent.
 */

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';

export interface RecordedRequest {
  /** Request line and headers as received. */
  readonly head: string;
  readonly body: Buffer;
  /** Values of a header by lower-case name, in order. */
  values(name: string): string[];
}

/** Writes the answer to a request on the bare socket. */
export type Answer = (request: RecordedRequest, socket: Socket) => void;

const OK: Answer = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');

export class RecordingUpstream implements AsyncDisposable {
  readonly requests: RecordedRequest[] = [];
  /** Everything received, over all connections. */
  bytes: Buffer = Buffer.alloc(0);
  /** What a strict server would object to. */
  problems: string[] = [];
  connectionCount = 0;
  answer: Answer;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiters: (() => void)[] = [];

  private constructor(answer: Answer) {
    this.answer = answer;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** @param port  a free one by default */
  static start(answer: Answer = OK, port = 0): Promise<RecordingUpstream> {
    const upstream = new RecordingUpstream(answer);
    return new Promise((resolve) => upstream.#server.listen(port, '127.0.0.1', () => resolve(upstream)));
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get text(): string {
    return this.bytes.toString('latin1');
  }

  get last(): RecordedRequest {
    const last = this.requests.at(-1);
    if (last === undefined) throw new Error('the upstream got no request');
    return last;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Writes on every open connection, whether or not there is a request. */
  writeToAll(bytes: string): void {
    for (const socket of this.#sockets) socket.write(bytes, 'latin1');
  }

  /** Forgets what was recorded. */
  reset(): void {
    this.requests.length = 0;
    this.problems = [];
    this.bytes = Buffer.alloc(0);
  }

  /** Resolves when this many complete requests have arrived. */
  async received(count: number): Promise<void> {
    while (this.requests.length < count) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    this.connectionCount += 1;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    let buffer: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      buffer = Buffer.concat([buffer, chunk]);
      for (let parsed = parseRequest(buffer); parsed !== null; parsed = parseRequest(buffer)) {
        buffer = parsed.rest;
        this.requests.push(parsed.request);
        this.problems.push(...objections(parsed.request));
        this.answer(parsed.request, socket);
        for (const wake of this.#waiters.splice(0)) wake();
      }
    });
  }
}

const REQUEST_LINE = /^[A-Z]+ \/[\x21-\x7e]* HTTP\/1\.1$/;
const FIELD_LINE =
  /^[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/** What a strict server (RFC 9112, without leniency) objects to in a request. */
function objections({ head, values }: RecordedRequest): string[] {
  const [requestLine = '', ...lines] = head.split('\r\n');
  const found: string[] = [];
  if (!REQUEST_LINE.test(requestLine)) found.push(`request line ${JSON.stringify(requestLine)}`);
  for (const line of lines) if (!FIELD_LINE.test(line)) found.push(`field line ${JSON.stringify(line)}`);
  if (values('host').length !== 1) found.push(`${values('host').length} Host lines`);
  if (values('connection').length > 1) found.push('several Connection lines');
  const lengths = values('content-length');
  const codings = values('transfer-encoding');
  if (lengths.length + codings.length > 1) found.push(`framed twice: ${[...lengths, ...codings].join(' and ')}`);
  if (lengths.some((length) => !/^(?:0|[1-9]\d*)$/.test(length))) found.push(`Content-Length ${lengths}`);
  if (codings.some((coding) => coding !== 'chunked')) found.push(`Transfer-Encoding ${codings}`);
  return found;
}

function parseRequest(buffer: Buffer): { request: RecordedRequest; rest: Buffer } | null {
  const headEnd = buffer.indexOf('\r\n\r\n');
  if (headEnd === -1) return null;
  const head = buffer.subarray(0, headEnd).toString('latin1');
  const values = (name: string) =>
    head
      .split('\r\n')
      .slice(1)
      .filter((line) => line.slice(0, line.indexOf(':')).toLowerCase() === name)
      .map((line) => line.slice(line.indexOf(':') + 1).trim());
  const after = buffer.subarray(headEnd + 4);
  const framed =
    values('transfer-encoding').length > 0
      ? chunkedBody(after)
      : fixedBody(after, Number(values('content-length')[0] ?? 0));
  return framed === null ? null : { request: { head, body: framed.body, values }, rest: framed.rest };
}

function fixedBody(after: Buffer, length: number): { body: Buffer; rest: Buffer } | null {
  return after.length < length ? null : { body: after.subarray(0, length), rest: after.subarray(length) };
}

function chunkedBody(after: Buffer): { body: Buffer; rest: Buffer } | null {
  const parts: Buffer[] = [];
  let offset = 0;
  for (;;) {
    const lineEnd = after.indexOf('\r\n', offset);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(after.subarray(offset, lineEnd).toString('latin1'), 16);
    const end = lineEnd + 2 + size + 2;
    if (after.length < end) return null;
    if (size === 0) return { body: Buffer.concat(parts), rest: after.subarray(end) };
    parts.push(after.subarray(lineEnd + 2, end - 2));
    offset = end;
  }
}
