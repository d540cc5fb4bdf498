/** What is counted of sessions. */

import { LOGIN_METHODS } from '../../store/session-record.ts';
import type { HotHistogram } from '../../telemetry/hot-metrics.ts';
import { type MetricRegistry, SHORT_BUCKETS_SEC } from '../../telemetry/registry.ts';

const SESSION_END_CAUSES = [
  'logout',
  'logout_all',
  'replaced',
  'user',
  'limit',
  'operator',
  'provider',
  'refresh_reuse',
  'code_reuse',
] as const;
/** Why a session is ended before its time. */
export type SessionEndCause = (typeof SESSION_END_CAUSES)[number];

/** The metrics of sessions and of their cache in process. */
export class SessionSeries {
  readonly #lookups;
  /** In the store in use; `null` before it is known. */
  #lookup: HotHistogram | null = null;
  readonly #cacheMisses;
  readonly cacheHits;
  readonly cacheEvictions;
  readonly cacheInvalidations;
  readonly cacheEntries;
  readonly servedDuringOutage;
  readonly opened;
  readonly ended;

  constructor(registry: MetricRegistry) {
    this.#lookups = registry.hotHistogram(
      'session_lookup_duration_seconds',
      'Time to look up a session that was not in the cache, by store: memory or redis.',
      SHORT_BUCKETS_SEC,
      ['source'],
    );
    this.cacheHits = registry
      .hotCounter('session_cache_hits_total', 'Requests whose session was in the cache and trusted.', [])
      .child({});
    this.#cacheMisses = registry
      .hotCounter('session_cache_misses_total', 'Requests whose session was read from the store.', [])
      .child({});
    this.cacheEvictions = registry.counter(
      'session_cache_evictions_total',
      'Sessions that left the cache to make room.',
    );
    this.cacheInvalidations = registry.counter(
      'session_cache_invalidations_total',
      'Sessions that left the cache because they were revoked.',
    );
    this.cacheEntries = registry.readGauge('session_cache_entries', 'Sessions in the process cache.', {});
    this.servedDuringOutage = registry.counter(
      'sessions_served_during_outage_total',
      'Requests served from cache while the store did not answer.',
    );
    this.opened = registry.counter('sessions_opened_total', 'Logins by method.', { method: LOGIN_METHODS });
    this.ended = registry.counter('sessions_ended_total', 'Ended sessions, by cause.', {
      cause: SESSION_END_CAUSES,
    });
  }

  /** Sessions are looked up in this kind of store: `memory`, `redis`. */
  expectStore(kind: string): void {
    this.#lookup = this.#lookups.child({ source: kind });
  }

  /** A request had its session looked up in the store. */
  missed(durationMs: number): void {
    this.#cacheMisses.inc();
    this.#lookup?.observeMs(durationMs);
  }
}
