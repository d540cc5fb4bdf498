/**
 * grpc: the server of the listener on which Envoy asks over gRPC: connections, plain or TLS, and one exchange for each question.
 *
 * In: `CheckRequest` messages. Out: one `CheckResponse` for each, including 503; a call fails only if it is too large, arrives after the
 * shutdown, or was cancelled by the proxy.
 *
 * A question that could not be an HTTP request never becomes an exchange: it is refused as an HTTP parser would refuse it, and logged
 * in the same way.
 */

import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import type { ListenAddress } from '../../config/fields.ts';
import { Denial, PROBLEM_MEDIA_TYPE, problemDocument, REASONS } from '../../errors.ts';
import { Exchange } from '../../exchange.ts';
import { plainAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { randomHex } from '../../lib/random-hex.ts';
import { settledWithin } from '../../lib/settled-within.ts';
import { type ClientConnectionLimits, ClientConnections } from '../../listener/client-connections.ts';
import { listenOn } from '../../listener/http1/listen.ts';
import type { PublicListenerConfig } from '../../listener/http1/section.ts';
import { hasBadClientCertificate, type TlsCertificates } from '../../listener/http1/tls.ts';
import type { ConnectionRefusal, Listener, ListenerAddress, ListenerServer } from '../../listener/listener.ts';
import { questionOf } from './check-request.ts';
import { type Asking, CheckReply } from './reply.ts';
import type { GrpcAuthorizerConfig } from './section.ts';
import type { Check, CheckService } from './service.ts';

/** Where it listens, and what a client may cost. */
export interface GrpcSettings
  extends ClientConnectionLimits,
    Pick<PublicListenerConfig, 'limits' | 'timeouts'>,
    Pick<GrpcAuthorizerConfig, 'maxMessageBytes' | 'reflection'> {
  readonly address: ListenAddress;
  /** Path of the address in the configuration, for the message when it is unavailable. */
  readonly key: string;
  /** `null`: plain HTTP/2. */
  readonly tls: TlsCertificates | null;
  /** Whether other processes of the gateway also listen on the address, after checking that no other program does. */
  readonly sharing: 'alone' | 'shared';
}

/** At the end of a drain, the last answers get this long to reach their clients. */
const LAST_WORDS_MS = 500;

/** Serves questions over gRPC. */
export class GrpcServer implements ListenerServer {
  readonly #listener: Listener;
  readonly #settings: GrpcSettings;
  readonly #monotonicMs: Clock;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  readonly #clients: ClientConnections;
  #service: CheckService | null = null;
  #onEmpty: (() => void) | null = null;

  constructor(listener: Listener, settings: GrpcSettings, monotonicMs: Clock) {
    this.#listener = listener;
    this.#settings = settings;
    this.#monotonicMs = monotonicMs;
    this.#clients = new ClientConnections(settings);
    this.#server = this.#createServer();
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  async listen(): Promise<ListenerAddress> {
    const { address, key, tls, limits, timeouts, sharing, maxMessageBytes, reflection } = this.#settings;
    const { CheckService: Service } = await import('./service.ts');
    const cost = { maxMessageBytes, idleTimeoutMs: timeouts.keepAlive };
    this.#service = await Service.open(this.#check, cost, reflection);
    const at = await listenOn(this.#server, address, key, { backlog: limits.backlog, sharing });
    return { scheme: tls === null ? 'http' : 'https', ...at };
  }

  announceDrain(): void {
    this.#service?.announceEnd();
  }

  /**
   * Without the grace period of HTTP/1.1: nghttp2 drops calls that arrive after any GOAWAY, so an early GOAWAY would lose the calls that
   * it is meant to save. Health checks have moved clients elsewhere during `shutdown.delay`; the others learn which call was the last.
   */
  async drain(_graceMs: number, idle: () => Promise<void>, signal: AbortSignal): Promise<void> {
    this.#server.close();
    this.announceDrain();
    this.#service?.end();
    const closed = this.#empty();
    await idle();
    await settledWithin(closed, LAST_WORDS_MS, signal);
  }

  close(): void {
    this.#server.close();
    this.#service?.end();
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
    tls.attach(server);
    server.prependListener('connection', (socket: Socket) => this.#onAccepted(socket));
    return server.on('tlsClientError', (_error, socket) => this.#refuse(socket, 'tls'));
  }

  /** Counts a connection, TLS handshakes included. */
  #onAccepted(socket: Socket): void {
    this.#connections.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#connections.delete(socket);
      this.#clients.leave(socket);
      if (this.#connections.size === 0) this.#onEmpty?.();
    });
    if (this.#connections.size > this.#settings.limits.maxConnections) this.#refuse(socket, 'limit');
    else if (!this.#clients.enter(socket)) this.#refuse(socket, 'client');
  }

  #serve(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (socket instanceof TLSSocket && hasBadClientCertificate(socket)) this.#refuse(socket, 'tls');
    else if (!socket.destroyed) this.#service?.serve(socket);
  }

  #refuse(socket: Socket, reason: ConnectionRefusal): void {
    this.#listener.connectionRefused(reason);
    socket.destroy();
  }

  #empty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  /** Answers every question, once, with a response and never with a failure of the call. */
  readonly #check: Check = (call, callback) => {
    const asking = call as typeof call & Asking;
    const address = addressOf(call.getPeer());
    const question = questionOf(call.request, this.#settings.limits);
    if (question instanceof Denial) {
      this.#refuseQuestion(question, address, new CheckReply(asking, callback, false));
      return;
    }
    const reply = new CheckReply(asking, callback, question.isUpgrade);
    // What concerns the connection of a client is not about this one, which is the proxy's.
    const peer = { address, secure: false, serverName: null };
    const exchange = new Exchange(this.#listener, reply, question, peer, this.#monotonicMs());
    reply.exchange = exchange;
    asking.on('cancelled', onCancelled);
    this.#listener.accept(exchange);
  };

  #refuseQuestion({ reason, note }: Denial, client: string, reply: CheckReply): void {
    const id = randomHex(32);
    this.#listener.refused({ id, reason, note: note ?? '', client });
    reply.exchange = { id, reason, route: null, clientLeft: nothing, finish: nothing };
    reply.begin(REASONS[reason].status, [
      ...['Content-Type', PROBLEM_MEDIA_TYPE, 'Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff'],
      ...['X-Request-Id', id],
    ]);
    reply.end(problemDocument(reason, id));
  }
}

const nothing = () => {};

/** One function for all calls, of which there may be many. */
function onCancelled(this: Asking): void {
  this.reply?.cancelled();
}

/** The address in `address:port`; empty, which no list has, where the connection is gone. */
const addressOf = (peer: string): string => plainAddress(peer.slice(0, Math.max(0, peer.lastIndexOf(':'))));
