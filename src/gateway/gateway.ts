/**
 * gateway: puts the parts together. This file is the life of one gateway: open what outlives a configuration, compile the
 * configuration, listen, apply another configuration, end.
 *
 * Takes a validated configuration and the dependencies of its process; `process/` runs it, in one process or in several.
 * It fails to open with a ConfigFault; a reload that fails changes nothing. Ending is bounded in time: `drain` lets
 * requests finish, `close` cuts them.
 */

import type { Sessions } from '../authentication/session/sessions.ts';
import type { ConfigFault } from '../errors.ts';
import type { Clocks } from '../lib/clock.ts';
import { settledWithin } from '../lib/concurrency/settled-within.ts';
import { CertificateFiles } from '../listener/http1/certificate-files.ts';
import type { TlsListener } from '../listener/http1/tls.ts';
import type { ListenerAddresses } from '../listener/listener.ts';
import type { Store } from '../store/store.ts';
import { AccessLog } from '../telemetry/access.ts';
import type { AuditLog } from '../telemetry/audit.ts';
import { countedRoutes } from '../telemetry/counted-routes.ts';
import type { LineStream, Logger } from '../telemetry/log.ts';
import { RecentRequests } from '../telemetry/recent-requests.ts';
import type { MetricRegistry } from '../telemetry/registry.ts';
import { drainTunnels } from '../upstream/websocket/drain-tunnels.ts';
import { compileRuntime, type Runtime } from './compile.ts';
import { type ReadConfig, withTls } from './configuration/contents.ts';
import type { Config } from './configuration/schema.ts';
import { Generation, Generations } from './generation.ts';
import { Listeners, Recorder } from './listeners.ts';
import { closed, LongLived } from './long-lived.ts';
import { gatewaySeries } from './series.ts';

/** What a process gives its gateway. */
export interface GatewayDependencies {
  readonly clocks: Clocks;
  /** Takes the access log; the stream that `log` writes to. */
  readonly lines: LineStream;
  readonly log: Logger;
  readonly audit: AuditLog;
  readonly metrics: MetricRegistry;
  /** Shared by processes behind one address, so that they resume each other's TLS sessions. Default: keys of its own. */
  readonly ticketKeys?: Buffer;
  /** Whether other processes listen on the same addresses, and something has made sure that no others do. Default: `alone`. */
  readonly sharing?: 'alone' | 'shared';
  /** Placed between the pipelines and the upstreams. Default: nothing. */
  readonly outletOf?: LongLived['outletOf'];
}

/** Where a gateway listens and what it uses: data that can cross between processes. */
export interface Started {
  readonly addresses: ListenerAddresses;
  /** Describes its store. */
  readonly store: string;
  /** Describes its signing keys. */
  readonly signing: string;
}

/** One gateway, from its opening to its end. */
export class Gateway {
  /** What outlives a configuration. */
  readonly longLived: LongLived;
  readonly #certificates: ReadonlyMap<TlsListener, CertificateFiles>;
  readonly #accessLog: AccessLog;
  readonly recentRequests: RecentRequests = new RecentRequests();
  readonly #listeners: Listeners;
  readonly #generations: Generations;
  /** Aborted at the end: from then on nothing waits. */
  readonly #closing = new AbortController();
  #isListening = false;
  #isDraining = false;

  private constructor(
    longLived: LongLived,
    certificates: ReadonlyMap<TlsListener, CertificateFiles>,
    generation: Generation,
    { lines, sharing = 'alone' }: Pick<GatewayDependencies, 'lines' | 'sharing'>,
  ) {
    const { series, clocks, audit } = longLived;
    this.longLived = longLived;
    this.#certificates = certificates;
    this.#generations = new Generations(generation);
    this.#accessLog = new AccessLog(lines, generation.runtime.config.log);
    const recorder = new Recorder(this.#accessLog, audit, series.listeners, this.recentRequests, clocks);
    this.#listeners = new Listeners(
      generation,
      Object.fromEntries([...certificates].map(([name, files]) => [name, files.certificates])),
      recorder,
      series.queue,
      clocks,
      sharing,
    );
    series.listeners.connections.readFrom(() => this.connectionCount());
    series.upstreams.tunnels.readFrom(() => this.#generations.tunnels.length);
    series.upstreams.readFrom(() => [...this.runtime.upstreams.values()]);
    series.serviceTokens.readFrom(() => [...this.runtime.issuers.values()]);
  }

  /**
   * Opens everything that a configuration needs. When a step fails, the steps before it are closed.
   *
   * @throws ConfigFault with one clear message when something fails to open
   */
  static async open({ config, contents }: ReadConfig, dependencies: GatewayDependencies): Promise<Gateway> {
    const { clocks, log, audit, metrics, ticketKeys, outletOf } = dependencies;
    const series = gatewaySeries(metrics);
    await using opened = new AsyncDisposableStack();
    metrics.beforeScrape(() => series.routes.sweep(clocks.monotonicMs()));
    const longLived = opened.adopt(
      await LongLived.open(config, contents, { clocks, log, audit, series, ...(outletOf && { outletOf }) }),
      (it) => it.close(),
    );
    const generation = new Generation(compileRuntime(config, contents, longLived, null));
    generation.startFetching();
    opened.move();
    const certificates = new Map<TlsListener, CertificateFiles>();
    for (const [listener, { tls, files }] of withTls(config, contents)) {
      // A ticket of one listener must not stand for the client certificate that another one asks for.
      const keys = listener === 'public' ? ticketKeys : undefined;
      const tools = { clocks, log, series: series.listeners };
      certificates.set(listener, new CertificateFiles(tls, files, keys, tools, listener));
    }
    return new Gateway(longLived, certificates, generation, dependencies);
  }

  /**
   * Begins to accept connections.
   *
   * @throws ConfigFault when an address is unavailable
   */
  async listen(): Promise<Started> {
    const addresses = await this.#listeners.listen();
    this.#isListening = true;
    const { store, signingKeys } = this.longLived;
    return { addresses, store: store.description, signing: signingKeys.description };
  }

  get store(): Store {
    return this.longLived.store;
  }

  get sessions(): Sessions {
    return this.longLived.sessions;
  }

  /** The configuration in use. */
  get config(): Config {
    return this.runtime.config;
  }

  /** The configuration in use, compiled. */
  get runtime(): Runtime {
    return this.#generations.current.runtime;
  }

  /** Whether it accepts connections, or has done so. */
  get isListening(): boolean {
    return this.#isListening;
  }

  /** Whether it is ending. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Requests in progress, tunnels included. */
  get requestsInFlight(): number {
    return this.#listeners.inFlight;
  }

  /** Counts open connections of clients. */
  connectionCount(): number {
    return this.#listeners.connectionCount();
  }

  /**
   * Switches to another configuration. Requests in progress finish on the one that they began with; keys that need a
   * restart stay as they are.
   *
   * @returns what stays as it was, one line each: certificates and signing keys whose files, named as before, cannot be
   *   used any more
   */
  async apply({ config, contents, kept }: ReadConfig): Promise<readonly string[]> {
    const { series, clocks } = this.longLived;
    await series.routes.prepare(countedRoutes(config), config.metrics.labels);
    await this.longLived.traces.use(config.traces, contents.traces);
    const previous = this.#generations.current;
    const generation = new Generation(compileRuntime(config, contents, this.longLived, previous.runtime));
    const keptOf = (...path: readonly string[]) =>
      kept.filter(({ key }: ConfigFault) => path.every((part, index) => key?.[index] === part));
    // Without TLS, which takes a restart, the certificates stay as they are.
    const keptCertificates = [...withTls(config, contents)].flatMap(
      ([listener, { tls, files }]) =>
        this.#certificates.get(listener)?.use(tls, files, keptOf('listeners', listener)) ?? [],
    );
    const keptKeys = this.longLived.noteKeyFaults(keptOf('upstreamToken'));
    this.longLived.configure(config);
    this.#accessLog.configure(config.log);
    generation.startFetching();
    this.#generations.replace(generation);
    this.#listeners.serve(generation);
    series.routes.keepOnly(countedRoutes(config), clocks.monotonicMs());
    return [...keptCertificates, ...keptKeys];
  }

  /**
   * Ends gracefully: reports itself not ready at once, stays open for `shutdown.delay`, then accepts no more connections
   * and gives requests in progress `shutdown.timeout` to finish. WebSockets are closed over the first half of it.
   * Resolves when everything is closed.
   */
  async drain(): Promise<void> {
    const { delay: delayMs, timeout: timeoutMs } = this.config.shutdown;
    const { signal } = this.#closing;
    this.#isDraining = true;
    this.#listeners.announceDrain();
    if (delayMs > 0) await settledWithin(new Promise(() => {}), delayMs, signal);
    const drained = this.#listeners.drain(timeoutMs, signal);
    void drainTunnels(() => this.#generations.tunnels, timeoutMs / 2, signal);
    await settledWithin(drained, timeoutMs, signal);
    await this.close();
  }

  /** Ends at once and cuts requests in progress. */
  async close(): Promise<void> {
    this.#isDraining = true;
    this.#closing.abort();
    for (const files of this.#certificates.values()) files.close();
    this.#listeners.close();
    for (const tunnel of this.#generations.tunnels) tunnel.close();
    await closed(this.#generations.close());
    await this.longLived.close();
  }
}
