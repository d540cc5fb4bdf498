/**
 * listener: sockets in, exchanges out. Everything that clients connect to with HTTP/1.1, plain or over TLS: limits,
 * timeouts, what the parser refuses, upgrades, and an orderly end.
 *
 * What llhttp refuses never becomes an exchange: it is answered by `refusal.ts`, with the same problem documents, and
 * the connection is closed, because after a malformed request nothing on it can be trusted.
 */

import { createServer, IncomingMessage, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { ListenAddress } from '../../config/fields.ts';
import { Denial, type DenialReason } from '../../errors.ts';
import { Exchange, type ExchangeOwner } from '../../exchange.ts';
import { isLoopbackAddress, plainAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { randomHex } from '../../lib/random-hex.ts';
import { settledWithin } from '../../lib/settled-within.ts';
import { Connection } from './connection.ts';
import { listenOn } from './listen.ts';
import { lingeringClose, parserNote, parserRefusal, type Refusal, refuseConnection } from './refusal.ts';
import { Http1Reply, onReplyClose } from './reply.ts';
import type { PublicListenerConfig } from './section.ts';
import { hasBadClientCertificate, type TlsCertificates } from './tls.ts';

export interface ListenerHooks {
  /** A request has come. Has to answer it, whatever happens. */
  readonly onExchange: (exchange: Exchange) => void;
  /** A request is refused before anything has looked at it. */
  readonly onRefused: (exchange: Exchange, denial: Denial) => void;
  /** An exchange is over. */
  readonly onFinished: (exchange: Exchange) => void;
  /** The parser refused what came on a connection. */
  readonly onParserRefusal: (refusal: Refusal) => void;
  /** A connection was closed at once: there are too many, its TLS handshake failed, or it comes from somewhere else. */
  readonly onConnectionRefused: (reason: ConnectionRefusal) => void;
}

/** Why a connection never carried a request. */
export const CONNECTION_REFUSALS = ['limit', 'tls', 'peer'] as const;
type ConnectionRefusal = (typeof CONNECTION_REFUSALS)[number];

/** Who may connect. */
type Peers = 'any' | 'loopback';

/** At the end, answers that have just been written get this long to reach their clients. */
const LAST_WORDS_MS = 500;
/** In a turn of the event loop that is no longer than this hardly anybody comes unseen. */
const SHORT_TURN_MS = 0.5;
/** Turns of the event loop after which connections that still come are left to whoever comes next. */
const MAX_BACKLOG_TURNS = 100;

/** A client that takes nothing of its answer is cut after `timeouts.send`, and at most one of so many parts of it more. */
const SWEEPS_PER_SEND_TIMEOUT = 4;

/** A client that sends more requests than this ahead of their answers is cut: they wait in memory. */
const MAX_PIPELINED_REQUESTS = 256;

const OVERLOADED = new Denial('overloaded', 'too many requests in progress');
const BAD_BODY_FRAMING = new Denial('request_malformed', 'framing of the request body is malformed');
const CHUNK_EXTENSIONS_TOO_LARGE = new Denial('body_too_large', 'chunk extensions over 16 KiB');

export class PublicListener implements ExchangeOwner {
  readonly #server: Server<typeof IncomingMessage, typeof Http1Reply>;
  readonly #address: ListenAddress;
  readonly #hooks: ListenerHooks;
  readonly #monotonicMs: Clock;
  readonly #connections = new Map<Socket, Connection>();
  readonly #sendTimeoutMs: number;
  readonly #sweeper: NodeJS.Timeout;
  /** Requests in progress, tunnels included. */
  inFlight = 0;
  readonly #maxRequestsPerConnection: number;
  readonly #peers: Peers;
  #maxConcurrentRequests: number;
  /** Whether every answer closes its connection. */
  isDraining = false;
  /** Connections that were accepted so far, those without a TLS handshake included. */
  #accepted = 0;
  #onIdle: (() => void) | null = null;

  /**
   * @param key    of the address in the configuration, for the message when it cannot be had
   * @param peers  `loopback` closes connections from anywhere else before anything is read from them
   */
  constructor(
    key: string,
    address: ListenAddress,
    { limits, timeouts }: Pick<PublicListenerConfig, 'limits' | 'timeouts'>,
    tls: TlsCertificates | null,
    hooks: ListenerHooks,
    monotonicMs: Clock,
    peers: Peers = 'any',
  ) {
    this.key = key;
    this.#peers = peers;
    this.#address = address;
    this.#hooks = hooks;
    this.#monotonicMs = monotonicMs;
    this.#maxConcurrentRequests = limits.maxConcurrentRequests;
    this.#maxRequestsPerConnection = limits.maxRequestsPerConnection || Number.POSITIVE_INFINITY;
    this.#server = createPlainOrTlsServer(serverOptions(limits, timeouts), tls, timeouts.handshake);
    this.#server.maxConnections = limits.maxConnections;
    // With several workers, a connection that one of them has no room for would be offered to them for ever.
    Object.assign(this.#server, { dropMaxConnection: true });
    this.#server.maxHeadersCount = limits.maxHeaderCount;
    // Node's own would be started again for each request, and on each of its reads and writes. perf: bench/load/run.ts,
    // warm session: 2 to 3 µs; instead, every now and then, those are looked for that do not take what they are sent.
    this.#server.timeout = 0;
    this.#sendTimeoutMs = timeouts.send;
    this.#sweeper = setInterval(() => this.#watchSlowReaders(), timeouts.send / SWEEPS_PER_SEND_TIMEOUT).unref();
    this.#listenToServer(tls === null ? 'connection' : 'secureConnection');
  }

  readonly key: string;

  /** Open connections. */
  get connectionCount(): Promise<number> {
    return new Promise((resolve) => this.#server.getConnections((error, count) => resolve(error === null ? count : 0)));
  }

  /** Applies the limits that a reload can change. */
  configure({ limits }: Pick<PublicListenerConfig, 'limits'>): void {
    this.#maxConcurrentRequests = limits.maxConcurrentRequests;
  }

  /**
   * Begins to accept connections.
   *
   * @throws ConfigFault when the port is taken or not allowed
   */
  listen(): Promise<AddressInfo> {
    return listenOn(this.#server, this.#address, this.key);
  }

  /** From now on every answer closes its connection, so that clients go elsewhere. Connections are still accepted. */
  announceEnd(): void {
    this.isDraining = true;
  }

  /**
   * Accepts no more connections, and lets those that are open go. A client that keeps a connection may be about to send
   * on it, or has done so: for a while such a request is answered, with `Connection: close`, instead of being reset.
   * Resolves when no request is in progress and every connection is closed or has had its time.
   *
   * @param graceMs  how long idle connections are kept open
   * @param signal   nothing is waited for any more
   */
  async drain(graceMs: number, signal: AbortSignal): Promise<void> {
    this.announceEnd();
    await this.#acceptBacklog();
    // The `close` of an HTTP server would close idle connections in the same moment.
    const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(this.#server, () => resolve()));
    await settledWithin(closed, graceMs, signal);
    this.#server.closeIdleConnections();
    await this.#allFinished();
    this.#server.closeIdleConnections();
    await settledWithin(closed, LAST_WORDS_MS, signal);
  }

  /** Connections that the kernel has accepted, and we have not, would be reset with the socket that they came to. */
  async #acceptBacklog(): Promise<void> {
    // The first turn may be the rest of the present one, in which nothing is accepted; in a long one, something may have
    // come while other things were done.
    for (let turn = 0, quiet = 0; turn < MAX_BACKLOG_TURNS && quiet < 2; turn += 1) {
      const [before, beganMs] = [this.#accepted, this.#monotonicMs()];
      await new Promise(setImmediate);
      const isQuiet = this.#accepted === before && this.#monotonicMs() - beganMs < SHORT_TURN_MS;
      quiet = isQuiet ? quiet + 1 : 0;
    }
  }

  #allFinished(): Promise<void> {
    if (this.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Cuts every connection. */
  destroy(): void {
    clearInterval(this.#sweeper);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #listenToServer(connectionEvent: 'connection' | 'secureConnection'): void {
    const server = this.#server;
    const hooks = this.#hooks;
    server.on('connection', () => {
      this.#accepted += 1;
    });
    server.prependListener(connectionEvent, (socket: Socket) => this.#onConnection(socket));
    const onRequest = (request: IncomingMessage, reply: Http1Reply) => this.#onRequest(request, reply);
    server.on('request', onRequest);
    // Expect is judged by `sanitize`, and 100 Continue is sent only when an upstream is ready for the body.
    server.on('checkContinue', onRequest);
    server.on('checkExpectation', onRequest);
    server.on('upgrade', (request, stream, head) => this.#onUpgrade(request, stream, head));
    server.on('connect', (request, stream) => this.#onConnect(request, stream));
    server.on('clientError', (error, socket) => this.#onClientError(error, socket as Socket));
    server.on('timeout', (socket: Socket) => this.#onSocketTimeout(socket));
    server.on('drop', () => hooks.onConnectionRefused('limit'));
    server.on('tlsClientError', (_error: Error, socket: Socket) => {
      hooks.onConnectionRefused('tls');
      socket.destroy();
    });
  }

  #onConnection(socket: Socket): void {
    socket.destroySoon = lingeringClose;
    this.#connections.set(socket, new Connection(socket, this));
    socket.on('close', this.#onConnectionClosed);
    if (this.#peers === 'loopback' && !isLoopbackAddress(plainAddress(socket.remoteAddress ?? ''))) {
      this.#hooks.onConnectionRefused('peer');
      socket.destroy();
    }
    if (socket instanceof TLSSocket && hasBadClientCertificate(socket)) {
      this.#hooks.onConnectionRefused('tls');
      socket.destroy();
    }
  }

  /** One for all connections, of which there may be many. */
  readonly #onConnectionClosed = forgetIn(this.#connections);

  /** From now on Node's timeout watches whoever has something to take; it knows whether anything of that has moved. */
  #watchSlowReaders(): void {
    for (const socket of this.#connections.keys()) {
      if (socket.writableLength > 0 && socket.timeout !== this.#sendTimeoutMs) socket.setTimeout(this.#sendTimeoutMs);
    }
  }

  /**
   * One request at a time on a connection: a pipelined one is looked at when the answer before it is complete, and never
   * if that answer closes the connection (RFC 9112 §9.3.2; test/attack/smuggling.test.ts, SMG-37).
   */
  #onRequest(request: IncomingMessage, reply: Http1Reply): void {
    const { socket } = request;
    // Our side is closed, and the client has not noticed: this would be answered into the void.
    if (socket.writableEnded) {
      socket.destroy();
      return;
    }
    const connection = this.#connectionOf(socket);
    if (reply.socket !== null) {
      this.#begin(request, reply, connection);
      return;
    }
    connection.waiting += 1;
    if (connection.waiting > MAX_PIPELINED_REQUESTS) {
      socket.destroy();
      return;
    }
    reply.once('socket', () => {
      connection.waiting -= 1;
      this.#begin(request, reply, connection);
    });
  }

  #begin(request: IncomingMessage, reply: Http1Reply, connection: Connection): void {
    connection.requests += 1;
    if (connection.requests >= this.#maxRequestsPerConnection) reply.shouldKeepAlive = false;
    const exchange = new Exchange(reply, request, connection.peer, this.#monotonicMs(), this);
    reply.exchange = exchange;
    reply.carrier = connection;
    connection.reply = reply;
    reply.on('close', onReplyClose);
    this.#accept(exchange);
  }

  #onUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { socket } = request;
    // Node lets an upgrade overtake the requests before it, and their answers would be cut: nobody asks for that.
    const connection = this.#connectionOf(socket);
    if (connection.replyUnderWay !== null) {
      socket.destroy();
      return;
    }
    // The HTTP server has let go of the socket: an error on it is ours to hear.
    stream.on('error', () => stream.destroy());
    this.#begin(request, Http1Reply.forUpgrade(request, stream as Socket, head), connection);
  }

  /** The gateway is no forward proxy. */
  #onConnect(request: IncomingMessage, stream: Duplex): void {
    stream.on('error', () => stream.destroy());
    if (this.#connectionOf(request.socket).replyUnderWay !== null) {
      request.socket.destroy();
      return;
    }
    this.#refuse(stream, request.socket, 'method_not_allowed', 'CONNECT');
  }

  /** Answers what never becomes an exchange. */
  #refuse(stream: Duplex, socket: Socket, reason: DenialReason, note: string): void {
    const connection = this.#connectionOf(socket);
    const refusal = { id: randomHex(32), reason, note, client: connection.peer.address };
    this.#hooks.onParserRefusal(refusal);
    refuseConnection(stream, refusal, () => connection.replyUnderWay);
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.#connectionOf(socket);
    const reason = parserRefusal(error);
    // A connection on which nothing ever came (a browser opens some in advance) is closed without a word.
    if (reason === null || socket.bytesRead === 0) socket.destroy();
    if (reason === null || socket.destroyed || connection.isRefused || socket.writableEnded) return;
    connection.isRefused = true;
    const reply = connection.replyUnderWay;
    if (reply !== null && !reply.isRequestComplete) {
      this.#refuseBody(reply, reason);
      return;
    }
    this.#refuse(socket, socket, reason, parserNote(error));
  }

  /** The request in progress turns out to be malformed in its body: whoever works on it has to stop. */
  #refuseBody({ exchange, hasBegun, req }: Http1Reply, reason: DenialReason): void {
    if (exchange === null) return;
    const denial = reason === 'body_too_large' ? CHUNK_EXTENSIONS_TOO_LARGE : BAD_BODY_FRAMING;
    exchange.refused(denial);
    exchange.worker?.abort();
    if (hasBegun) req.socket.destroy();
    else this.#hooks.onRefused(exchange, denial);
  }

  #accept(exchange: Exchange): void {
    this.inFlight += 1;
    if (this.inFlight > this.#maxConcurrentRequests) this.#hooks.onRefused(exchange, OVERLOADED);
    else this.#hooks.onExchange(exchange);
  }

  /** An exchange of this listener is over. */
  finished(exchange: Exchange): void {
    this.inFlight -= 1;
    this.#hooks.onFinished(exchange);
    if (this.inFlight === 0) this.#onIdle?.();
  }

  /**
   * Nothing has moved on a connection for a while. That is the end of an idle one, and of one whose client does not take
   * its answer; where we are waited for, other timeouts watch.
   */
  #onSocketTimeout(socket: Socket): void {
    if (this.#connectionOf(socket).replyUnderWay === null || socket.writableLength > 0) socket.destroy();
  }

  #connectionOf(socket: Socket): Connection {
    // One that fails its TLS handshake was never accepted.
    return this.#connections.get(socket) ?? new Connection(socket, this);
  }
}

/** A listener for `close` that forgets its socket. */
function forgetIn(connections: Map<Socket, Connection>): (this: Socket) => void {
  return function forget() {
    connections.delete(this);
  };
}

type ServerSettings = ServerOptions<typeof IncomingMessage, typeof Http1Reply>;

function createPlainOrTlsServer(
  options: ServerSettings,
  tls: TlsCertificates | null,
  handshakeTimeout: number,
): Server<typeof IncomingMessage, typeof Http1Reply> {
  if (tls === null) return createServer(options);
  const server = createTlsServer({ ...options, ...tls.serverOptions(), handshakeTimeout });
  tls.attach(server as TlsServer);
  return server;
}

function serverOptions(
  limits: PublicListenerConfig['limits'],
  timeouts: PublicListenerConfig['timeouts'],
): ServerSettings {
  return {
    IncomingMessage,
    ServerResponse: Http1Reply,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: timeouts.headers,
    // A long upload is not an attack as long as it moves: the pause between two parts is limited instead (bodyIdle).
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(1_000, timeouts.headers),
    keepAliveTimeout: timeouts.keepAlive,
    insecureHTTPParser: false,
    // A request without a body gets a stream that has already ended, instead of one that is ended for it.
    optimizeEmptyRequests: true,
    // RFC 9110 §7.8: any other protocol is ignored, so that clients which offer h2c with every request are served.
    shouldUpgradeCallback: ({ headers }) => /(?:^|,)[ \t]*websocket[ \t]*(?:$|,)/i.test(headers.upgrade ?? ''),
    // `sanitize` refuses a missing Host with a problem document.
    requireHostHeader: false,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
  };
}
