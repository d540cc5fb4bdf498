/**
 * The listeners of a gateway: the one list of them, and what concerns them all. The handlers behind them are those of the
 * current generation. The admin listener is not among them: with workers it runs in another process.
 */

import type { GrpcAuthorizerConfig } from '../authorizer/grpc/section.ts';
import { type ListenAddress, toBlockList } from '../config/fields.ts';
import type { Exchange, ExchangeListener } from '../exchange.ts';
import type { Clocks } from '../lib/clock.ts';
import { valuesIn } from '../lib/http/field.ts';
import { clientLimits } from '../limits/open.ts';
import { GrpcServer } from '../listener/grpc/server.ts';
import { ensureFree } from '../listener/http1/listen.ts';
import { Http1Server, type Http1Settings } from '../listener/http1/server.ts';
import type { TlsCertificates, TlsListener } from '../listener/http1/tls.ts';
import { Listener, type ListenerAddresses, type ListenerParts, type ListenerRecorder } from '../listener/listener.ts';
import { type QueueRules, RequestQueue } from '../listener/request-queue.ts';
import type { PublicListenerConfig } from '../listener/section.ts';
import type { ConnectionCut, ConnectionRefusal, ListenerSeries, QueueSeries } from '../listener/series.ts';
import { sessionSinceMs } from '../principal.ts';
import { clientAddress } from '../sanitize/client-address.ts';
import { type AccessLog, loggedStatus } from '../telemetry/access.ts';
import type { AuditLog } from '../telemetry/audit.ts';
import type { EarlyRefusal } from '../telemetry/finished-request.ts';
import type { RecentRequests } from '../telemetry/recent-requests.ts';
import type { RequestTrace } from '../telemetry/traces/request-trace.ts';
import type { Generation } from './generation.ts';

/** For this long idle connections stay open in a drain, and a request that arrives on one is answered. */
const KEPT_CONNECTION_GRACE_MS = 1_500;

/** What a listener has of its own: the parts that are the same for all are left out. */
type OwnParts = Pick<ListenerParts, 'name' | 'logFields' | 'drainsLast'> &
  Pick<Http1Settings, 'address' | 'key' | 'peers' | 'http2'> & {
    readonly tls?: TlsCertificates | null;
    /** Proxies that connect, beside those of the public listener. */
    readonly proxies?: readonly string[];
    /** Its own settings, where it is asked over gRPC. */
    readonly grpc?: GrpcAuthorizerConfig;
  };

/** The sections that name listeners. */
interface ListenerSections {
  readonly listeners: {
    readonly public: PublicListenerConfig;
    readonly redirect?: Addressed | undefined;
    readonly authorizer?: (Addressed & { readonly peers: readonly string[] }) | undefined;
    readonly grpcAuthorizer?: GrpcAuthorizerConfig | undefined;
  };
  readonly outbound?: Addressed | undefined;
}

/** A section with the address of a listener. */
interface Addressed {
  readonly address: ListenAddress;
  readonly http2?: boolean | undefined;
}

/** The certificates of the listeners that terminate TLS, by name. */
type ListenerCertificates = Readonly<Partial<Record<TlsListener, TlsCertificates>>>;

/** Whether the public listener speaks HTTP/2: where browsers offer it, unless the configuration says otherwise. */
export const servesHttp2 = ({ http2, tls }: Pick<PublicListenerConfig, 'http2' | 'tls'>): boolean =>
  http2 ?? tls !== undefined;

/** The list. Limits and timeouts are those of the public listener, for all. */
function listenersOf(
  { listeners, outbound }: ListenerSections,
  certificates: ListenerCertificates,
): readonly OwnParts[] {
  const { public: front, redirect, authorizer, grpcAuthorizer } = listeners;
  const all: readonly (OwnParts | undefined)[] = [
    {
      name: 'public',
      key: 'listeners.public.address',
      address: front.address,
      tls: certificates.public ?? null,
      http2: servesHttp2(front),
    },
    redirect && { name: 'redirect', key: 'listeners.redirect.address', address: redirect.address },
    authorizer && {
      name: 'authorizer',
      key: 'listeners.authorizer.address',
      address: authorizer.address,
      proxies: authorizer.peers,
      logFields: { authorizer: true },
      // A proxy asks about requests that it has accepted already.
      drainsLast: true,
    },
    grpcAuthorizer && {
      name: 'grpcAuthorizer',
      key: 'listeners.grpcAuthorizer.address',
      address: grpcAuthorizer.address,
      tls: certificates.grpcAuthorizer ?? null,
      grpc: grpcAuthorizer,
      proxies: grpcAuthorizer.peers,
      logFields: { authorizer: true },
      drainsLast: true,
    },
    outbound && {
      name: 'outbound',
      key: 'outbound.address',
      address: outbound.address,
      peers: 'loopback',
      http2: outbound.http2 === true,
      logFields: { outbound: true },
      // Requests that finish may have to call other services.
      drainsLast: true,
    },
  ];
  return all.filter((listener) => listener !== undefined);
}

/** The addresses of the listeners, where several processes share them. */
export interface SharedAddresses {
  /** Whether it is known of every listener on which port it listens, so that the processes need not agree on one. */
  readonly areFixed: boolean;
  /** @throws ConfigFault when something listens on one of them */
  ensureFree(): Promise<void>;
}

/** What processes have to know before they share the addresses of a configuration. */
export function sharedAddresses(config: ListenerSections): SharedAddresses {
  const listeners = listenersOf(config, {});
  return {
    areFixed: listeners.every(({ address }) => address.port !== 0),
    ensureFree: async () => {
      for (const { address, key } of listeners) await ensureFree(address, key);
    },
  };
}

/** The configuration with the ports on which another process of the gateway listens already. */
export function withPorts<C extends ListenerSections>(config: C, addresses: ListenerAddresses): C {
  const at = <S extends Addressed | undefined>(section: S, name: string): S =>
    section && { ...section, address: { ...section.address, port: addresses[name]?.port ?? section.address.port } };
  const { listeners, outbound } = config;
  const { public: front, redirect, authorizer, grpcAuthorizer } = listeners;
  return {
    ...config,
    listeners: {
      ...listeners,
      public: at(front, 'public'),
      redirect: at(redirect, 'redirect'),
      authorizer: at(authorizer, 'authorizer'),
      grpcAuthorizer: at(grpcAuthorizer, 'grpcAuthorizer'),
    },
    outbound: at(outbound, 'outbound'),
  };
}

/** The listeners of one gateway, from their construction to their end. */
export class Listeners {
  readonly #all: readonly Listener[];
  /** Of all that clients reach. The workload's calls do not wait: requests that were begun depend on them. */
  readonly #queue: RequestQueue;

  constructor(
    generation: Generation,
    certificates: ListenerCertificates,
    recorder: ListenerRecorder,
    series: QueueSeries,
    { monotonicMs }: Clocks,
    sharing: Http1Settings['sharing'],
  ) {
    const { config } = generation.runtime;
    const { limits, timeouts, trustedProxies } = config.listeners.public;
    const { maxConcurrentRequests } = limits;
    this.#queue = new RequestQueue(queueRules(config), series, monotonicMs);
    const maxConnectionsPerClient = clientLimits(config).connections;
    this.#all = listenersOf(config, certificates).map(
      ({ address, key, peers = 'any', tls = null, http2 = false, ...rest }) => {
        const { proxies = [], grpc, ...own } = rest;
        const handler = generation.handlerOf(own.name);
        const perClient = { maxConnectionsPerClient, trustedProxies: toBlockList([...trustedProxies, ...proxies]) };
        const settings = { address, key, peers, tls, http2, limits, timeouts, sharing, ...perClient };
        return new Listener(
          { ...own, handler, recorder, maxConcurrentRequests, queue: peers === 'loopback' ? null : this.#queue },
          (listener) =>
            grpc === undefined
              ? new Http1Server(listener, settings, monotonicMs)
              : new GrpcServer(listener, { ...settings, ...grpc, tls }, monotonicMs, async () => {
                  const { openServices } = await import('../authorizer/grpc/services.ts');
                  return openServices(listener, limits, grpc.reflection);
                }),
        );
      },
    );
  }

  /** Requests in progress, tunnels included. */
  get inFlight(): number {
    return this.#all.reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  /** Counts open connections of clients. */
  connectionCount(): number {
    return this.#all.reduce((sum, { connectionCount }) => sum + connectionCount, 0);
  }

  /** Begins to accept connections. @throws ConfigFault when an address is unavailable */
  async listen(): Promise<ListenerAddresses> {
    const addresses: [string, unknown][] = [];
    for (const listener of this.#all) addresses.push([listener.name, await listener.listen()]);
    return Object.fromEntries(addresses) as ListenerAddresses;
  }

  /** Puts a generation behind every listener: requests that begin from now on run on it. */
  serve(generation: Generation): void {
    const { config } = generation.runtime;
    const { maxConcurrentRequests } = config.listeners.public.limits;
    this.#queue.configure(queueRules(config));
    for (const listener of this.#all) {
      listener.handler = generation.handlerOf(listener.name);
      listener.maxConcurrentRequests = maxConcurrentRequests;
    }
  }

  /** From now on every answer closes its connection. Connections are still accepted. */
  announceDrain(): void {
    for (const listener of this.#all) listener.announceDrain();
  }

  /**
   * Accepts no more connections and lets requests in progress finish; listeners that others depend on end after those.
   *
   * @param timeoutMs  the time that the caller gives it
   * @param signal     ends the waiting
   */
  async drain(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const graceMs = Math.min(KEPT_CONNECTION_GRACE_MS, timeoutMs / 4);
    for (const isLast of [false, true]) {
      const listeners = this.#all.filter(({ drainsLast }) => drainsLast === isLast);
      await Promise.all(listeners.map((listener) => listener.drain(graceMs, signal)));
    }
  }

  /** Closes every connection at once. */
  close(): void {
    for (const listener of this.#all) listener.close();
  }
}

function queueRules({ listeners }: ListenerSections): QueueRules {
  const { limits, trustedProxies } = listeners.public;
  const trusted = toBlockList([
    ...trustedProxies,
    ...(listeners.authorizer?.peers ?? []),
    ...(listeners.grpcAuthorizer?.peers ?? []),
  ]);
  return {
    maxDelayMs: limits.maxQueueDelay,
    clientOf: ({ peer, rawHeaders }) =>
      clientAddress(peer.address, trusted && valuesIn(rawHeaders, 'x-forwarded-for').join(','), trusted),
  };
}

function endTrace(trace: RequestTrace, exchange: Exchange, endedMs: number, wallMs: number): void {
  const sinceMs = sessionSinceMs(exchange.principal);
  const sessionAgeMs = sinceMs === null ? null : wallMs - sinceMs;
  trace.end(exchange, { status: loggedStatus(exchange), endedMs, sessionAgeMs });
}

/** Writes the logs and counts connections, for all listeners. */
export class Recorder implements ListenerRecorder {
  readonly #accessLog: AccessLog;
  readonly #audit: AuditLog;
  readonly #series: ListenerSeries;
  readonly #recent: RecentRequests;
  readonly #clocks: Clocks;

  constructor(accessLog: AccessLog, audit: AuditLog, series: ListenerSeries, recent: RecentRequests, clocks: Clocks) {
    this.#accessLog = accessLog;
    this.#audit = audit;
    this.#series = series;
    this.#recent = recent;
    this.#clocks = clocks;
  }

  finished(exchange: Exchange): void {
    const [endedMs, wallMs] = [this.#clocks.monotonicMs(), this.#clocks.wallMs()];
    if (exchange.trace !== null) endTrace(exchange.trace, exchange, endedMs, wallMs);
    this.#accessLog.record(exchange, endedMs, wallMs);
    this.#recent.keep(exchange, endedMs - exchange.startedMs, wallMs);
    this.#audit.recordDenial(exchange);
  }

  refused(refusal: EarlyRefusal, listener: ExchangeListener): void {
    const wallMs = this.#clocks.wallMs();
    this.#accessLog.recordRefusal(refusal, listener, wallMs);
    this.#recent.keepUnread(refusal, listener.name, wallMs);
  }

  connectionRefused(reason: ConnectionRefusal): void {
    this.#series.connectionsRefused.inc({ reason });
  }

  connectionCut(reason: ConnectionCut): void {
    this.#series.connectionsCut.inc({ reason });
  }
}
