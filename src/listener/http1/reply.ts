/**
 * The answer to an HTTP/1.1 request: Node's response, which is also the exchange's {@link Reply}, so that a request costs
 * one object less.
 *
 * perf: a closure per request, on the response or on the exchange, is allocated in V8's old space once the site is hot,
 * and from there keeps everything about its request alive until the next full collection: + 8 µs of garbage collection
 * per request (bench/load/run.ts, docs/adr/0003-no-closures-on-the-hot-path.md). So one function listens to all responses
 * and finds the exchange through `this`.
 */

import type { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Exchange, Reply } from '../../exchange.ts';
import { type IncomingMessage, ServerResponse } from '../../lib/http/node-http.ts';
import { EarlyBytes } from './early-bytes.ts';
import { endAndLinger } from './linger.ts';

/** A request body up to this length is read and thrown away so that the connection can go on; a longer one closes it. */
const MAX_DISCARDED_BYTES = 256 * 1024;

/** The connection under a reply, as far as the reply needs it. */
interface Carrier {
  readonly isDraining: boolean;
  isTunnel: boolean;
  /** The reply is over: an idle connection keeps neither it nor its request in memory. */
  forget(reply: Http1Reply): void;
}

/** A response that knows its exchange and its connection. */
export class Http1Reply extends ServerResponse<IncomingMessage> implements Reply {
  /** `null` before it begins and after it is over. */
  exchange: Exchange | null = null;
  /** The connection that carries it; `null` until the exchange begins. */
  carrier: Carrier | null = null;
  /** Bytes after the head of an upgrade request; `null` for a plain request. */
  early: EarlyBytes | null = null;
  #isDiscarding = false;

  /**
   * A reply to an upgrade request, which has left Node's server. Until a tunnel is opened it is written like any other,
   * and then the connection is closed.
   *
   * @param head  bytes that arrived together with the request
   */
  static forUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): Http1Reply {
    const reply = new Http1Reply(request);
    reply.early = new EarlyBytes(socket, head);
    reply.shouldKeepAlive = false;
    reply.assignSocket(socket);
    reply.once('finish', leaveSocket);
    return reply;
  }

  get status(): number {
    return this.statusCode;
  }

  get hasBegun(): boolean {
    return this.headersSent;
  }

  get isUpgrade(): boolean {
    return this.early !== null;
  }

  get body(): Readable {
    return this.req;
  }

  get isRequestComplete(): boolean {
    return this.req.complete;
  }

  get requestTrailers(): readonly string[] {
    return this.req.rawTrailers;
  }

  /** Whether a part of the request body may still arrive and is not discarded: it must not be read as a request (SMG-20). */
  get #isBodyLeft(): boolean {
    return !this.#isDiscarding && !this.req.complete && !this.req.readableEnded;
  }

  /** Written as it is: Node refuses links that are valid, such as two in one value. */
  writeEarlyLinks(links: readonly string[]): void {
    const lines = links.map((link) => `Link: ${link}\r\n`).join('');
    this.socket?.write(`HTTP/1.1 103 Early Hints\r\n${lines}\r\n`, 'latin1');
  }

  begin(status: number, headers: string[]): void {
    this.early?.discard();
    if (this.#isBodyLeft || this.carrier?.isDraining === true) this.shouldKeepAlive = false;
    this.writeHead(status, headers);
  }

  cut(): void {
    const { req, socket } = this;
    // To an HTTP/1.0 client, any other end of the connection is the end of the answer. TLS signals its own end, which is omitted.
    if (req.httpVersionMinor === 0 && socket !== null && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
    this.destroy();
  }

  closeConnection(): void {
    this.shouldKeepAlive = false;
  }

  discardBody(): void {
    const { req } = this;
    const screened = this.exchange?.screened ?? null;
    // The end of a request that was not understood is unknown. And a client may or may not send the body that it announced
    // with Expect: what follows cannot be told apart (SMG-18).
    if (screened === null || (screened.expectsContinue && !req.readableDidRead)) this.shouldKeepAlive = false;
    const isTooLong = typeof screened?.body === 'number' && screened.body > MAX_DISCARDED_BYTES;
    if (isTooLong && !req.complete) this.shouldKeepAlive = false;
    if (this.shouldKeepAlive && this.#isBodyLeft) this.#discard();
  }

  #discard(): void {
    const { req } = this;
    this.#isDiscarding = true;
    let discarded = 0;
    req.on('data', (part: Buffer) => {
      discarded += part.byteLength;
      if (discarded > MAX_DISCARDED_BYTES) req.socket.destroySoon();
    });
    req.on('error', () => {});
    req.resume();
  }

  upgrade(headers: readonly string[]): Duplex {
    const socket = this.socket as Socket;
    if (this.carrier !== null) this.carrier.isTunnel = true;
    this.carrier?.forget(this);
    this.detachSocket(socket);
    socket.setTimeout(0);
    socket.setKeepAlive(true, 30_000);
    socket.write(switchingProtocols(headers), 'latin1');
    const early = this.early?.take() ?? Buffer.alloc(0);
    socket.pause();
    if (early.byteLength > 0) socket.unshift(early);
    return socket;
  }
}

/** The answer is complete, or the client left before it was. */
export function onReplyClose(this: Http1Reply): void {
  const { exchange } = this;
  this.carrier?.forget(this);
  if (exchange === null) return;
  this.exchange = null;
  if (!this.writableFinished) exchange.clientLeft();
  // The rest of a request that was answered early is thrown away, so that a client that sends it reads the answer.
  else if (!this.req.complete) this.req.on('error', () => {}).resume();
  exchange.finish();
}

/** An upgrade was refused: the connection ends with the answer. */
function leaveSocket(this: Http1Reply): void {
  const { exchange } = this;
  // Not that of the request: an upgrade with a body comes with a stream in front of its socket.
  const socket = this.socket as Socket;
  this.exchange = null;
  this.carrier?.forget(this);
  this.detachSocket(socket);
  this.early?.take();
  socket.resume();
  endAndLinger(socket);
  exchange?.finish();
}

function switchingProtocols(headers: readonly string[]): string {
  let head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
  for (let index = 0; index + 1 < headers.length; index += 2) {
    // What frames a message has no place in a 101 (RFC 9110 §8.6).
    if (headers[index]?.toLowerCase() !== 'content-length') head += `${headers[index]}: ${headers[index + 1]}\r\n`;
  }
  return `${head}\r\n`;
}
