/**
 * Metrics, in the Prometheus text format.
 *
 * Label values come from the configuration or from a closed set, never from a request; every series exists from the
 * start, so that `rate()` sees the first error. What is counted on every request is a hot metric, found once per route.
 */

import { performance } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Config } from '../config/schema.ts';
import { TOKEN_REQUEST_RESULTS } from '../endpoints/token/oauth-errors.ts';
import { GRANTS } from '../endpoints/token/token-request.ts';
import { REASONS, type Reason } from '../errors.ts';
import type { DestinationTokenEvents } from '../outbound/kept-token.ts';
import { MINT_CAUSES } from '../token/upstream-token.ts';
import {
  HotCounterFamily,
  HotGaugeFamily,
  type HotHistogram,
  HotHistogramFamily,
  type HotNumber,
} from './hot-metrics.ts';

/** Below a millisecond is where a gateway's own work happens. */
const OVERHEAD_BUCKETS_SEC = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1];
const DURATION_BUCKETS_SEC = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const CODE_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', '_OTHER'] as const;
/** Of prom-client's metric of garbage collection. */
const GC_KINDS = ['minor', 'major', 'incremental', 'weakcb'] as const;
const PRINCIPAL_KINDS = ['user', 'service', 'anonymous'] as const;

/**
 * How a refresh ended. `rotated`, `replayed` (within the grace) and `kept` (too young to be replaced) are answered with
 * tokens. `misplaced`: a token of another kind of client or another session. `invalid`: no request for a refresh.
 */
const REFRESH_RESULTS = [
  'rotated',
  'replayed',
  'kept',
  'invalid',
  'malformed',
  'unknown',
  'misplaced',
  'session_ended',
  'reused',
  'throttled',
  'failed',
] as const;
export type RefreshResult = (typeof REFRESH_RESULTS)[number];

/** Route label of requests that matched no route. */
export const NO_ROUTE = '_none';
/** The same on the outbound listener. */
export const NO_DESTINATION = '_outbound';
/** Route label of the gateway's own endpoints. */
export const OWN_ENDPOINT = '_gateway';

const TOKEN_RESULTS = ['reused', 'obtained', 'refused', 'failed'] as const;

/** Issuer label of tokens that are of none that is accepted. */
export const NO_ISSUER = '_none';

/** One finished request. */
export interface RequestObservation {
  readonly method: string;
  readonly status: number;
  /** Of the upstream's answer; read only where `firstByteMs` says that there was one. */
  readonly upstreamStatus: number;
  /** Who was let through; `null` when nobody was authenticated. */
  readonly principalKind: (typeof PRINCIPAL_KINDS)[number] | null;
  /** Why it was refused or failed; `null` when it was not. */
  readonly reason: Reason | null;
  readonly durationMs: number;
  /** Duration without the upstream's part. */
  readonly overheadMs: number;
  /** From sending the request to the first byte of the answer; `null` when there was none. */
  readonly firstByteMs: number | null;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Headers that only the gateway may write, and that the client sent. */
  readonly ownedHeaders: number;
}

const codeClassOf = (status: number): number => Math.min(Math.max(Math.floor(status / 100), 1), 5) - 1;

/**
 * What is refused before a route is known, or by endpoints of the gateway's own only: on each of many routes these would
 * be series that stay zero for ever.
 */
const NOT_ON_ROUTES: ReadonlySet<Reason> = new Set([
  'request_timeout',
  'http_version_unsupported',
  'target_too_long',
  'headers_too_large',
  'expectation_failed',
  'host_not_served',
  'route_not_found',
  'body_malformed',
  'query_malformed',
  'media_type_unsupported',
  'client_unauthorized',
  'token_request_invalid',
  'subject_token_refused',
  'grant_unsupported',
  'grant_forbidden',
  'target_forbidden',
  'scope_exceeded',
  'login_failed',
  'login_unavailable',
  'refresh_token_refused',
  'refresh_token_reused',
  'rate_limited',
  'store_full',
  'admin_disabled',
]);

/** The series of one route, found once. */
export class RouteMetrics {
  readonly #metrics: Metrics;
  readonly #route: string;
  readonly #requests = new Map<string, readonly HotNumber[]>();
  /** Up with every request that is begun on the route, down with its end. */
  readonly inFlight: HotNumber;
  readonly #durations: readonly HotHistogram[];
  readonly #overhead: HotHistogram;
  /** By reason, and by kind of principal for what was let through. */
  readonly #decisions = new Map<string, HotNumber>();
  readonly #requestBytes: HotNumber;
  readonly #responseBytes: HotNumber;
  readonly #ownedHeaders: HotNumber;
  readonly #upstreamDurations: readonly HotHistogram[];
  readonly #upstreamErrors = new Map<string, HotNumber>();

  /**
   * @param upstream  the upstream that the route forwards to; `null` when it forwards nothing
   * @param labels    which of the labels that multiply series are wanted
   */
  constructor(
    metrics: Metrics,
    route: string,
    upstream: string | null,
    labels: Config['metrics']['labels'] = ['method'],
  ) {
    this.#metrics = metrics;
    this.#route = route;
    const hasMethod = labels.includes('method');
    for (const method of METHODS) {
      this.#requests.set(
        method,
        CODE_CLASSES.map((code_class) =>
          metrics.requests.child(hasMethod ? { route, method, code_class } : { route, code_class }),
        ),
      );
    }
    this.inFlight = metrics.requestsInFlight.child({ route });
    this.#durations = CODE_CLASSES.map((code_class) => metrics.requestDuration.child({ route, code_class }));
    this.#overhead = metrics.overhead.child({ route });
    for (const kind of PRINCIPAL_KINDS) {
      this.#decisions.set(kind, metrics.decisions.child({ route, outcome: 'allow', reason: kind }));
    }
    const reasons = Object.keys(REASONS) as Reason[];
    for (const reason of reasons.filter((it) => upstream === null || !NOT_ON_ROUTES.has(it))) {
      this.#decision(reason);
      if (upstream !== null && reason.startsWith('upstream_')) {
        this.#upstreamErrors.set(reason, metrics.upstreamErrors.child({ upstream, reason }));
      }
    }
    this.#requestBytes = metrics.requestBytes.child({ route });
    this.#responseBytes = metrics.responseBytes.child({ route });
    this.#ownedHeaders = metrics.ownedHeaders.child({ route });
    this.#upstreamDurations =
      upstream === null
        ? []
        : CODE_CLASSES.map((code_class) => metrics.upstreamDuration.child({ upstream, code_class }));
  }

  /** The series of a reason. One that was not to be expected here begins with its first request. */
  #decision(reason: Reason): HotNumber {
    const outcome = REASONS[reason].alert === true ? 'error' : 'deny';
    const counter = this.#metrics.decisions.child({ route: this.#route, outcome, reason });
    this.#decisions.set(reason, counter);
    return counter;
  }

  /** Counts a finished request. */
  observe(request: RequestObservation): void {
    const codeClass = codeClassOf(request.status);
    const byMethod = this.#requests.get(request.method) ?? this.#requests.get('_OTHER');
    byMethod?.[codeClass]?.inc();
    this.#durations[codeClass]?.observeMs(request.durationMs);
    this.#overhead.observeMs(request.overheadMs);
    if (request.firstByteMs !== null)
      this.#upstreamDurations[codeClassOf(request.upstreamStatus)]?.observeMs(request.firstByteMs);
    this.#requestBytes.inc(request.requestBytes);
    this.#responseBytes.inc(request.responseBytes);
    if (request.ownedHeaders > 0) this.#ownedHeaders.inc(request.ownedHeaders);
    if (request.reason !== null) this.refused(request.reason);
    else if (request.principalKind !== null) this.#decisions.get(request.principalKind)?.inc();
    if (request.reason !== null) this.#upstreamErrors.get(request.reason)?.inc();
  }

  /** Counts what was refused, also before it became a request. */
  refused(reason: Reason): void {
    (this.#decisions.get(reason) ?? this.#decision(reason)).inc();
  }
}

/** All metrics of a process. */
export class Metrics {
  readonly registry = new Registry();

  readonly requests = this.#hotCounter('http_requests_total', 'Requests by route, method and class of status.');
  readonly requestDuration = this.#hotHistogram(
    'http_request_duration_seconds',
    'Time from the request head to the end of the answer.',
    DURATION_BUCKETS_SEC,
  );
  readonly overhead = this.#hotHistogram(
    'overhead_seconds',
    "The gateway's own part of a request: its duration without the upstream's.",
    OVERHEAD_BUCKETS_SEC,
  );
  readonly requestsInFlight = this.#hotGauge(
    'http_requests_in_flight',
    'Requests in progress by route, WebSockets included.',
  );
  readonly connections = this.#gauge('open_connections', 'Open connections of clients.', []);
  readonly connectionsRefused = this.#counter(
    'connections_refused_total',
    'Connections closed before a request: over the limit, or without a TLS handshake.',
    ['reason'],
  );
  readonly tunnels = this.#gauge('open_websockets', 'Open WebSockets.', []);
  readonly requestBytes = this.#hotCounter('http_request_bytes_total', 'Bytes of request bodies.');
  readonly responseBytes = this.#hotCounter('http_response_bytes_total', 'Bytes of response bodies.');
  readonly ownedHeaders = this.#hotCounter(
    'owned_headers_removed_total',
    'Headers that only the gateway may write, and that clients sent.',
  );
  readonly streamsEnded = this.#counter(
    'streams_ended_total',
    'Open answers and WebSockets that were cut because their session or token had ended.',
    ['credential'],
  );
  readonly decisions = this.#hotCounter(
    'auth_decisions_total',
    'Requests let through (by kind of principal), denied or failed (by reason).',
  );

  readonly upstreamDuration = this.#hotHistogram(
    'upstream_request_duration_seconds',
    "Time from sending a request to the first byte of its answer, by class of the answer's status.",
    DURATION_BUCKETS_SEC,
  );
  readonly upstreamErrors = this.#hotCounter('upstream_errors_total', 'Forwards that failed, by reason.');
  readonly upstreamInFlight = this.#gauge(
    'upstream_requests_in_flight',
    'Requests at an upstream, waiting ones included.',
    ['upstream'],
  );
  readonly upstreamConnections = this.#gauge(
    'upstream_connections',
    'Open connections to an upstream, WebSockets left out: busy with a request, or idle.',
    ['upstream', 'state'],
  );
  readonly upstreamHealthy = this.#gauge(
    'upstream_healthy',
    '1 while at least one endpoint is not ejected.',
    ['upstream'],
    'min',
  );

  readonly sessionLookup = this.#histogram(
    'session_lookup_duration_seconds',
    'Time to look up a session that was not in process, by the store that was asked: memory or redis.',
    ['source'],
    OVERHEAD_BUCKETS_SEC,
  );
  readonly sessionCacheHits = this.#hotCounter(
    'session_cache_hits_total',
    'Requests whose session was in process and trusted.',
  ).child({});
  readonly sessionCacheMisses = this.#counter(
    'session_cache_misses_total',
    'Requests for whose session the store was asked.',
    [],
  );
  readonly sessionCacheEvictions = this.#counter(
    'session_cache_evictions_total',
    'Sessions that left the cache to make room.',
    [],
  );
  readonly sessionCacheInvalidations = this.#counter(
    'session_cache_invalidations_total',
    'Sessions that left the cache because they were revoked.',
    [],
  );
  readonly sessionCacheEntries = this.#gauge('session_cache_entries', 'Sessions in process.', []);
  readonly sessionsServedDuringOutage = this.#counter(
    'sessions_served_during_outage_total',
    'Requests served from cache while the store did not answer.',
    [],
  );
  readonly sessionsOpened = this.#counter('sessions_opened_total', 'Logins by method.', ['method']);
  readonly sessionsEnded = this.#counter('sessions_ended_total', 'Sessions that were ended, by cause.', ['cause']);
  readonly loginFailures = this.#counter('login_failures_total', 'Logins that failed, by reason.', ['reason']);

  readonly refreshFamiliesBegun = this.#counter(
    'refresh_families_begun_total',
    'Families of refresh tokens that began with a login, by kind of client.',
    ['client'],
  );
  readonly refreshes = this.#counter(
    'refreshes_total',
    'Refreshes by result: rotated, replayed or kept, or why there was none.',
    ['result'],
  );

  readonly tokenRequests = this.#counter(
    'token_requests_total',
    'Requests to the token endpoint by grant and result: issued, rate_limited, or the error that was answered.',
    ['grant', 'result'],
  );

  readonly tokensMinted = this.#counter(
    'tokens_minted_total',
    'Upstream tokens signed: the first one of its principal for its audience, one in place of another near its end, or one in place of another that was not to be sent again (signing key, settings or revocation).',
    ['cause'],
  );
  readonly tokensReused = this.#hotCounter('tokens_reused_total', 'Upstream tokens sent again.').child({});
  readonly tokenMintDuration = this.#histogram(
    'token_mint_duration_seconds',
    'Time to sign an upstream token.',
    [],
    OVERHEAD_BUCKETS_SEC,
  );
  readonly #destinationTokens = this.#counter(
    'destination_tokens_total',
    'Tokens for calls on the outbound side by destination (a route label, too): sent again, waited for, refused to the caller, or not to be had.',
    ['destination', 'result'],
  );
  readonly #destinationTokenDuration = this.#histogram(
    'destination_token_wait_seconds',
    'Time that a call on the outbound side has waited for its token.',
    ['destination'],
    DURATION_BUCKETS_SEC,
  );
  readonly signingKeyAge = this.#gauge(
    'signing_key_age_seconds',
    'How long the active signing key has been active, and the next one been published; none where there is no next one.',
    ['state'],
    'max',
  );

  readonly jwksAge = this.#gauge(
    'jwks_age_seconds',
    'How long ago the keys of an issuer were last fetched; none where they never were.',
    ['issuer'],
    'max',
  );
  readonly jwksFetches = this.#counter(
    'jwks_fetches_total',
    'Fetches of the keys of an issuer: refreshed, failed, or partial when some of them had to be left out.',
    ['issuer', 'result'],
  );
  readonly serviceTokensAccepted = this.#hotCounter(
    'service_tokens_accepted_total',
    'Service tokens that were good, by issuer, and whether they were remembered or their signature was verified.',
  );
  readonly serviceTokensRefused = this.#counter(
    'service_tokens_refused_total',
    'Service tokens that were refused, by issuer (`_none`: of no issuer that the route accepts) and problem.',
    ['issuer', 'problem'],
  );

  readonly tokenRevocations = this.#gauge(
    'token_revocations',
    'Revocations of tokens that this process knows of, by kind: one token, a session, a subject.',
    ['kind'],
    'max',
  );
  readonly tokenRevocationsAge = this.#gauge(
    'token_revocations_age_seconds',
    'How long ago it was last proven that no revocation of a token is missing; infinite before the first time.',
    [],
    'max',
  );
  readonly tokenRevocationsForgotten = this.#counter(
    'token_revocations_forgotten_total',
    'Revocations that were dropped before their end, because there were too many.',
    [],
  );

  readonly storeUp = this.#gauge('store_up', '1 while the session store answers.', [], 'min');
  readonly storeCommandDuration = this.#histogram(
    'store_command_duration_seconds',
    'Time of one command to the store.',
    ['command'],
    OVERHEAD_BUCKETS_SEC,
  );
  readonly storeErrors = this.#counter('store_errors_total', 'Commands to the store that failed, by reason.', [
    'reason',
  ]);

  readonly workersReady = this.#gauge(
    'workers_ready',
    'Worker processes that serve; none where one process does all.',
    [],
  );
  readonly workerRestarts = this.#counter('workers_restarts_total', 'Worker processes that were started again.', []);

  readonly configReloads = this.#counter('config_reloads_total', 'Reloads by result.', ['result']);
  readonly configLastReloadSuccessful = this.#gauge(
    'config_last_reload_successful',
    '1 when the last reload was applied.',
    [],
  );
  readonly configLastReloadTimestamp = this.#gauge(
    'config_last_reload_success_timestamp_seconds',
    'When a configuration was last applied.',
    [],
  );
  readonly certificateExpiry = this.#gauge(
    'tls_certificate_expiry_timestamp_seconds',
    'When a certificate of the public listener expires, by its position in the configuration; none without TLS.',
    ['certificate'],
    'min',
  );
  readonly certificatesLastReadSuccessful = this.#gauge(
    'tls_certificates_last_read_successful',
    '1 when every certificate file could be used when it was last read; else the last good one is in use.',
    [],
    'min',
  );
  readonly configInfo = this.#gauge('config_info', 'Hash of the configuration in use.', ['hash']);
  readonly buildInfo = this.#gauge(
    'build_info',
    'Version of the gateway, commit that it was built from, version of Node.',
    ['version', 'revision', 'node'],
  );

  constructor(version: string, revision = 'unknown') {
    collectDefaultMetrics({ register: this.registry, prefix: 'sallyport_' });
    // By type, and so without a series while there is none; `…_requests_total` has their number.
    this.registry.removeSingleMetric('sallyport_nodejs_active_requests');
    const collections = this.registry.getSingleMetric('sallyport_nodejs_gc_duration_seconds');
    if (collections instanceof Histogram) for (const kind of GC_KINDS) collections.zero({ kind });
    this.#collectEventLoopUtilization();
    this.buildInfo.set({ version, revision, node: process.version }, 1);
    for (const reason of ['limit', 'tls', 'peer']) this.connectionsRefused.inc({ reason }, 0);
    for (const result of ['applied', 'rejected']) this.configReloads.inc({ result }, 0);
    for (const method of ['password', 'backend']) this.sessionsOpened.inc({ method }, 0);
    for (const cause of ['logout', 'logout_all', 'replaced', 'user', 'operator', 'refresh_reuse'])
      this.sessionsEnded.inc({ cause }, 0);
    for (const reason of ['credentials', 'throttled', 'overloaded', 'client']) this.loginFailures.inc({ reason }, 0);
    for (const cause of MINT_CAUSES) this.tokensMinted.inc({ cause }, 0);
    for (const credential of ['session', 'token']) this.streamsEnded.inc({ credential }, 0);
    for (const client of ['browser', 'native']) this.refreshFamiliesBegun.inc({ client }, 0);
    for (const result of REFRESH_RESULTS) this.refreshes.inc({ result }, 0);
    for (const grant of GRANTS) {
      for (const result of TOKEN_REQUEST_RESULTS) this.tokenRequests.inc({ grant, result }, 0);
    }
    for (const reason of ['timeout', 'connection', 'reply']) this.storeErrors.inc({ reason }, 0);
  }

  /** Lag says how late the event loop is; this says how much of the time it has something to do. */
  #collectEventLoopUtilization(): void {
    let last = performance.eventLoopUtilization();
    const gauge: Gauge = new Gauge({
      name: 'sallyport_nodejs_eventloop_utilization_ratio',
      help: 'Part of the time since the last scrape in which the event loop was busy, 0 to 1; of the busiest worker.',
      aggregator: 'max',
      registers: [this.registry],
      collect() {
        const now = performance.eventLoopUtilization();
        gauge.set(performance.eventLoopUtilization(now, last).utilization);
        last = now;
      },
    });
  }

  /** What is counted of the tokens of one destination. */
  destinationTokens(destination: string): DestinationTokenEvents {
    for (const result of TOKEN_RESULTS) this.#destinationTokens.inc({ destination, result }, 0);
    this.#destinationTokenDuration.zero({ destination });
    return {
      onResult: (result) => this.#destinationTokens.inc({ destination, result }),
      onObtained: (durationMs) => this.#destinationTokenDuration.observe({ destination }, durationMs / 1_000),
    };
  }

  /** The text that Prometheus scrapes. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  #hotCounter(name: string, help: string): HotCounterFamily {
    return new HotCounterFamily(this.registry, `sallyport_${name}`, help);
  }

  #hotGauge(name: string, help: string): HotGaugeFamily {
    return new HotGaugeFamily(this.registry, `sallyport_${name}`, help);
  }

  #hotHistogram(name: string, help: string, bucketsSec: readonly number[]): HotHistogramFamily {
    return new HotHistogramFamily(this.registry, `sallyport_${name}`, help, bucketsSec);
  }

  #counter<T extends string>(name: string, help: string, labelNames: readonly T[]): Counter<T> {
    return new Counter({ name: `sallyport_${name}`, help, labelNames, registers: [this.registry] });
  }

  /** @param aggregator  what the values of several workers make together */
  #gauge<T extends string>(
    name: string,
    help: string,
    labelNames: readonly T[],
    aggregator: 'sum' | 'min' | 'max' | 'first' = 'sum',
  ): Gauge<T> {
    return new Gauge({ name: `sallyport_${name}`, help, labelNames, aggregator, registers: [this.registry] });
  }

  #histogram<T extends string>(name: string, help: string, labelNames: readonly T[], buckets: number[]): Histogram<T> {
    return new Histogram({ name: `sallyport_${name}`, help, labelNames, buckets, registers: [this.registry] });
  }
}
