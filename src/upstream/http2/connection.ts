/** One HTTP/2 connection to a server, and how many streams it has room for. */

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  type ClientSessionRequestOptions,
  connect,
} from 'node:http2';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { UpstreamFault } from '../../errors.ts';
import type { Connect } from '../connect.ts';

/** How connections to one server are made. Times in milliseconds. */
export interface StreamConnectionSettings {
  /** `http:` or `https:`, with host and port. */
  readonly url: URL;
  readonly connect: Connect;
  readonly connectTimeoutMs: number;
  /** Streams at once, unless the server allows fewer. */
  readonly maxStreams: number;
}

/** The pool of a connection. */
interface StreamConnectionOwner {
  /** It can carry requests, or more of them. */
  hasRoom(connection: StreamConnection): void;
  /** It has ended, or could not be made. */
  hasEnded(connection: StreamConnection, error: Error | null): void;
}

/** A connection without streams is closed after this: a proxy or firewall on the way may have forgotten it by then. */
const IDLE_TIMEOUT_MS = 60_000;
/**
 * A server that goes away may be busy shutting down, so it gets this many connect timeouts to answer: 20 s by default,
 * as for the keepalive of gRPC.
 */
const PATIENCE_WITH_LEAVING = 10;
/** As for HTTP/1.1. */
const MAX_HEADER_BYTES = 32 * 1024;
/** What one stream may receive ahead of its client. The window of the connection is read at once and limits nothing. */
const STREAM_WINDOW_BYTES = 256 * 1024;
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;
/** Megabytes. Node refuses headers beyond it; what waits is limited by the windows. */
const MAX_SESSION_MEMORY = 256;

/** Node's types lack an option. */
const SESSION_OPTIONS: ClientSessionOptions & { readonly strictSingleValueFields: boolean } = {
  maxSessionMemory: MAX_SESSION_MEMORY,
  // Headers and trailers that a client sends twice are passed as they are, as over HTTP/1.1.
  strictSingleValueFields: false,
  settings: {
    enablePush: false,
    initialWindowSize: STREAM_WINDOW_BYTES,
    maxHeaderListSize: MAX_HEADER_BYTES,
  },
};

/**
 * A connection, beginning with the attempt to make it. It is ready once both sides know the settings of the other (RFC
 * 9113 §3.4).
 */
export class StreamConnection {
  readonly #settings: StreamConnectionSettings;
  readonly #owner: StreamConnectionOwner;
  #socket: Socket | null = null;
  #session: ClientHttp2Session | null = null;
  #isReady = false;
  #isOver = false;
  #streams = 0;
  #requests = 0;
  /** `null` until the server has sent its settings. */
  #maxStreams: number | null = null;
  #areLimitsKnown = false;
  /** Whether the server takes WebSockets (SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441 §3). */
  takesWebSockets = false;
  /** Higher streams were not processed by a server that goes away. */
  #lastStreamId = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #probe: NodeJS.Timeout | null = null;

  constructor(settings: StreamConnectionSettings, owner: StreamConnectionOwner) {
    this.#settings = settings;
    this.#owner = owner;
    settings.connect((error, socket) => {
      if (error !== null) this.#end(error);
      else if (this.#isOver) socket.destroy();
      else this.#adopt(socket);
    });
  }

  get scheme(): 'http' | 'https' {
    return this.#settings.url.protocol === 'https:' ? 'https' : 'http';
  }

  /** Whether it is open, with or without room for more requests. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Whether a request is under way on it. */
  get isBusy(): boolean {
    return this.#streams > 0;
  }

  get streams(): number {
    return this.#streams;
  }

  /** How many more requests it can carry now; 0 once the server goes away. */
  get room(): number {
    if (!this.#isReady || this.#isOver || this.#session?.closed !== false) return 0;
    return Math.max(0, (this.#maxStreams ?? 0) - this.#streams);
  }

  /** A request begins. Returns whether the connection has carried one before. */
  begin(): boolean {
    this.#requests += 1;
    return this.#requests > 1;
  }

  /** Opens a stream. The caller reports its end to {@link closed}. */
  open(headers: readonly string[], options: ClientSessionRequestOptions): ClientHttp2Stream {
    const stream = (this.#session as ClientHttp2Session).request(headers, options);
    this.#streams += 1;
    this.#stopTimer();
    return stream;
  }

  /** One of its streams is closed. */
  closed(): void {
    this.#streams -= 1;
    if (this.#isOver) return;
    if (this.room > 0) this.#owner.hasRoom(this);
    this.#watchIdle();
  }

  /** Whether the server may have seen the request of a stream. It has not if it went away before (RFC 9113 §6.8). */
  mayHaveProcessed({ id }: ClientHttp2Stream): boolean {
    return id !== undefined && id <= this.#lastStreamId;
  }

  /**
   * Cuts it, with all of its requests, unless the server answers a PING in time.
   *
   * @param timeoutMs  default: that to connect
   */
  probe(timeoutMs = this.#settings.connectTimeoutMs): void {
    if (this.#probe !== null || this.#isOver || this.#session === null) return;
    this.#probe = setTimeout(() => {
      this.destroy(new UpstreamFault('upstream_timeout', 'connection is dead'));
    }, timeoutMs).unref();
    this.#session.ping((error) => {
      // A PING that could not be sent, or was given up, is not answered.
      if (error !== null) return;
      if (this.#probe !== null) clearTimeout(this.#probe);
      this.#probe = null;
    });
  }

  /** Closes it at once; requests on it fail. */
  destroy(error: Error | null): void {
    const session = this.#session;
    this.#end(error);
    session?.destroy();
    this.#socket?.destroy();
  }

  #adopt(socket: Socket): void {
    this.#socket = socket;
    if (socket instanceof TLSSocket && socket.alpnProtocol !== 'h2') {
      this.destroy(new UpstreamFault('upstream_protocol', 'server does not offer HTTP/2'));
      return;
    }
    const session = connect(this.#settings.url, { ...SESSION_OPTIONS, createConnection: () => socket });
    this.#session = session;
    this.#timer = setTimeout(() => {
      this.destroy(new UpstreamFault('upstream_timeout', 'server sent no HTTP/2 settings in time'));
    }, this.#settings.connectTimeoutMs);
    session.on('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
    session.on('remoteSettings', ({ maxConcurrentStreams = Number.POSITIVE_INFINITY, enableConnectProtocol }) => {
      this.takesWebSockets = enableConnectProtocol === true;
      this.#maxStreams = Math.min(this.#settings.maxStreams, maxConcurrentStreams);
      this.#onSettings();
    });
    // Node holds a server to the limits only once it has acknowledged them.
    session.on('localSettings', () => {
      this.#areLimitsKnown = true;
      this.#onSettings();
    });
    session.on('goaway', (_code, lastStreamId) => {
      this.#lastStreamId = lastStreamId ?? Number.POSITIVE_INFINITY;
      // A server that goes away may be gone before its last streams have ended, and Node does not always notice.
      this.probe(this.#settings.connectTimeoutMs * PATIENCE_WITH_LEAVING);
    });
    session.on('error', (error) => this.#end(this.#isReady ? error : notHttp2(error)));
    session.on('close', () => this.#end(this.#isReady ? null : notHttp2()));
  }

  #onSettings(): void {
    if (this.#isOver || this.#maxStreams === null || !this.#areLimitsKnown) return;
    if (!this.#isReady) {
      this.#isReady = true;
      this.#stopTimer();
    }
    if (this.room > 0) this.#owner.hasRoom(this);
    this.#watchIdle();
  }

  /** The request that it was made for may have left. */
  #watchIdle(): void {
    if (this.#streams > 0 || this.#timer !== null || this.#isOver) return;
    this.#timer = setTimeout(() => this.destroy(null), IDLE_TIMEOUT_MS).unref();
  }

  #end(error: Error | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopTimer();
    if (this.#probe !== null) clearTimeout(this.#probe);
    this.#owner.hasEnded(this, error);
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

const notHttp2 = (cause?: Error) =>
  new UpstreamFault('upstream_protocol', 'server does not speak HTTP/2', cause === undefined ? undefined : { cause });
