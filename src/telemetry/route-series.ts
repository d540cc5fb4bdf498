/** What is counted of every request, by its route. */

import { REASONS, type Reason } from '../errors.ts';
import type { HotFamily, HotHistogram, HotNumber } from './hot-metrics.ts';
import { LONG_BUCKETS_SEC, type MetricRegistry, SHORT_BUCKETS_SEC } from './registry.ts';

const CODE_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', '_OTHER'] as const;
/** Kinds of principals. A principal of any other kind cannot be recorded, so it does not compile. */
const PRINCIPAL_KINDS = ['user', 'service', 'anonymous'] as const;
/** A kind of principal: the label of requests that were allowed. */
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number];

/** Route label of requests that matched no route. */
export const NO_ROUTE = '_none';
/** The same on the outbound listener. */
export const NO_DESTINATION = '_outbound';
/** Route label of the gateway's own endpoints. */
export const OWN_ENDPOINT = '_gateway';

/** One finished request. */
interface RequestObservation {
  readonly method: string;
  readonly status: number;
  /** Status of the upstream's answer; read only if `firstByteMs` says that there was one. */
  readonly upstreamStatus: number;
  /** The kind of principal that was allowed; `null` when no one was authenticated. */
  readonly principalKind: PrincipalKind | null;
  /** Why it was refused or failed; `null` when it was not. */
  readonly reason: Reason | null;
  readonly durationMs: number;
  /** Of a request that is recorded; `null` otherwise. */
  readonly trace: { readonly traceId: string; readonly spanId: string } | null;
  /** Wall clock of its end. */
  readonly wallMs: number;
  /** Duration without the upstream's part. */
  readonly overheadMs: number;
  /** From sending the request to the first byte of the answer; `null` when there was none. */
  readonly firstByteMs: number | null;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Headers that only the gateway may write, and that the client sent. */
  readonly ownedHeaders: number;
}

const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS);

/** A method as it is counted: `_OTHER` stands for those that clients make up. */
export const methodLabel = (method: string): string => (KNOWN_METHODS.has(method) ? method : '_OTHER');

const codeClassOf = (status: number): number => Math.min(Math.max(Math.floor(status / 100), 1), 5) - 1;

/**
 * Refused before a route is known, or only by the gateway's own endpoints: on a route, these series would stay zero for
 * ever.
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
  'login_cookie_missing',
  'login_expired',
  'login_declined',
  'login_interaction_required',
  'login_response_invalid',
  'login_clock_skew',
  'login_not_allowed',
  'login_attributes_too_large',
  'login_groups_missing',
  'logout_token_refused',
  'step_up_insufficient',
  'step_up_other_account',
  'provider_unavailable',
  'audit_unavailable',
  'refresh_token_refused',
  'refresh_token_reused',
  'rate_limited',
  'store_full',
  'admin_disabled',
  'peer_forbidden',
]);

/** The metrics that have a label `route` or count what an upstream answered: one set per process. */
export class RequestSeries {
  readonly requests;
  readonly duration;
  readonly overhead;
  readonly inFlight;
  readonly requestBytes;
  readonly responseBytes;
  readonly ownedHeaders;
  readonly decisions;
  readonly upstreamDuration;
  readonly upstreamErrors;

  constructor(registry: MetricRegistry) {
    this.requests = registry.hotCounter('http_requests_total', 'Requests by route, method and class of status.', [
      'route',
      'method',
      'code_class',
    ]);
    this.duration = registry.hotHistogram(
      'http_request_duration_seconds',
      'Time from the request head to the end of the answer.',
      LONG_BUCKETS_SEC,
      ['route', 'code_class'],
    );
    this.overhead = registry.hotHistogram(
      'overhead_seconds',
      "The gateway's own part of a request: its duration without the upstream's.",
      SHORT_BUCKETS_SEC,
      ['route'],
    );
    this.inFlight = registry.hotGauge(
      'http_requests_in_flight',
      'Requests in progress by route, WebSockets included.',
      ['route'],
    );
    this.requestBytes = registry.hotCounter('http_request_bytes_total', 'Bytes of request bodies.', ['route']);
    this.responseBytes = registry.hotCounter('http_response_bytes_total', 'Bytes of response bodies.', ['route']);
    this.ownedHeaders = registry.hotCounter(
      'owned_headers_removed_total',
      'Headers sent by clients that only the gateway may write.',
      ['route'],
    );
    this.decisions = registry.hotCounter(
      'auth_decisions_total',
      'Requests allowed (by kind of principal), denied or failed (by reason).',
      ['route', 'outcome', 'reason'],
    );
    this.upstreamDuration = registry.hotHistogram(
      'upstream_request_duration_seconds',
      "Time from sending a request to the first byte of its answer, by class of the answer's status.",
      LONG_BUCKETS_SEC,
      ['upstream', 'code_class'],
    );
    this.upstreamErrors = registry.hotCounter('upstream_errors_total', 'Failed forwards, by reason.', [
      'upstream',
      'reason',
    ]);
  }

  /** Removes the series of these routes, or of these upstreams. */
  remove(label: 'route' | 'upstream', names: ReadonlySet<string>): void {
    const families: readonly HotFamily<string, HotHistogram | HotNumber>[] = Object.values(this);
    for (const family of families) family.remove(label, names);
  }
}

/** The series of one route, looked up once. */
export class RouteMetrics {
  readonly route: string;
  readonly upstream: string | null;
  readonly #series: RequestSeries;
  readonly #requests = new Map<string, readonly HotNumber[]>();
  /** One more for each request that begins on the route, one less when it is over. */
  readonly inFlight: HotNumber;
  readonly #durations: readonly HotHistogram[];
  readonly #overhead: HotHistogram;
  /** By reason, and by kind of principal for allowed requests. */
  readonly #decisions = new Map<string, HotNumber>();
  readonly #requestBytes: HotNumber;
  readonly #responseBytes: HotNumber;
  readonly #ownedHeaders: HotNumber;
  readonly #upstreamDurations: readonly HotHistogram[];
  readonly #upstreamErrors = new Map<string, HotNumber>();

  /**
   * @param upstream  the upstream that the route forwards to; `null` when it forwards nothing
   * @param labels    the labels that multiply series and are wanted (`metrics.labels` of the configuration)
   */
  constructor(series: RequestSeries, route: string, upstream: string | null, labels: readonly 'method'[] = ['method']) {
    this.#series = series;
    this.route = route;
    this.upstream = upstream;
    const hasMethod = labels.includes('method');
    for (const method of METHODS) {
      this.#requests.set(
        method,
        CODE_CLASSES.map((code_class) =>
          series.requests.child(hasMethod ? { route, method, code_class } : { route, code_class }),
        ),
      );
    }
    this.inFlight = series.inFlight.child({ route });
    this.#durations = CODE_CLASSES.map((code_class) => series.duration.child({ route, code_class }));
    this.#overhead = series.overhead.child({ route });
    for (const kind of PRINCIPAL_KINDS) {
      this.#decisions.set(kind, series.decisions.child({ route, outcome: 'allow', reason: kind }));
    }
    const reasons = Object.keys(REASONS) as Reason[];
    for (const reason of reasons.filter((it) => upstream === null || !NOT_ON_ROUTES.has(it))) {
      this.#decision(reason);
      if (upstream !== null && reason.startsWith('upstream_')) {
        this.#upstreamErrors.set(reason, series.upstreamErrors.child({ upstream, reason }));
      }
    }
    this.#requestBytes = series.requestBytes.child({ route });
    this.#responseBytes = series.responseBytes.child({ route });
    this.#ownedHeaders = series.ownedHeaders.child({ route });
    this.#upstreamDurations =
      upstream === null
        ? []
        : CODE_CLASSES.map((code_class) => series.upstreamDuration.child({ upstream, code_class }));
  }

  /** The series of a reason. One that is not expected on this route begins with its first request. */
  #decision(reason: Reason): HotNumber {
    const outcome = REASONS[reason].alert ? 'error' : 'deny';
    const counter = this.#series.decisions.child({ route: this.route, outcome, reason });
    this.#decisions.set(reason, counter);
    return counter;
  }

  /** What was counted so far. */
  get counts(): { requests: number; refused: number; failed: number; inProgress: number } {
    const counts = { requests: 0, refused: 0, failed: 0, inProgress: this.inFlight.value };
    // Where the method is not counted, all methods have the same series.
    for (const { value } of new Set([...this.#requests.values()].flat())) counts.requests += value;
    for (const { labels, value } of this.#decisions.values()) {
      if (labels['outcome'] === 'deny') counts.refused += value;
      else if (labels['outcome'] === 'error') counts.failed += value;
    }
    return counts;
  }

  /** Counts a finished request. */
  observe(request: RequestObservation): void {
    const codeClass = codeClassOf(request.status);
    const byMethod = this.#requests.get(request.method) ?? this.#requests.get('_OTHER');
    byMethod?.[codeClass]?.inc();
    this.#durations[codeClass]?.observeMs(request.durationMs, request.trace, request.wallMs);
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

  /** Counts a refusal, also of what never became a request. */
  refused(reason: Reason): void {
    (this.#decisions.get(reason) ?? this.#decision(reason)).inc();
  }
}
