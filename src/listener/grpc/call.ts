/**
 * One call of gRPC, over the stream that carries it: messages in, messages and a status out.
 *
 * perf: no closure per call where it has one message and one answer (docs/adr/0003-no-closures-on-the-hot-path.md).
 */

import type { Denial } from '../../errors.ts';
import { MAX_TIMER_MS } from '../../lib/clock.ts';
import { GRPC_STATUS, grpcMessage } from '../../lib/http/grpc.ts';
import type { BodyTaker, Carried, Http2Reply } from '../http2/reply.ts';
import { type CallFailure, framed, MessageReader } from './messages.ts';

/** A method of a service. */
export interface GrpcMethod {
  /** `one`: a call has exactly one message, which is taken when its client has sent everything. `many`: each is taken as it comes. */
  readonly messages: 'one' | 'many';
  /** Takes a message, without its prefix. Must not throw. */
  take(message: Buffer, call: GrpcCall): void;
}

/** Work on a call that can be abandoned. */
export interface CallWork {
  /** The client no longer waits. Not called once the call has been ended. */
  cancelled(): void;
}

/** What a call asks for, as its head says. */
export interface CallHead {
  readonly method: GrpcMethod;
  /** Of one message. */
  readonly maxMessageBytes: number;
  /** Until the client stops waiting; `null`: it does not say. */
  readonly timeoutMs: number | null;
  /** Monotonic time at which its head was complete. */
  readonly startedMs: number;
  /** Of the peer. */
  readonly address: string;
}

const CONTENT_TYPE = ['content-type', 'application/grpc'] as const;
const OK: [string, string][] = [['grpc-status', '0']];
/** The words of the specification for a call with more or fewer messages than its method has (doc/statuscodes.md). */
const NOT_ONE_MESSAGE: CallFailure = { status: GRPC_STATUS.unimplemented, message: 'the method takes one message' };
const CUT_SHORT: CallFailure = { status: GRPC_STATUS.internal, message: 'the last message is incomplete' };
const TOO_SLOW: CallFailure = { status: GRPC_STATUS.deadlineExceeded, message: 'the message did not arrive in time' };
const TOO_LATE: CallFailure = { status: GRPC_STATUS.deadlineExceeded, message: 'grpc-timeout has passed' };

/** Begins the answer to a call that fails: a head that ends the stream (`Trailers-Only`). */
export function failCall(
  reply: Http2Reply,
  { status, message }: CallFailure,
  headers: readonly (readonly [string, string])[] = [],
): void {
  const outcome = [CONTENT_TYPE, ['grpc-status', String(status)], ['grpc-message', grpcMessage(message)], ...headers];
  reply.begin(200, outcome.flat());
  reply.end();
}

/** A call whose head has been accepted. */
export class GrpcCall implements Carried, BodyTaker {
  readonly startedMs: number;
  /** Address of the peer. */
  readonly address: string;
  /** Cancelled when the client no longer waits. */
  work: CallWork | null = null;
  readonly #method: GrpcMethod;
  readonly #reader: MessageReader;
  readonly #timeoutMs: number | null;
  /** `null` once it is over. */
  #reply: Http2Reply | null;
  /** The message of a method that takes one. */
  #only: Buffer | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** The client reads its answers too slowly for more. */
  #isBlocked = false;
  #isComplete = false;

  constructor(reply: Http2Reply, { method, maxMessageBytes, timeoutMs, startedMs, address }: CallHead) {
    this.startedMs = startedMs;
    this.address = address;
    this.#method = method;
    this.#reader = new MessageReader(maxMessageBytes);
    this.#timeoutMs = timeoutMs;
    this.#reply = reply;
    if (method.messages === 'many') this.#startTimer();
  }

  part(bytes: Buffer): boolean {
    if (this.#reply === null) return true;
    this.#reader.add(bytes);
    this.#read();
    return !this.#isBlocked;
  }

  bodyEnded(): void {
    this.#isComplete = true;
    this.#read();
  }

  /** Sends one of several messages. */
  send(message: Uint8Array): void {
    const reply = this.#reply;
    if (reply === null) return;
    if (!reply.hasBegun) reply.begin(200, [...CONTENT_TYPE]);
    if (reply.write(framed(message)) || this.#isBlocked) return;
    this.#isBlocked = true;
    reply.once('drain', () => this.#unblock());
  }

  /** Sends the only message, and ends the call with OK. */
  answer(message: Uint8Array): void {
    const reply = this.#letGo();
    if (reply === null) return;
    reply.begin(200, [...CONTENT_TYPE]);
    reply.addTrailers(OK);
    reply.end(framed(message));
  }

  /** Ends the call, with OK unless it failed. */
  end(failure: CallFailure | null = null): void {
    const reply = this.#letGo();
    if (reply === null) return;
    const { status, message } = failure ?? { status: GRPC_STATUS.ok, message: '' };
    if (!reply.hasBegun) {
      failCall(reply, { status, message });
      return;
    }
    reply.addTrailers([
      ['grpc-status', String(status)],
      ['grpc-message', grpcMessage(message)],
    ]);
    reply.end();
  }

  refuseBody(_denial: Denial): void {
    this.#abandon(TOO_SLOW);
  }

  clientLeft(): void {
    const { work } = this;
    this.#letGo();
    work?.cancelled();
  }

  finish(): void {}

  #read(): void {
    while (this.#reply !== null && !this.#isBlocked) {
      const message = this.#reader.next();
      if (message === null) {
        if (this.#isComplete) this.#taken();
        return;
      }
      if (!Buffer.isBuffer(message)) this.end(message);
      else if (this.#method.messages === 'many') this.#method.take(message, this);
      else if (this.#only !== null) this.end(NOT_ONE_MESSAGE);
      else this.#only = message;
    }
  }

  /** The client has sent everything. */
  #taken(): void {
    const only = this.#only;
    this.#only = null;
    if (this.#reader.hasRest) this.end(CUT_SHORT);
    else if (this.#method.messages === 'many') this.end();
    else if (only === null) this.end(NOT_ONE_MESSAGE);
    else {
      this.#method.take(only, this);
      // perf: most are answered by now.
      if (this.#reply !== null) this.#startTimer();
    }
  }

  #unblock(): void {
    this.#isBlocked = false;
    this.#read();
    if (!this.#isBlocked) this.#reply?.resumeBody();
  }

  #startTimer(): void {
    if (this.#timeoutMs === null) return;
    const leftMs = Math.min(this.#timeoutMs, MAX_TIMER_MS);
    this.#timer = setTimeout(() => this.#abandon(TOO_LATE), leftMs).unref();
  }

  #abandon(failure: CallFailure): void {
    const { work } = this;
    this.end(failure);
    work?.cancelled();
  }

  /** It is over: holds nothing that others need. */
  #letGo(): Http2Reply | null {
    const reply = this.#reply;
    this.#reply = null;
    this.work = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    return reply;
  }
}
