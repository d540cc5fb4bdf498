/** One connection of the HTTP/1.1 client, to a server that sends what the test says, on a clock that the test moves. */

import { Duplex } from 'node:stream';
import type { Connect } from '../../src/upstream/connect.ts';
import type { RequestHandler, ServerRequest } from '../../src/upstream/dispatch.ts';
import { ServerConnection } from '../../src/upstream/http1/connection.ts';
import { Http1Request } from '../../src/upstream/http1/request.ts';

/** Ends a turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What a client has read of an answer. */
export interface Reading {
  /** Statuses of interim answers, then of the final one. */
  readonly statuses: number[];
  headers: readonly (readonly [string, string])[];
  body: string;
  outcome: 'none' | 'whole' | 'broken';
  error: Error | null;
  /** Whether the connection had carried a request before; `null` if none was begun. */
  isKept: boolean | null;
  isSent: boolean;
}

/** Nothing read yet. */
export const nothing = (): Reading => ({
  statuses: [],
  headers: [],
  body: '',
  outcome: 'none',
  error: null,
  isKept: null,
  isSent: false,
});

/** Headers as pairs, one for each line. */
export const listed = (received: Readonly<Record<string, string | string[] | undefined>>): [string, string][] =>
  Object.entries(received).flatMap(([name, value]) =>
    [value ?? []].flat().map((line): [string, string] => [name, line]),
  );

/** The client's end of a connection. */
export class Wire extends Duplex {
  /** Each write. */
  readonly writes: string[] = [];
  /** Whether writes complete; the others wait. */
  isTaking = true;

  setKeepAlive(): void {}
  setNoDelay(): void {}
  ref(): void {}
  unref(): void {}
  override _read(): void {}
  override _write(part: Buffer, _encoding: unknown, done: () => void): void {
    this.writes.push(part.toString('latin1'));
    if (this.isTaking) done();
  }
}

/** A request without a body, with changes. */
export const asked = (changes: Partial<ServerRequest> = {}): ServerRequest => ({
  method: 'GET',
  path: '/x',
  headers: ['Host', 'a'],
  body: null,
  bodyLength: null,
  isUpgrade: false,
  takesTrailers: false,
  isDuplex: false,
  firstByteTimeoutMs: 0,
  idleTimeoutMs: 0,
  takeTimeoutMs: 0,
  ...changes,
});

/** An open connection, and what happens to it. */
export class OpenWire {
  readonly wire = new Wire();
  readonly connection: ServerConnection;
  nowMs = 0;
  /** How often it has become free for a request. */
  freed = 0;
  hasEnded = false;

  constructor() {
    const connect: Connect = (connected) => connected(null, this.wire as never);
    this.connection = new ServerConnection(connect, {
      nowMs: () => this.nowMs,
      watch() {},
      isFree: () => {
        this.freed += 1;
      },
      hasEnded: () => {
        this.hasEnded = true;
      },
    });
  }

  /** Sends a request, and returns the reading of its answer, which fills up later. */
  send(request: ServerRequest): Reading {
    const reading = nothing();
    this.connection.send(new Http1Request(request, handlerOf(reading)));
    return reading;
  }

  /** Receives this text from the server. */
  receive(text: string | Buffer): void {
    if (!this.wire.destroyed) this.connection.received(Buffer.from(text as string, 'latin1'));
  }
}

function handlerOf(reading: Reading): RequestHandler {
  return {
    onRequestStart(_controller, isKept) {
      reading.isKept = isKept;
    },
    onRequestSent() {
      reading.isSent = true;
    },
    onResponseStarted() {},
    onRequestUpgrade() {},
    onResponseStart(_controller, status, received) {
      reading.statuses.push(status);
      reading.headers = listed(received);
    },
    onResponseData(_controller, part) {
      reading.body += part.toString('latin1');
    },
    onResponseEnd() {
      reading.outcome = 'whole';
    },
    onResponseError(error) {
      reading.outcome = 'broken';
      reading.error = error;
    },
  };
}
