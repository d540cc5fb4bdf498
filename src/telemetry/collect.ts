/**
 * Gauges that are read off the gateway when somebody scrapes, rather than kept up to date.
 */

import type { Clock } from '../lib/clock.ts';
import type { CertificatePair } from '../listener/http1/tls.ts';
import type { Metrics } from './metrics.ts';

/** What can be read off a gateway at any time. */
export interface Readings {
  readonly connections: number;
  readonly tunnels: number;
  readonly sessionsCached: number;
  /** Revocations of tokens that are known, by kind. */
  readonly revocations: Readonly<Record<'token' | 'session' | 'subject', number>>;
  /** How long ago it was last proven that none is missing; infinite before the first time. */
  readonly revocationsAgeMs: number;
  /** Wall-clock time from which the active signing key signs; `null` when there is none. */
  readonly signingSinceMs: number | null;
  /** Wall-clock time at which the key that signs next was published; `null` when there is none. */
  readonly nextKeySinceMs: number | null;
  readonly upstreams: readonly UpstreamReadings[];
  /** Issuers whose keys are fetched; `null` for keys that were never had. */
  readonly issuers: readonly { readonly name: string; readonly profile: string; readonly keysAgeMs: number | null }[];
  readonly certificates: readonly CertificatePair[];
}

interface UpstreamReadings {
  readonly name: string;
  readonly isHealthy: boolean;
  /** Requests and tunnels. */
  readonly inFlight: number;
  /** Open connections with a request on them, and without. */
  readonly busyConnections: number;
  readonly idleConnections: number;
}

/** Sets the gauges. */
export function collect(metrics: Metrics, readings: Readings, wallMs: Clock): void {
  metrics.connections.set(readings.connections);
  metrics.tunnels.set(readings.tunnels);
  metrics.sessionCacheEntries.set(readings.sessionsCached);
  for (const [kind, count] of Object.entries(readings.revocations)) metrics.tokenRevocations.set({ kind }, count);
  metrics.tokenRevocationsAge.set(readings.revocationsAgeMs / 1_000);
  metrics.signingKeyAge.reset();
  for (const [state, sinceMs] of [
    ['active', readings.signingSinceMs],
    ['next', readings.nextKeySinceMs],
  ] as const) {
    if (sinceMs !== null) metrics.signingKeyAge.set({ state }, Math.max(0, wallMs() - sinceMs) / 1_000);
  }
  // Upstreams and certificates that a reload has removed are gone from here, too.
  metrics.upstreamHealthy.reset();
  metrics.upstreamInFlight.reset();
  metrics.upstreamConnections.reset();
  for (const { name, isHealthy, inFlight, busyConnections, idleConnections } of readings.upstreams) {
    metrics.upstreamHealthy.set({ upstream: name }, isHealthy ? 1 : 0);
    metrics.upstreamInFlight.set({ upstream: name }, inFlight);
    metrics.upstreamConnections.set({ upstream: name, state: 'busy' }, busyConnections);
    metrics.upstreamConnections.set({ upstream: name, state: 'idle' }, idleConnections);
  }
  metrics.jwksAge.reset();
  for (const { name, keysAgeMs } of readings.issuers) {
    if (keysAgeMs !== null) metrics.jwksAge.set({ issuer: name }, keysAgeMs / 1_000);
  }
  metrics.certificateExpiry.reset();
  for (const { index, expiresAtMs } of readings.certificates) {
    metrics.certificateExpiry.set({ certificate: String(index) }, expiresAtMs / 1_000);
  }
}
