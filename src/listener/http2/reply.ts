/**
 * The answer to an HTTP/2 request, over the stream that carries both (Node's core API: its compatibility layer would make three
 * more objects for each request). One stream is one exchange: a fault ends the stream, never the connection.
 *
 * perf: no closure per request (docs/adr/0003-no-closures-on-the-hot-path.md), so that functions find the reply through the
 * stream.
 */

import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Duplex, Readable } from 'node:stream';
import type { Denial } from '../../errors.ts';
import type { Reply } from '../../exchange.ts';
import { IncomingBody } from './incoming-body.ts';

/** What a stream carries: an exchange, or a call of gRPC. */
export interface Carried {
  readonly startedMs: number;
  /** The rest of the request is refused. */
  refuseBody(denial: Denial): void;
  /** The client left before the answer was complete. */
  clientLeft(): void;
  /** The stream is over. */
  finish(): void;
}

/** Takes the body of a request without a stream of its own for it. */
export interface BodyTaker {
  /** Takes the next part. Returns false when it wants no more for now: see {@link Http2Reply.resumeBody}. */
  part(bytes: Buffer): boolean;
  /** The client has sent the whole body. Not called for one that is abandoned. */
  bodyEnded(): void;
}

/** Whether a request asks for a WebSocket, and has a key. */
interface AskedUpgrade {
  readonly isUpgrade: boolean;
  readonly hasKey: boolean;
}

/** The part of a connection that a reply uses. */
interface Carrier {
  readonly isGone: boolean;
  /** A part of an answer has been passed to the connection. */
  noteProgress(): void;
  /** The stream is over. */
  forget(reply: Http2Reply): void;
}

/** A stream and the reply on it. */
interface ReplyingStream extends ServerHttp2Stream {
  reply: Http2Reply;
}

/** Headers of one connection, which HTTP/2 does not have (RFC 9113 §8.2.2). */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Characters that would split one header into two (Node joins headers with NUL), or one line into two behind a client. */
const SPLITS_A_HEADER = /[\0\r\n]/;

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

/** Makes Node reset a stream with INTERNAL_ERROR. */
const CUT = new Error('cut');

/** The highest status that Node sends over HTTP/2. */
const MAX_STATUS = 599;
const BAD_GATEWAY = 502;
const RESET_CONTENT = 205;

/** A stream that answers one request. */
export class Http2Reply implements Reply {
  /** `null` before it begins, after it ends, and once a tunnel uses the stream. */
  carried: Carried | null = null;
  status = 200;
  hasBegun = false;
  requestTrailers: readonly string[] = [];
  readonly isUpgrade: boolean;
  /** Whether the gateway has ended an answer that it could not complete. */
  isCut = false;
  /** Bytes of the answer written so far, including those that still wait for the client. */
  writtenBytes = 0;
  /** How long it has waited for its client so far, and when the current window began: see `pace.ts`. */
  waitedMs = 0;
  windowSinceMs: number | null = null;
  windowTaken = 0;
  readonly #stream: ServerHttp2Stream;
  readonly #carrier: Carrier;
  /** Whether no body is sent: to HEAD, and with a 205, whose stream Node ends with its head (RFC 9110 §15.3.6). */
  #isBodiless: boolean;
  #body: IncomingBody | null = null;
  #taker: BodyTaker | null = null;
  #isTaken = false;
  /** Flat name, value list of an answer whose head has not been sent. */
  #head: (string | number)[] | null = null;
  #trailers: readonly (readonly [string, string])[] = [];
  #hasLength = false;
  /** The answer is complete only with its trailers, which Node asks for after it says `finish`. */
  #awaitsTrailers = false;
  #isEnded = false;
  #isTunnel = false;
  readonly #hasKey: boolean;

  constructor(stream: ServerHttp2Stream, carrier: Carrier, isHead: boolean, { isUpgrade, hasKey }: AskedUpgrade) {
    this.#stream = stream;
    this.#carrier = carrier;
    this.#isBodiless = isHead;
    this.isUpgrade = isUpgrade;
    this.#hasKey = hasKey;
    (stream as ReplyingStream).reply = this;
    stream.on('error', ignore);
    stream.on('close', onStreamClose);
    if (!stream.endAfterHeaders) {
      stream.on('trailers', onTrailers);
      stream.on('finish', onFinish);
    }
  }

  get body(): Readable {
    this.#body ??= new IncomingBody(this.#stream);
    return this.#body;
  }

  get isRequestComplete(): boolean {
    return this.#stream.endAfterHeaders || this.#isTaken || this.#body?.isComplete === true;
  }

  /** Passes the body to a taker as it arrives, in place of {@link body}. */
  passBody(taker: BodyTaker): void {
    if (this.#stream.endAfterHeaders) {
      taker.bodyEnded();
      return;
    }
    this.#taker = taker;
    this.#stream.on('data', onPart).on('end', onBodyEnd);
  }

  /** The taker wants more. */
  resumeBody(): void {
    this.#stream.resume();
  }

  /** A part of the body has arrived for the taker. */
  took(part: Buffer): void {
    if (this.#taker?.part(part) === false) this.#stream.pause();
  }

  /** As in `incoming-body.ts`: a stream that closes before its end was reset, or its connection was lost. */
  tookAll(): void {
    if (this.#stream.closed) return;
    this.#isTaken = true;
    this.#taker?.bodyEnded();
  }

  /** Bytes of the answer that wait for the client. */
  get waitingBytes(): number {
    return this.#stream.writableLength;
  }

  /** Whether the whole answer was sent, or a tunnel was ended in order. Read when the stream closes, which Node may report before its last write is done. */
  get isDelivered(): boolean {
    const { writableFinished, rstCode, aborted } = this.#stream;
    // Either side may end a tunnel, and the other side follows.
    if (this.#isTunnel) return !aborted;
    const isWhole = writableFinished || !this.#carrier.isGone;
    return this.#isEnded && isWhole && rstCode === constants.NGHTTP2_NO_ERROR;
  }

  get #isGone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  writeContinue(): void {
    if (!this.#isGone && !this.hasBegun) this.#stream.additionalHeaders({ ':status': 100 });
  }

  writeEarlyLinks(links: readonly string[]): void {
    if (!this.#isGone && !this.hasBegun) this.#stream.additionalHeaders({ ':status': 103, link: [...links] });
  }

  begin(status: number, headers: string[]): void {
    // RFC 8441 §5: a 2xx opens the WebSocket, which only an upstream can grant, and only by 101.
    const isFalseGrant = this.isUpgrade && !this.#isTunnel && status >= 200 && status < 300;
    const sent = isFalseGrant || status > MAX_STATUS ? BAD_GATEWAY : status;
    const head: (string | number)[] = [':status', sent];
    if (sent === RESET_CONTENT) this.#isBodiless = true;
    for (let index = 0; index + 1 < headers.length; index += 2) {
      const name = (headers[index] as string).toLowerCase();
      const value = headers[index + 1] as string;
      if (CONNECTION_SPECIFIC.has(name)) continue;
      // A length without its body is an error to the client.
      if (name === 'content-length' && sent === RESET_CONTENT) continue;
      if (SPLITS_A_HEADER.test(value)) throw new TypeError(`header ${name} has a line break or NUL`);
      if (name === 'content-length') this.#hasLength = true;
      head.push(name, value);
    }
    this.status = sent;
    this.#head = head;
    this.hasBegun = true;
  }

  flushHeaders(): void {
    this.#sendHead(false);
  }

  write(part: Buffer): boolean {
    this.#sendHead(false);
    if (this.#isGone || this.#isBodiless) return true;
    this.writtenBytes += part.byteLength;
    this.#carrier.noteProgress();
    return this.#stream.write(part);
  }

  once(event: 'drain', listener: () => void): void {
    this.#stream.once(event, listener);
  }

  addTrailers(trailers: readonly [string, string][]): void {
    this.#trailers = [...this.#trailers, ...trailers];
  }

  end(lastPart?: Buffer | string, encoding: BufferEncoding = 'utf8'): void {
    this.#isEnded = true;
    this.#carrier.noteProgress();
    const isEmpty = this.#isBodiless || lastPart === undefined || lastPart.length === 0;
    this.#sendHead(isEmpty && this.#trailers.length === 0);
    if (this.#stream.writableFinished && this.isUnread) setImmediate(closeUnread, this.#stream);
    if (this.#isGone || this.#stream.writableEnded) return;
    if (isEmpty) this.#stream.end();
    else {
      this.writtenBytes += lastPart.length;
      this.#stream.end(lastPart, encoding);
    }
  }

  /** Whether the answer was sent while the client is still sending: the rest of the request is not needed. */
  get isUnread(): boolean {
    return this.#isEnded && !this.#awaitsTrailers && !this.isRequestComplete && !this.#isGone;
  }

  cut(): void {
    this.isCut = true;
    this.cancel();
  }

  /**
   * Resets the stream because its client is too slow; other requests on the connection are not affected.
   *
   * It does not use Node's `close`, which ends the answer first, so that the client would see a complete one.
   */
  cancel(): void {
    this.#stream.destroy(CUT);
  }

  /** Other requests on the connection do not depend on this one. */
  closeConnection(): void {}

  /** When the answer is complete, the client is told not to send the rest of its request: see {@link onFinish}. */
  discardBody(): void {}

  upgrade(headers: readonly string[]): Duplex {
    this.carried = null;
    this.#isTunnel = true;
    // RFC 8441 §5: a 2xx accepts; the proof of RFC 6455 is for HTTP/1.1, which the client of a proxy may speak.
    const isLeftOut = (name: string) => name === 'content-length' || (name === 'sec-websocket-accept' && !this.#hasKey);
    this.begin(
      200,
      headers.filter((_text, index) => !isLeftOut((headers[index - (index % 2)] as string).toLowerCase())),
    );
    this.#sendHead(false);
    return this.#stream;
  }

  #sendHead(endStream: boolean): void {
    const head = this.#head;
    if (head === null) return;
    this.#head = null;
    if (this.#isGone) return;
    // An answer of known length has no trailers, which saves a frame.
    const waitForTrailers = !endStream && !this.#isBodiless && !this.#hasLength && !this.#isTunnel;
    this.#awaitsTrailers = waitForTrailers;
    if (waitForTrailers) this.#stream.on('wantTrailers', onWantTrailers);
    this.#stream.respond(head as string[], { endStream, waitForTrailers });
  }

  /** The stream is ready for the fields that follow the body. */
  sendTrailers(): void {
    const fields: OutgoingHttpHeaders = Object.create(null);
    for (const [name, value] of this.#trailers) {
      const lower = name.toLowerCase();
      if (!TOKEN.test(lower) || CONNECTION_SPECIFIC.has(lower) || SPLITS_A_HEADER.test(value)) continue;
      const present = fields[lower];
      fields[lower] =
        present === undefined ? value : [...(Array.isArray(present) ? present : [String(present)]), value];
    }
    this.#stream.sendTrailers(fields);
    this.#awaitsTrailers = false;
    if (this.isUnread) setImmediate(closeUnread, this.#stream);
  }

  /** The stream has ended: the answer was sent, the client disconnected, or the gateway cut it. */
  closed(): void {
    const { carried } = this;
    this.#carrier.forget(this);
    if (carried === null) return;
    this.carried = null;
    if (!this.isDelivered) carried.clientLeft();
    carried.finish();
  }
}

/** Ignores `error` events of streams: `close` follows, and handles the fault. */
function ignore(): void {}

function onStreamClose(this: unknown): void {
  (this as ReplyingStream).reply.closed();
}

function onPart(this: unknown, part: Buffer): void {
  (this as ReplyingStream).reply.took(part);
}

function onBodyEnd(this: unknown): void {
  (this as ReplyingStream).reply.tookAll();
}

function onTrailers(this: unknown, _fields: unknown, _flags: number, rawTrailers: readonly string[]): void {
  (this as ReplyingStream).reply.requestTrailers = rawTrailers;
}

function onWantTrailers(this: unknown): void {
  (this as ReplyingStream).reply.sendTrailers();
}

/** The answer is complete: tells the client not to send the rest of its request (RFC 9113 §8.1). */
function onFinish(this: unknown): void {
  if ((this as ReplyingStream).reply.isUnread) setImmediate(closeUnread, this);
}

function closeUnread(stream: unknown): void {
  if ((stream as ReplyingStream).reply.isUnread) (stream as ReplyingStream).close(constants.NGHTTP2_NO_ERROR);
}
