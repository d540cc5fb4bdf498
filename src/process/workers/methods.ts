/**
 * What a worker can be asked. Parameters and results are plain data.
 */

import type { MetricObjectWithValues, MetricValue } from 'prom-client';
import type { Health, SessionSummary, TokenRevocationReport, TokenRevocationRequest } from '../../admin/control.ts';
import type { Config } from '../../config/schema.ts';
import type { AuditSource } from '../../telemetry/audit.ts';

/** What the workers have in common beyond their configuration. */
export interface SharedSecrets {
  /** So that a TLS session which one worker has begun can be resumed at another. */
  readonly ticketKeys: Buffer;
}

/** Where a worker listens. */
interface WorkerAddresses {
  readonly public: { readonly address: string; readonly port: number };
  readonly redirect: { readonly address: string; readonly port: number } | null;
  readonly outbound: { readonly address: string; readonly port: number } | null;
}

/** A worker that has started. */
export interface StartedWorker extends WorkerAddresses {
  /** What its store is, in words. */
  readonly store: string;
  /** What it signs with, in words. */
  readonly signing: string;
}

/** All metrics of one process. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

export interface WorkerMethods {
  /** Opens the gateway and listens. The first call; the others need it to have succeeded. */
  start(config: Config, shared: SharedSecrets): Promise<StartedWorker>;
  /** @returns what stays as it was, because its file cannot be used */
  apply(config: Config): Promise<readonly string[]>;
  health(withUpstreams: boolean): Promise<Health>;
  metrics(): Promise<MetricsSnapshot>;
  jwks(): Promise<unknown>;
  sessionsOf(subject: string): Promise<readonly SessionSummary[]>;
  revokeSession(handle: string, source: AuditSource): Promise<SessionSummary | null>;
  revokeSessionsOf(subject: string, source: AuditSource): Promise<readonly string[]>;
  revokeTokens(request: TokenRevocationRequest, source: AuditSource): Promise<TokenRevocationReport>;
  /** Ends in order. The process ends when it is answered. */
  shutdown(): Promise<void>;
}
