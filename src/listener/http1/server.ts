/**
 * http1: the HTTP/1.1 server of a listener, plain or over TLS: limits and timeouts of connections, what the parser refuses,
 * upgrades, and the drain.
 *
 * What llhttp refuses never becomes an exchange: `refusal.ts` answers it, with the same problem documents, and the
 * connection is closed, because nothing on it can be trusted after a malformed request.
 */

import type { Server, ServerOptions } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { ListenAddress } from '../../config/fields.ts';
import { Denial, type DenialReason } from '../../errors.ts';
import { Exchange } from '../../exchange.ts';
import { isLoopbackAddress, plainAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { settledWithin } from '../../lib/concurrency/settled-within.ts';
import { randomHex } from '../../lib/crypto/random-hex.ts';
import { createServer, IncomingMessage } from '../../lib/http/node-http.ts';
import type { EarlyRefusal } from '../../telemetry/finished-request.ts';
import { type ClientConnectionLimits, ClientConnections } from '../client-connections.ts';
import { Http2Connections } from '../http2/connections.ts';
import { divertHttp2 } from '../http2/divert.ts';
import type { Listener, ListenerAddress, ListenerServer } from '../listener.ts';
import type { PublicListenerConfig } from '../section.ts';
import type { ConnectionRefusal } from '../series.ts';
import { acceptorsFor } from './acceptors.ts';
import { Connection } from './connection.ts';
import { Handshakes } from './handshakes.ts';
import { lingeringClose } from './linger.ts';
import { listenOn } from './listen.ts';
import { PaceWatch } from './pace.ts';
import { isFromPerson, type ParserError, parserNote, parserRefusal, refuseConnection } from './refusal.ts';
import { Http1Reply, onReplyClose } from './reply.ts';
import { hasBadClientCertificate, type TlsCertificates } from './tls.ts';

/** Where a server listens, and what a client may cost. */
export interface Http1Settings extends ClientConnectionLimits, Pick<PublicListenerConfig, 'limits' | 'timeouts'> {
  readonly address: ListenAddress;
  /** Path of the address in the configuration, for the message when it is unavailable. */
  readonly key: string;
  /** `null`: plain HTTP. */
  readonly tls: TlsCertificates | null;
  /** Whether other processes of the gateway listen on the address as well, and have made sure that nothing else does. */
  readonly sharing: 'alone' | 'shared';
  /** Whether HTTP/2 is served as well: over TLS where ALPN says so, else to clients that begin with it. Default: false. */
  readonly http2?: boolean;
  /** `loopback` closes connections from anywhere else before anything is read from them. Default: `any`. */
  readonly peers?: 'any' | 'loopback';
}

/** At the end of a drain, answers that have just been written get this long to reach their clients. */
const LAST_WORDS_MS = 500;
/** In a turn of the event loop that is shorter than this, hardly any connection arrives unnoticed. */
const SHORT_TURN_MS = 0.5;
/** Turns of the event loop after which connections that still arrive are left to other processes. */
const MAX_BACKLOG_TURNS = 100;

/** A client that sends more requests than this ahead of their answers is cut: they wait in memory. */
const MAX_PIPELINED_REQUESTS = 256;

const BAD_BODY_FRAMING = new Denial('request_malformed', 'framing of the request body is malformed');
const REQUEST_TOO_LONG = new Denial('request_timeout', 'request took longer than timeouts.transfer');
const CHUNK_EXTENSIONS_TOO_LARGE = new Denial('body_too_large', 'chunk extensions over 16 KiB');

const BODY_REFUSALS: Readonly<Partial<Record<DenialReason, Denial>>> = {
  body_too_large: CHUNK_EXTENSIONS_TOO_LARGE,
  request_timeout: REQUEST_TOO_LONG,
};

/** Serves one listener over HTTP/1.1. */
export class Http1Server implements ListenerServer {
  readonly #listener: Listener;
  readonly #settings: Http1Settings;
  readonly #monotonicMs: Clock;
  readonly #server: Server<typeof IncomingMessage, typeof Http1Reply>;
  readonly #connections = new Map<Socket, Connection>();
  readonly #pace: PaceWatch;
  readonly #clients: ClientConnections;
  readonly #maxRequestsPerConnection: number;
  /** Whether every answer closes its connection. */
  isDraining = false;
  readonly #acceptors: readonly NetServer[];
  readonly #http2: Http2Connections | null;
  /** `null` where clients are not judged in them. */
  readonly #handshakes: Handshakes | null;
  /** Open connections, those in a TLS handshake included. */
  #open = 0;
  /** Connections accepted so far, those without a TLS handshake included. */
  #accepted = 0;

  constructor(listener: Listener, settings: Http1Settings, monotonicMs: Clock) {
    const { limits, tls } = settings;
    this.#listener = listener;
    this.#settings = settings;
    this.#clients = new ClientConnections(settings);
    this.#monotonicMs = monotonicMs;
    this.#maxRequestsPerConnection = limits.maxRequestsPerConnection || Number.POSITIVE_INFINITY;
    this.#server = createPlainOrTlsServer(settings);
    this.#handshakes = tls?.judgesClients === true ? new Handshakes() : null;
    tls?.attach(this.#server as TlsServer, () => this.#retireConnections());
    this.#acceptors = settings.peers === 'loopback' ? [] : acceptorsFor(this.#server);
    this.#server.maxHeadersCount = limits.maxHeaderCount;
    // `PaceWatch` sets it where there is something to watch.
    this.#server.timeout = 0;
    this.#pace = new PaceWatch(this.#connections, settings, listener.recorder, monotonicMs);
    const connectionEvent = tls === null ? 'connection' : 'secureConnection';
    this.#http2 = settings.http2 === true ? new Http2Connections(listener, settings, monotonicMs) : null;
    if (this.#http2 !== null)
      divertHttp2(this.#server, connectionEvent, (socket) => this.#openHttp2(socket), settings.timeouts.headers);
    this.#listenToServer(connectionEvent);
  }

  get connectionCount(): number {
    return this.#open;
  }

  async listen(): Promise<ListenerAddress> {
    const { address, key, tls, limits, sharing } = this.#settings;
    const accepting = { backlog: limits.backlog, others: this.#acceptors, sharing };
    return { scheme: tls === null ? 'http' : 'https', ...(await listenOn(this.#server, address, key, accepting)) };
  }

  announceDrain(): void {
    this.isDraining = true;
    this.#http2?.announceDrain();
  }

  /**
   * A client that keeps a connection may be about to send on it, or has done so: during the grace such a request is
   * answered, with `Connection: close`, instead of being reset.
   */
  async drain(graceMs: number, idle: () => Promise<void>, signal: AbortSignal): Promise<void> {
    this.announceDrain();
    await this.#acceptBacklog(graceMs);
    // The `close` of an HTTP server would close idle connections at once.
    const servers: readonly NetServer[] = [this.#server, ...this.#acceptors];
    const closed = Promise.all(
      servers.map((server) => new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()))),
    );
    await settledWithin(closed, graceMs, signal);
    this.#http2?.drain();
    this.#server.closeIdleConnections();
    await idle();
    this.#server.closeIdleConnections();
    await settledWithin(closed, LAST_WORDS_MS, signal);
  }

  /** Connections that the kernel has accepted, and this process has not, would be reset with their listening socket. */
  async #acceptBacklog(limitMs: number): Promise<void> {
    // The first turn may be the rest of the present one, in which nothing is accepted; during a long one, something may
    // have arrived while other things were done. A process whose turns are all long does not wait for a short one.
    const untilMs = this.#monotonicMs() + limitMs;
    for (let turn = 0, quiet = 0; turn < MAX_BACKLOG_TURNS && quiet < 2; turn += 1) {
      const [before, beganMs] = [this.#accepted, this.#monotonicMs()];
      await new Promise(setImmediate);
      const isQuiet = this.#accepted === before && this.#monotonicMs() - beganMs < SHORT_TURN_MS;
      if (beganMs > untilMs) return;
      quiet = isQuiet ? quiet + 1 : 0;
    }
  }

  close(): void {
    this.#pace.close();
    this.#http2?.close();
    for (const server of [this.#server, ...this.#acceptors]) server.close();
    this.#server.closeAllConnections();
  }

  #listenToServer(connectionEvent: 'connection' | 'secureConnection'): void {
    const server = this.#server;
    server.prependListener('connection', (socket: Socket) => this.#onAccepted(socket));
    server.prependListener(connectionEvent, (socket: Socket) => this.#onConnection(socket));
    const onRequest = (request: IncomingMessage, reply: Http1Reply) => this.#onRequest(request, reply);
    server.on('request', onRequest);
    // `sanitize` judges Expect, and 100 Continue is sent only when the request may be forwarded.
    server.on('checkContinue', onRequest);
    server.on('checkExpectation', onRequest);
    server.on('upgrade', (request, stream, head) => this.#onUpgrade(request, stream, head));
    server.on('connect', (request, stream) => this.#onConnect(request, stream));
    server.on('clientError', (error, socket) => this.#onClientError(error, socket as Socket));
    server.on('timeout', (socket: Socket) => this.#onSocketTimeout(socket));
    server.on('tlsClientError', (_error: Error, socket: Socket) => this.#turnAway(socket, 'tls'));
  }

  #turnAway(socket: Socket, reason: ConnectionRefusal): void {
    this.#listener.recorder.connectionRefused(reason);
    socket.destroy();
  }

  /** Counts a connection, TLS handshakes included. */
  #onAccepted(socket: Socket): void {
    this.#accepted += 1;
    this.#open += 1;
    const refusal = this.#open > this.#settings.limits.maxConnections ? 'limit' : this.#countForClient(socket);
    // perf: bench/load/memory.ts. The only listener besides Node's own: a third would allocate room for twenty, 150 bytes per connection.
    socket.on('close', this.#onClosed);
    this.#handshakes?.begun(socket);
    if (refusal !== null) this.#turnAway(socket, refusal);
  }

  #countForClient(socket: Socket): ConnectionRefusal | null {
    return this.#settings.peers === 'loopback' || this.#clients.enter(socket) ? null : 'client';
  }

  #onConnection(socket: Socket): void {
    this.#handshakes?.completed(socket);
    if (socket.destroyed) return;
    socket.destroySoon = lingeringClose;
    this.#connections.set(socket, new Connection(socket, this));
    // The connection of a TLS socket is another socket.
    if (this.#settings.tls !== null) socket.on('close', this.#onSecureClosed);
    if (this.#settings.peers === 'loopback' && !isLoopbackAddress(plainAddress(socket.remoteAddress ?? ''))) {
      this.#turnAway(socket, 'peer');
    }
    if (socket instanceof TLSSocket && hasBadClientCertificate(socket)) this.#turnAway(socket, 'tls');
  }

  #openHttp2(socket: Socket): void {
    const { peer } = this.#connectionOf(socket);
    this.#connections.delete(socket);
    this.#http2?.open(socket, peer);
  }

  /**
   * Closes each connection when its requests are over: the rule by which it was accepted no longer holds. Tunnels stay.
   */
  #retireConnections(): void {
    this.#handshakes?.cut();
    this.#http2?.drain();
    for (const [socket, connection] of this.#connections) {
      connection.isRetired = true;
      if (connection.replyUnderWay === null && !connection.isTunnel) socket.destroySoon();
    }
  }

  /** One function for all connections, of which there may be many. */
  readonly #onClosed = withSocket((socket) => {
    this.#open -= 1;
    this.#clients.leave(socket);
    this.#handshakes?.closed(socket);
    this.#connections.delete(socket);
  });
  readonly #onSecureClosed = withSocket((socket) => this.#connections.delete(socket));

  /**
   * One request at a time on a connection: a pipelined one begins when the answer before it is complete, and never if
   * that answer closes the connection (RFC 9112 §9.3.2; test/attack/smuggling.test.ts, SMG-37).
   */
  #onRequest(request: IncomingMessage, reply: Http1Reply): void {
    const { socket } = request;
    // Our side is closed and the client has not noticed: it would not read an answer.
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
    // An answer that had begun before could not say that it is the last one.
    if (connection.isRetired) {
      request.socket.destroy();
      return;
    }
    connection.requests += 1;
    if (connection.requests >= this.#maxRequestsPerConnection) reply.shouldKeepAlive = false;
    const exchange = new Exchange(this.#listener, reply, request, connection.peer, this.#monotonicMs());
    reply.exchange = exchange;
    reply.carrier = connection;
    connection.reply = reply;
    reply.on('close', onReplyClose);
    this.#listener.accept(exchange);
  }

  #onUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { socket } = request;
    const connection = this.#connectionOf(socket);
    // Node lets an upgrade overtake the requests before it, whose answers would be cut. No client needs that.
    if (connection.replyUnderWay !== null) {
      socket.destroy();
      return;
    }
    // The HTTP server has released the socket, so nothing else listens for its errors.
    stream.on('error', () => stream.destroy());
    this.#begin(request, Http1Reply.forUpgrade(request, stream as Socket, head), connection);
  }

  /** The gateway is not a forward proxy. */
  #onConnect(request: IncomingMessage, stream: Duplex): void {
    stream.on('error', () => stream.destroy());
    if (this.#connectionOf(request.socket).replyUnderWay !== null) {
      request.socket.destroy();
      return;
    }
    this.#refuse(stream, request.socket, { reason: 'method_not_allowed', note: 'CONNECT', isFromPerson: false });
  }

  /** Answers a request that never becomes an exchange. */
  #refuse(stream: Duplex, socket: Socket, { reason, note, isFromPerson }: Refused): void {
    const connection = this.#connectionOf(socket);
    const refusal = { id: randomHex(32), reason, note, client: connection.peer.address };
    this.#listener.recordRefusal(refusal);
    const answer = this.#listener.handler.unread(reason, refusal.id, isFromPerson);
    refuseConnection(stream, refusal, answer, () => connection.replyUnderWay);
  }

  #onClientError(error: ParserError, socket: Socket): void {
    const connection = this.#connectionOf(socket);
    const reason = parserRefusal(error);
    // A connection that never carried a byte (browsers open some in advance) is closed without an answer.
    if (reason === null || socket.bytesRead === 0) socket.destroy();
    if (reason === null || socket.destroyed || connection.isRefused || socket.writableEnded) return;
    connection.isRefused = true;
    const reply = connection.replyUnderWay;
    if (reply !== null && !reply.isRequestComplete) {
      reply.exchange?.refuseBody(BODY_REFUSALS[reason] ?? BAD_BODY_FRAMING);
      return;
    }
    this.#refuse(socket, socket, { reason, note: parserNote(error), isFromPerson: isFromPerson(error) });
  }

  /**
   * Nothing has moved on a connection for a while. That ends an idle one, and one whose client does not read its answer;
   * while the client waits for the gateway, other timeouts watch.
   */
  #onSocketTimeout(socket: Socket): void {
    const isIdle = this.#connectionOf(socket).replyUnderWay === null;
    if (!isIdle && socket.writableLength === 0) return;
    if (!isIdle) this.#listener.recorder.connectionCut('stalled_reader');
    socket.destroy();
  }

  #connectionOf(socket: Socket): Connection {
    // A connection that fails its TLS handshake was never accepted.
    return this.#connections.get(socket) ?? new Connection(socket, this);
  }
}

/** Why a request never becomes an exchange, and whether a person reads the answer. */
interface Refused extends Pick<EarlyRefusal, 'reason' | 'note'> {
  readonly isFromPerson: boolean;
}

/** A listener that passes on the socket that it is called on. */
function withSocket(act: (socket: Socket) => void): (this: Socket) => void {
  return function onSocket() {
    act(this);
  };
}

type ServerSettings = ServerOptions<typeof IncomingMessage, typeof Http1Reply>;

function createPlainOrTlsServer(settings: Http1Settings): Server<typeof IncomingMessage, typeof Http1Reply> {
  const options = serverOptions(settings);
  const { tls, timeouts } = settings;
  if (tls === null) return createServer(options);
  const protocols = settings.http2 === true ? ['h2', 'http/1.1'] : ['http/1.1'];
  return createTlsServer({ ...options, ...tls.serverOptions(protocols), handshakeTimeout: timeouts.handshake });
}

function serverOptions({ limits, timeouts }: Http1Settings): ServerSettings {
  return {
    IncomingMessage,
    ServerResponse: Http1Reply,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: timeouts.headers,
    // Node wants it to be no shorter than that of the headers.
    requestTimeout: Math.max(timeouts.transfer, timeouts.headers),
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
