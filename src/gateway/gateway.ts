/**
 * The life of a gateway: open what outlives a configuration, compile the configuration, listen, put another
 * configuration in its place, come to an orderly end. What runs it, in one process or in several, is `instance.ts`.
 */

import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { FollowedRevocations } from '../authentication/revocation/followed-revocations.ts';
import type { RevocationSeries } from '../authentication/revocation/series.ts';

import type { Issuer } from '../authentication/service-token/issuer.ts';
import type { SessionSeries } from '../authentication/session/series.ts';
import { Sessions } from '../authentication/session/sessions.ts';
import { type FileWatch, watchFiles } from '../config/watch.ts';
import { PasswordHasher } from '../endpoints/login/password/hasher.ts';
import { DependencyFault } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Clocks } from '../lib/clock.ts';
import { settledWithin } from '../lib/settled-within.ts';
import { type ListenerHooks, PublicListener } from '../listener/http1/server.ts';
import { TlsCertificates } from '../listener/http1/tls.ts';
import { answerWithRedirect } from '../listener/redirect.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { AccessLog } from '../telemetry/access.ts';
import { AuditLog } from '../telemetry/audit.ts';
import { fileWatchReports } from '../telemetry/file-watch.ts';
import { errorFields, type LineStream, type Logger } from '../telemetry/log.ts';
import type { MetricRegistry } from '../telemetry/registry.ts';
import { openSigningKeys, type SigningKeys } from '../token/signing-keys.ts';

import { closeTunnels } from '../upstream/close-tunnels.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { compileRuntime, type LongLived, type Runtime } from './compile.ts';
import type { Config } from './configuration.ts';
import { Generation } from './generation.ts';
import { GatewaySeries } from './series.ts';
import { longestSessionTokenMs, longestSignedMs } from './token-lifetimes.ts';

/** What a process gives its gateway. */
export interface GatewayDependencies {
  readonly clocks: Clocks;
  /** Where the access log is written; the stream that `log` writes to. */
  readonly lines: LineStream;
  readonly log: Logger;
  readonly audit: Logger;
  readonly metrics: MetricRegistry;
  /** Shared by processes that stand behind one address; each has its own if left out. */
  readonly ticketKeys?: Buffer;
}

/** How often the key directory is read again. */
const KEY_REFRESH_MS = 10_000;
/** For so long an idle connection of a client is kept open at the end, and a request that comes on it is answered. */
const KEPT_CONNECTION_GRACE_MS = 1_500;
/** What has to be let go of at the end gets no longer than this each. */
const CLOSE_TIMEOUT_MS = 1_000;

export class Gateway {
  readonly store: Store;
  readonly sessions: Sessions;
  readonly revokedTokens: FollowedRevocations;
  readonly signingKeys: SigningKeys;
  readonly audit: AuditLog;
  readonly #dependencies: GatewayDependencies;
  readonly #longLived: LongLived;
  readonly #accessLog: AccessLog;
  readonly #certificates: TlsCertificates | null;
  readonly #listener: PublicListener;
  readonly #redirect: PublicListener | null;
  readonly #outbound: PublicListener | null;
  readonly #keyRefresh: NodeJS.Timeout;
  /** The present one, and those before it that still have exchanges under way. */
  readonly #generations = new Set<Generation>();
  /** Shutting down: nothing is kept for later. */
  readonly #draining: AbortController;
  /** The end: nothing is waited for. */
  readonly #ending = new AbortController();
  #certificateWatch: FileWatch | null;
  #generation: Generation;
  #redirectAddress: AddressInfo | null = null;
  #outboundAddress: AddressInfo | null = null;
  #isListening = false;

  private constructor(store: Store, longLived: LongLived, draining: AbortController, parts: GatewayParts) {
    const { dependencies, generation, certificates, revokedTokens } = parts;
    const { config } = generation.runtime;
    this.store = store;
    this.sessions = longLived.sessions;
    this.revokedTokens = revokedTokens;
    this.signingKeys = longLived.signingKeys;
    this.audit = longLived.audit;
    this.#dependencies = dependencies;
    this.#longLived = longLived;
    this.#draining = draining;
    this.#accessLog = new AccessLog(dependencies.lines, config.log);
    this.#certificates = certificates;
    this.#certificateWatch = this.#watchCertificates();
    this.#generation = generation;
    this.#generations.add(generation);
    this.#listener = this.#publicListener(config);
    this.#redirect = this.#redirectListener(config);
    this.#outbound = this.#outboundListener(config);
    this.#bindGauges(longLived.series);
    this.#keyRefresh = setInterval(() => void this.#refreshKeys(), KEY_REFRESH_MS).unref();
  }

  /**
   * Opens everything that a configuration needs. When a step fails, what was opened before is closed again.
   *
   * @throws ConfigFault with one clear message when something cannot be opened
   */
  static async open(config: Config, dependencies: GatewayDependencies): Promise<Gateway> {
    const { clocks, log } = dependencies;
    const series = new GatewaySeries(dependencies.metrics);
    await using opened = new AsyncDisposableStack();
    const draining = new AbortController();
    const signingKeys = await openSigningKeys(config.upstreamToken, longestSignedMs(config), clocks.wallMs);
    const { tls } = config.listeners.public;
    const certificates = tls === undefined ? null : new TlsCertificates(tls, clocks.wallMs, dependencies.ticketKeys);
    const store = opened.adopt(await openStore(config.store, { clocks, log, series: series.store }), (it) =>
      it.close(),
    );
    const passwordHasher = new PasswordHasher(config.login.password?.hashConcurrency ?? 1);
    opened.defer(() => passwordHasher.close());
    const sessions = opened.adopt(openSessions(store, config, dependencies, series.sessions), (it) => it.close());
    const revokedTokens = opened.adopt(await followRevocations(store, config, clocks, series.revocations), (it) =>
      it.close(),
    );
    const longLived: LongLived = {
      sessions,
      attempts: store.attempts,
      families: store.families,
      once: store.once,
      passwordHasher,
      signingKeys,
      revokedTokens,
      series,
      log,
      audit: new AuditLog(dependencies.audit),
      clocks,
    };
    const generation = new Generation(await compileRuntime(config, longLived, null));
    opened.move();
    startKeySets(generation.runtime);
    return new Gateway(store, longLived, draining, { dependencies, generation, certificates, revokedTokens });
  }

  /**
   * Begins to accept connections.
   *
   * @returns the address of the public listener
   * @throws ConfigFault when an address cannot be had
   */
  async listen(): Promise<AddressInfo> {
    const address = await this.#listener.listen();
    this.#redirectAddress = (await this.#redirect?.listen()) ?? null;
    this.#outboundAddress = (await this.#outbound?.listen()) ?? null;
    this.#isListening = true;
    return address;
  }

  /** Where the redirect listener listens; `null` when there is none. */
  get redirectAddress(): AddressInfo | null {
    return this.#redirectAddress;
  }

  /** Where the workload beside this gateway calls; `null` when there is no outbound side. */
  get outboundAddress(): AddressInfo | null {
    return this.#outboundAddress;
  }

  get clocks(): Clocks {
    return this.#dependencies.clocks;
  }

  /** The configuration in use. */
  get config(): Config {
    return this.#generation.runtime.config;
  }

  /** Whether it accepts connections, or has done so. */
  get isListening(): boolean {
    return this.#isListening;
  }

  /** Whether it is shutting down. */
  get isDraining(): boolean {
    return this.#draining.signal.aborted;
  }

  /** Requests in progress, tunnels included. */
  get requestsInFlight(): number {
    return this.#listeners().reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  /** Open connections of clients. */
  async connectionCount(): Promise<number> {
    const counts = await Promise.all(this.#listeners().map((listener) => listener.connectionCount));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /**
   * Puts another configuration in use. Requests under way finish on the one they began with; keys that need a restart
   * stay as they are.
   *
   * @returns what stays as it was, one line each: certificates whose files, named as before, cannot be used any more
   * @throws ConfigFault when something that it names cannot be used; then nothing has changed
   */
  async apply(config: Config): Promise<readonly string[]> {
    const previous = this.#generation;
    const { tls } = config.listeners.public;
    const before = this.config.listeners.public.tls;
    const isOtherTls = tls !== undefined && !isDeepStrictEqual(tls.certificates, before?.certificates);
    const pairs = isOtherTls ? this.#certificates?.load(tls) : undefined;
    const runtime = await compileRuntime(config, this.#longLived, previous.runtime);

    // From here on nothing fails.
    if (pairs !== undefined && tls !== undefined) {
      this.#certificates?.use(tls, pairs);
      this.#certificateWatch?.close();
      this.#certificateWatch = this.#watchCertificates();
    }
    const kept = pairs === undefined ? this.#readCertificates() : [];
    this.signingKeys.keyring.allowLifetime(longestSignedMs(config));
    this.sessions.configure(sessionSettings(config));
    this.revokedTokens.configure(revocationSettings(config));
    for (const listener of this.#listeners()) listener.configure(config.listeners.public);
    this.#accessLog.configure(config.log);
    this.#dependencies.log.level = config.log.level;
    startKeySets(runtime);
    const generation = new Generation(runtime);
    this.#generations.add(generation);
    this.#generation = generation;
    void previous.retire(runtime, this.#ending.signal).then(() => this.#generations.delete(previous));
    return kept;
  }

  /** Those of the configuration in use. */
  get upstreams(): readonly Upstream[] {
    return [...this.#generation.runtime.upstreams.values()];
  }

  /** Those whose service tokens are accepted. */
  get issuers(): readonly Issuer[] {
    return [...this.#generation.runtime.issuers.values()];
  }

  /**
   * Ends in order: not ready at once, open for `shutdown.delay`, then no new connections, a last answer on those that are
   * open, and what is under way gets `shutdown.timeout` to finish. WebSockets are closed over the first half of it. The outbound side goes on until then:
   * what finishes may have to call others. Resolves when everything is closed.
   */
  async drain(): Promise<void> {
    const { delay, timeout } = this.config.shutdown;
    const ending = this.#ending.signal;
    this.#draining.abort();
    for (const listener of this.#listeners()) listener.announceEnd();
    if (delay > 0) await settledWithin(new Promise(() => {}), delay, ending);
    const graceMs = Math.min(KEPT_CONNECTION_GRACE_MS, timeout / 4);
    const drained = Promise.all([this.#listener.drain(graceMs, ending), this.#redirect?.drain(graceMs, ending)]).then(
      () => this.#outbound?.drain(graceMs, ending),
    );
    void closeTunnels(this.#tunnels(), timeout / 2, ending);
    await settledWithin(drained, timeout, ending);
    await this.close();
  }

  /** Ends at once: cuts what is under way. */
  async close(): Promise<void> {
    this.#draining.abort();
    this.#ending.abort();
    clearInterval(this.#keyRefresh);
    this.#certificateWatch?.close();
    for (const listener of this.#listeners()) listener.destroy();
    for (const tunnel of this.#tunnels()) tunnel.destroy();
    const upstreams = [...this.#generations].flatMap(({ runtime }) => [...runtime.upstreams.values()]);
    for (const { runtime } of this.#generations) for (const { keys } of runtime.issuers.values()) keys.close();
    const never = new AbortController().signal;
    const end = (work: Promise<unknown>) => settledWithin(work, CLOSE_TIMEOUT_MS, never);
    await end(Promise.all(upstreams.map((upstream) => upstream.close())));
    await end(Promise.all([...this.#generations].map(({ runtime }) => runtime.outbound?.close())));
    await end(this.#longLived.passwordHasher.close());
    this.sessions.close();
    this.revokedTokens.close();
    await end(this.store.close());
  }

  /** What is read of the gateway when it is scraped. */
  #bindGauges({ listeners, upstreams, serviceTokens, tokens }: GatewaySeries): void {
    listeners.connections.readFrom(() => this.connectionCount());
    if (this.#certificates !== null) listeners.readFrom(this.#certificates);
    upstreams.tunnels.readFrom(() => this.#tunnels().length);
    upstreams.readFrom(() => this.upstreams);
    serviceTokens.readFrom(() => this.issuers);
    tokens.readFrom(this.signingKeys.keyring, this.#dependencies.clocks.wallMs);
  }

  #watchCertificates(): FileWatch | null {
    if (this.#certificates === null) return null;
    const { certificatesLastReadSuccessful, certificateWatchErrors } = this.#longLived.series.listeners;
    certificatesLastReadSuccessful.set(1);
    return watchFiles(this.#certificates.files, {
      onChange: () => void this.#readCertificates(),
      ...fileWatchReports('certificates', this.#dependencies.log, certificateWatchErrors),
    });
  }

  /** One that cannot be used stays as it is, and that is said: in the log, and one line each to whoever asked. */
  #readCertificates(): readonly string[] {
    if (this.#certificates === null) return [];
    const { log } = this.#dependencies;
    const { series } = this.#longLived;
    const faults = this.#certificates.reload();
    series.listeners.certificatesLastReadSuccessful.set(faults.length === 0 ? 1 : 0);
    for (const fault of faults) log.error({ fault: errorFields(fault) }, 'a certificate stays as it was');
    if (faults.length === 0) log.info('certificates were read again');
    return faults.map(({ message }) => `${message}; the certificate stays as it was`);
  }

  #publicListener(config: Config): PublicListener {
    const { address, ...settings } = config.listeners.public;
    const hooks = this.#listenerHooks((exchange) => this.#generation.run(exchange));
    const { monotonicMs } = this.#dependencies.clocks;
    return new PublicListener('listeners.public.address', address, settings, this.#certificates, hooks, monotonicMs);
  }

  #redirectListener(config: Config): PublicListener | null {
    const { redirect, public: settings } = config.listeners;
    if (redirect === undefined) return null;
    const hooks = this.#listenerHooks((exchange) => {
      const { pipeline } = this.#generation.runtime;
      this.#generation.join(exchange, pipeline);
      exchange.enter(pipeline.series.endpoints);
      answerWithRedirect(exchange, pipeline);
    });
    const { monotonicMs } = this.#dependencies.clocks;
    return new PublicListener('listeners.redirect.address', redirect.address, settings, null, hooks, monotonicMs);
  }

  /** Limits and timeouts are those of the public listener. */
  #outboundListener(config: Config): PublicListener | null {
    const { outbound, listeners } = config;
    if (outbound === undefined) return null;
    const hooks = this.#listenerHooks((exchange) => this.#generation.runOutbound(exchange), true);
    const { monotonicMs } = this.#dependencies.clocks;
    const { address } = outbound;
    return new PublicListener('outbound.address', address, listeners.public, null, hooks, monotonicMs, 'loopback');
  }

  #listenerHooks(onExchange: ListenerHooks['onExchange'], isOutbound = false): ListenerHooks {
    return {
      onExchange,
      onRefused: (exchange, denial) => {
        const { pipeline, outbound } = this.#generation.runtime;
        exchange.isOutbound = isOutbound;
        if (exchange.generation === null)
          this.#generation.join(exchange, (isOutbound ? outbound?.pipeline : null) ?? pipeline);
        pipeline.responder.denial(exchange, denial);
      },
      onFinished: (exchange) => this.#record(exchange),
      onParserRefusal: (refusal) => {
        const { pipeline, outbound } = this.#generation.runtime;
        const { unmatched } = ((isOutbound ? outbound?.pipeline : null) ?? pipeline).series;
        this.#accessLog.recordRefusal(refusal, isOutbound, this.#dependencies.clocks.wallMs(), unmatched);
      },
      onConnectionRefused: (reason) => this.#longLived.series.listeners.connectionsRefused.inc({ reason }),
    };
  }

  #listeners(): PublicListener[] {
    return [this.#listener, this.#redirect, this.#outbound].filter((listener) => listener !== null);
  }

  #tunnels() {
    return [...this.#generations].flatMap((generation) => [...generation.tunnels]);
  }

  #record(exchange: Exchange): void {
    const { clocks } = this.#dependencies;
    this.#accessLog.record(exchange, clocks.monotonicMs(), clocks.wallMs());
    this.audit.recordDenial(exchange);
    exchange.generation?.leave();
  }

  async #refreshKeys(): Promise<void> {
    try {
      await this.signingKeys.refresh();
    } catch (fault) {
      this.#dependencies.log.error(
        { fault: errorFields(fault) },
        'signing keys could not be read; the known ones stay',
      );
    }
  }
}

/** Fetches in the background what was not fetched before. Nobody waits for it: readiness says what is missing. */
function startKeySets({ issuers }: Runtime): void {
  for (const { keys } of issuers.values()) keys.start();
}

interface GatewayParts {
  readonly dependencies: GatewayDependencies;
  readonly generation: Generation;
  readonly certificates: TlsCertificates | null;
  readonly revokedTokens: FollowedRevocations;
}

async function followRevocations(
  store: Store,
  config: Config,
  clocks: Clocks,
  series: RevocationSeries,
): Promise<FollowedRevocations> {
  const revocations = await FollowedRevocations.open(store, revocationSettings(config), clocks, series);
  series.readFrom(revocations);
  return revocations;
}

function revocationSettings(config: Config) {
  return {
    outageGraceMs: config.revocation.outageGrace ?? Number.POSITIVE_INFINITY,
    sessionTokenMs: longestSessionTokenMs(config),
  };
}

function openSessions(
  store: Store,
  config: Config,
  { clocks, log }: GatewayDependencies,
  series: SessionSeries,
): Sessions {
  // The store logs once that it does not answer; this would log it for every request.
  const onBackgroundFault = (fault: unknown) =>
    log[fault instanceof DependencyFault ? 'debug' : 'warn'](
      { fault: errorFields(fault) },
      'background work of a session failed',
    );
  const sessions = new Sessions(store, sessionSettings(config), clocks, series, onBackgroundFault);
  series.expectStore(store.kind);
  series.cacheEntries.readFrom(() => sessions.cachedCount);
  return sessions;
}

function sessionSettings({ session }: Config) {
  return {
    idleTimeoutMs: session.idleTimeout,
    absoluteTimeoutMs: session.absoluteTimeout,
    maxPerUser: session.maxPerUser,
    cacheMaxEntries: session.cache.maxEntries,
    recheckAfterMs: session.cache.recheckAfter,
    feedTimeoutMs: session.cache.feedTimeout,
    outageGraceMs: session.cache.outageGrace,
  };
}
