/**
 * One HTTP/2 connection: streams in, exchanges out. nghttp2 and Node bound the cost of frames; this file bounds the use of whole
 * streams (test/attack/http2.test.ts, H2-01 … H2-10).
 */

import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { Denial } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { TokenBucket } from '../../lib/concurrency/token-bucket.ts';
import type { PeerInfo } from '../../sanitize/sanitize.ts';
import type { Listener } from '../listener.ts';
import type { ConnectionCut } from '../series.ts';
import { judgeReader, type PaceLimits } from './pace.ts';
import { Http2Reply } from './reply.ts';
import { type HeadLimits, type RequestHead, readHead } from './request-head.ts';

/** What a connection and each request on it may cost. */
export interface ConnectionLimits extends HeadLimits {
  readonly maxCookieCount: number;
  readonly maxConcurrentStreams: number;
  readonly maxStreamResets: number;
  readonly maxControlFrames: number;
  readonly maxConnectionMemory: number;
  /** Requests on one connection before it is closed. */
  readonly maxRequests: number;
}

/** How long a connection may take; milliseconds. */
export interface ConnectionTimes extends PaceLimits {
  readonly headersMs: number;
  readonly keepAliveMs: number;
}

/** Begins what a request asks for, and attaches it to the request's stream. A head that must be refused says why. */
export type BeginRequest = (reply: Http2Reply, head: RequestHead, peer: PeerInfo, nowMs: number) => void;

/** What the connections of a server share. */
export interface ConnectionOwner {
  readonly listener: Listener;
  readonly begin: BeginRequest;
  readonly times: ConnectionTimes;
  readonly monotonicMs: Clock;
  readonly isDraining: boolean;
}

const REQUEST_TOO_LONG = new Denial('request_timeout', 'request took longer than timeouts.transfer');

const FLOOD = new Error('flood');

/** The part of an abandoned request for which an answered one compensates. */
const ANSWERED_PER_RESET = 0.5;
/** Bytes of a request body that may arrive before they are asked for. */
const STREAM_WINDOW_BYTES = 128 * 1024;
const CONNECTION_WINDOW_BYTES = 1024 * 1024;
const BYTES_PER_MIB = 1024 * 1024;
/** Frames that are malformed, and streams beyond the limit, before nghttp2 closes the connection. */
const MAX_INVALID_FRAMES = 100;
const SECONDS_PER_WINDOW = 60;

/** A connection and the requests on it. */
export class Http2Connection {
  readonly socket: Socket;
  readonly #peer: PeerInfo;
  readonly #limits: ConnectionLimits;
  readonly #owner: ConnectionOwner;
  readonly #session: ServerHttp2Session;
  readonly #replies = new Set<Http2Reply>();
  readonly #resets: TokenBucket;
  readonly #controlFrames: TokenBucket;
  readonly #openedMs: number;
  #isIntroduced = false;
  #isFlooding = false;
  #requests = 0;
  /** Monotonic time since which no request has been in progress. */
  #idleSinceMs: number;
  /** On a connection that takes no more streams: when the client was last asked for a sign of life, and whether it gave one. */
  #askedMs = Number.NEGATIVE_INFINITY;
  #hasAnswered = true;

  /** @param socket  connected, with the first bytes of the client still to be read */
  constructor(socket: Socket, peer: PeerInfo, limits: ConnectionLimits, owner: ConnectionOwner) {
    const nowMs = owner.monotonicMs();
    const { maxStreamResets, maxControlFrames } = limits;
    this.socket = socket;
    this.#peer = peer;
    this.#limits = limits;
    this.#owner = owner;
    this.#openedMs = nowMs;
    this.#idleSinceMs = nowMs;
    this.#resets = new TokenBucket(maxStreamResets / SECONDS_PER_WINDOW, maxStreamResets, nowMs);
    this.#controlFrames = new TokenBucket(maxControlFrames / SECONDS_PER_WINDOW, maxControlFrames, nowMs);
    this.#session = openSession(socket, limits);
    this.#session.on('stream', (stream, _fields, _flags, rawFields) => this.#onStream(stream, rawFields));
    this.#session.on('ping', this.#onControlFrame);
    this.#session.on('remoteSettings', () => {
      this.#isIntroduced = true;
      this.#onControlFrame();
    });
    // The sockets of a server of HTTP/1.1 stay open when the client has ended its side.
    socket.once('end', () => socket.destroy());
    // An error of the connection ends it, and its streams report that to their requests.
    this.#session.on('error', () => {});
  }

  /** Whether it has ended, or is ended with everything on it. */
  get isGone(): boolean {
    return this.#session.destroyed;
  }

  /**
   * Takes no more streams, and closes when those in progress are answered. The client learns which stream was the last, so it may
   * repeat later ones elsewhere, whatever their method (RFC 9113 §6.8).
   *
   * The RFC recommends a first GOAWAY that does not refuse streams yet. Node cannot send one: nghttp2 would silently drop the streams that
   * follow.
   */
  drain(): void {
    if (!this.isGone) this.#session.close();
  }

  /** Closes it at once. */
  close(): void {
    this.socket.destroy();
  }

  noteProgress(): void {
    this.#controlFrames.give(1);
  }

  /** A stream is over. */
  forget(reply: Http2Reply): void {
    if (!this.#replies.delete(reply)) return;
    if (this.#replies.size === 0) this.#idleSinceMs = this.#owner.monotonicMs();
    if (this.isGone) return;
    // As over HTTP/1.1, every answer of a draining gateway closes its connection.
    if (this.#owner.isDraining) this.drain();
    if (reply.isDelivered) this.#resets.give(ANSWERED_PER_RESET);
    else if (!reply.isCut && this.#resets.take(this.#owner.monotonicMs()) > 0) this.#cutForFlood();
  }

  /** Checks the pace of every request on it. */
  sweep(nowMs: number, sinceMs: number): void {
    if (this.#replies.size === 0) {
      this.#sweepIdle(nowMs);
      return;
    }
    if (this.#session.closed) this.#sweepClosing(nowMs);
    for (const reply of this.#replies) this.#sweepReply(reply, nowMs, sinceMs);
  }

  /**
   * Either side has sent GOAWAY. When nghttp2 then gives the connection up, as for DATA on a stream that the client has ended, Node does
   * not notice, and its requests and socket would leak. A live client acknowledges SETTINGS (RFC 9113 §6.5.3); Node no longer sends PING
   * then.
   */
  #sweepClosing(nowMs: number): void {
    if (this.isGone || nowMs - this.#askedMs < this.#owner.times.sendMs) return;
    if (!this.#hasAnswered) {
      this.#owner.listener.recorder.connectionCut('stalled_reader');
      this.close();
      return;
    }
    this.#hasAnswered = false;
    this.#askedMs = nowMs;
    this.#session.settings({}, (error) => {
      this.#hasAnswered ||= error === null;
    });
  }

  /** PINGs do not count as use. A connection that does not close when asked is cut. */
  #sweepIdle(nowMs: number): void {
    const { keepAliveMs, headersMs } = this.#owner.times;
    const idleMs = nowMs - this.#idleSinceMs;
    if (idleMs > keepAliveMs + headersMs || (!this.#isIntroduced && nowMs - this.#openedMs > headersMs)) {
      if (this.#isIntroduced) this.#owner.listener.recorder.connectionCut('idle');
      this.close();
    } else if (idleMs > keepAliveMs) this.drain();
  }

  #sweepReply(reply: Http2Reply, nowMs: number, sinceMs: number): void {
    const { carried } = reply;
    if (carried === null) return;
    const { times, listener } = this.#owner;
    if (!reply.isRequestComplete && nowMs - carried.startedMs > times.transferMs) {
      carried.refuseBody(REQUEST_TOO_LONG);
      return;
    }
    const reason: ConnectionCut | null = judgeReader(reply, nowMs, sinceMs, times);
    if (reason === null) return;
    listener.recorder.connectionCut(reason);
    reply.cancel();
  }

  #onStream(stream: ServerHttp2Stream, fields: readonly string[]): void {
    const { begin, monotonicMs } = this.#owner;
    const limits = this.#limits;
    const head = readHead(fields, this.#peer.secure, !stream.endAfterHeaders, limits);
    const reply = new Http2Reply(stream, this, head.method === 'HEAD', head);
    this.#replies.add(reply);
    this.#requests += 1;
    // It has been reset before its turn came.
    if (stream.destroyed || this.#isFlooding) return;
    begin(reply, head, this.#peer, monotonicMs());
    if (this.#requests >= limits.maxRequests) this.drain();
  }

  readonly #onControlFrame = (): void => {
    if (this.#controlFrames.take(this.#owner.monotonicMs()) > 0) this.#cutForFlood();
  };

  #cutForFlood(): void {
    if (this.#isFlooding) return;
    this.#isFlooding = true;
    this.#owner.listener.recorder.connectionCut('flood');
    // Not in the `close` of a stream that the client has reset: resetting another stream there, with any code but CANCEL, Node
    // 24.18.1 writes frames until the process has no memory left. Node 26 does not.
    setImmediate(() => this.#session.destroy(FLOOD, constants.NGHTTP2_ENHANCE_YOUR_CALM));
  }
}

function openSession(socket: Socket, limits: ConnectionLimits): ServerHttp2Session {
  const session = performServerHandshake(socket, {
    settings: {
      maxConcurrentStreams: limits.maxConcurrentStreams,
      initialWindowSize: STREAM_WINDOW_BYTES,
      enableConnectProtocol: true,
      // Twice the limit: up to here a client gets an answer that names the problem, beyond it a reset.
      maxHeaderListSize: 2 * limits.maxHeaderBytes,
    },
    maxHeaderListPairs: 2 * (limits.maxHeaderCount + limits.maxCookieCount),
    maxSessionMemory: Math.ceil(limits.maxConnectionMemory / BYTES_PER_MIB),
    maxSessionInvalidFrames: MAX_INVALID_FRAMES,
    maxSessionRejectedStreams: MAX_INVALID_FRAMES,
    // Counted by nghttp2 before anything is made of a stream: those that come in one packet.
    streamResetBurst: 2 * limits.maxStreamResets,
    streamResetRate: Math.max(1, limits.maxStreamResets),
    // Headers that an upstream sends twice are passed as they are, as over HTTP/1.1.
    strictSingleValueFields: false,
  });
  session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
  return session;
}
