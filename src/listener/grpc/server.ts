/**
 * grpc: the server of a listener for calls of gRPC: connections, plain or TLS, that speak HTTP/2 and nothing else, and the calls on them.
 * Which services there are is decided elsewhere.
 *
 * Bounded like HTTP/2 on the public listener, but for what a proxy does in the name of many clients.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */

import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import { isInList, plainAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { settledWithin } from '../../lib/concurrency/settled-within.ts';
import { ClientConnections } from '../client-connections.ts';
import { Handshakes } from '../http1/handshakes.ts';
import { listenOn } from '../http1/listen.ts';
import type { Http1Settings } from '../http1/server.ts';
import { hasBadClientCertificate } from '../http1/tls.ts';
import { Http2Connections } from '../http2/connections.ts';
import type { Listener, ListenerAddress, ListenerServer } from '../listener.ts';
import type { ConnectionRefusal } from '../series.ts';
import { callsOn } from './begin.ts';
import type { GrpcMethod } from './call.ts';

/** Where it listens, and what a client may cost. */
interface GrpcSettings extends Omit<Http1Settings, 'http2' | 'peers'> {
  /** A larger message is answered with RESOURCE_EXHAUSTED. */
  readonly maxMessageBytes: number;
}

/** The services of a server. */
export interface GrpcServices {
  /** By path. */
  readonly methods: ReadonlyMap<string, GrpcMethod>;
  /** Tells clients that the server is about to end. */
  announceEnd(): void;
  /** Ends calls that have no end of their own. */
  end(): void;
}

/** Limits of one connection, in place of those of the public listener: a proxy asks for many clients on each. */
const LIMITS = {
  maxConcurrentStreams: 1_000,
  maxConnectionMemory: 64 * 1024 * 1024,
  maxRequestsPerConnection: 0,
} satisfies Partial<Http1Settings['limits']>;
/** A proxy abandons a question whenever its client leaves: a limit would let that client cut it off from the gateway. */
const OF_PROXY = { maxStreamResets: 2 ** 30 };

/** At the end of a drain, the last answers get this long to reach their clients. */
const LAST_WORDS_MS = 500;

/** Serves calls of gRPC. */
export class GrpcServer implements ListenerServer {
  readonly #listener: Listener;
  readonly #settings: GrpcSettings;
  readonly #monotonicMs: Clock;
  readonly #openServices: () => Promise<GrpcServices>;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  readonly #clients: ClientConnections;
  readonly #handshakes: Handshakes | null;
  #services: GrpcServices | null = null;
  #http2: Http2Connections | null = null;
  #onEmpty: (() => void) | null = null;

  /** @param openServices  called when it begins to listen */
  constructor(
    listener: Listener,
    settings: GrpcSettings,
    monotonicMs: Clock,
    openServices: () => Promise<GrpcServices>,
  ) {
    this.#listener = listener;
    this.#settings = settings;
    this.#monotonicMs = monotonicMs;
    this.#openServices = openServices;
    this.#clients = new ClientConnections(settings);
    this.#handshakes = settings.tls?.judgesClients === true ? new Handshakes() : null;
    this.#server = this.#createServer();
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  async listen(): Promise<ListenerAddress> {
    const { address, key, tls, limits, timeouts, sharing, maxMessageBytes } = this.#settings;
    this.#services = await this.#openServices();
    const begin = callsOn({ listener: this.#listener, methods: this.#services.methods, maxMessageBytes });
    const cost = { limits: { ...limits, ...LIMITS }, timeouts };
    this.#http2 = new Http2Connections(this.#listener, cost, this.#monotonicMs, begin);
    const at = await listenOn(this.#server, address, key, { backlog: limits.backlog, sharing });
    return { scheme: tls === null ? 'http' : 'https', ...at };
  }

  announceDrain(): void {
    this.#services?.announceEnd();
  }

  /**
   * Without the grace period of HTTP/1.1: nghttp2 drops calls that arrive after any GOAWAY, so an early GOAWAY would lose the calls that
   * it is meant to save. Health checks have moved clients elsewhere during `shutdown.delay`; the others learn which call was the last.
   */
  async drain(_graceMs: number, idle: () => Promise<void>, signal: AbortSignal): Promise<void> {
    this.#server.close();
    this.announceDrain();
    this.#services?.end();
    this.#http2?.drain();
    const closed = this.#empty();
    await idle();
    await settledWithin(closed, LAST_WORDS_MS, signal);
  }

  close(): void {
    this.#server.close();
    this.#http2?.close();
    for (const socket of this.#connections) socket.destroy();
  }

  #createServer(): Server {
    const { tls, timeouts } = this.#settings;
    const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 };
    if (tls === null) {
      const server = createServer(options, (socket) => this.#serve(socket));
      return server.prependListener('connection', (socket: Socket) => this.#onAccepted(socket));
    }
    const server = createTlsServer(
      { ...options, ...tls.serverOptions(['h2']), handshakeTimeout: timeouts.handshake },
      (socket) => this.#serve(socket),
    );
    tls.attach(server, () => {
      this.#handshakes?.cut();
      this.#http2?.drain();
    });
    server.prependListener('connection', (socket: Socket) => this.#onAccepted(socket));
    return server.on('tlsClientError', (_error, socket) => this.#refuse(socket, 'tls'));
  }

  /** Counts a connection, TLS handshakes included. */
  #onAccepted(socket: Socket): void {
    this.#connections.add(socket);
    this.#handshakes?.begun(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#connections.delete(socket);
      this.#clients.leave(socket);
      this.#handshakes?.closed(socket);
      if (this.#connections.size === 0) this.#onEmpty?.();
    });
    if (this.#connections.size > this.#settings.limits.maxConnections) this.#refuse(socket, 'limit');
    else if (!this.#clients.enter(socket)) this.#refuse(socket, 'client');
  }

  #serve(socket: Socket): void {
    this.#handshakes?.completed(socket);
    socket.on('error', () => socket.destroy());
    if (socket instanceof TLSSocket && hasBadClientCertificate(socket)) this.#refuse(socket, 'tls');
    else this.#open(socket);
  }

  #open(socket: Socket): void {
    const { trustedProxies } = this.#settings;
    const address = plainAddress(socket.remoteAddress ?? '');
    const isProxy = trustedProxies !== null && isInList(trustedProxies, address);
    // Whether it is TLS does not matter to calls, and proxies say http in both.
    this.#http2?.open(socket, { address, secure: false, serverName: null }, isProxy ? OF_PROXY : {});
  }

  #refuse(socket: Socket, reason: ConnectionRefusal): void {
    this.#listener.recorder.connectionRefused(reason);
    socket.destroy();
  }

  #empty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }
}
