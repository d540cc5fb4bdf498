/**
 * The operations behind the admin listener, as an interface. The gateway may run in this process or in several workers, so
 * every parameter and answer is plain data that can cross between processes.
 *
 * To add an operation: a method and a row in `ANSWERED_BY` here, its implementation in `gateway/control.ts`, its endpoint
 * in `endpoints.ts`.
 */

import type { Jti, SessionHandle } from '../jwt/names.ts';
import type { AuditSource } from '../telemetry/audit.ts';
import type { TextFormat } from '../telemetry/metric-parts.ts';
import type { RecentReason, RecentRequest } from '../telemetry/recent-requests.ts';
import type { Listed, PageOf, ProcessStatus, RouteStatus, UpstreamStatus } from './status.ts';

/** Whether one part of the gateway works. */
export interface ComponentHealth {
  readonly name: string;
  readonly isOk: boolean;
  /** Whether the gateway is not ready without it. */
  readonly isRequired: boolean;
  /** Fixed text and names from the configuration; nothing from requests. */
  readonly detail: string;
}

/** Whether the gateway has started, and the state of its parts. */
export interface Health {
  /** False until it listens for the first time. */
  readonly isStarted: boolean;
  readonly components: readonly ComponentHealth[];
}

/** A session as an operator sees it, without its id. Times are ISO 8601. */
export interface SessionSummary {
  readonly handle: SessionHandle;
  readonly subject: string;
  readonly method: string;
  readonly device: string;
  readonly createdAt: string;
  readonly lastSeenAt: string;
  /** The absolute timeout. */
  readonly expiresAt: string;
  /** The end if it is not used again. */
  readonly idleExpiresAt: string;
}

/** The tokens that an operator revokes. */
export type TokenRevocationRequest =
  | {
      readonly kind: 'token';
      /** `jti`. */
      readonly tokenId: Jti;
      /** `null`: any issuer. */
      readonly issuer: string | null;
      /** Its `exp`; `null` when unknown. */
      readonly expMs: number | null;
      /** The longest time it can still live when `exp` is unknown; `null`: the configured lifetimes decide. */
      readonly lifetimeMs: number | null;
    }
  /** All tokens of a session; the session ends as well. */
  | { readonly kind: 'session'; readonly handle: SessionHandle }
  /** All tokens of a subject that were issued before now. */
  | {
      readonly kind: 'subject';
      readonly subject: string;
      readonly issuer: string | null;
      /** The longest time that any of them can still live; `null`: the configured lifetimes decide. */
      readonly lifetimeMs: number | null;
    };

/** The result of a token revocation. */
export interface TokenRevocationReport {
  readonly kind: TokenRevocationRequest['kind'];
  /** When the record is dropped: every such token has expired by then. ISO 8601. */
  readonly until: string;
  /** Nothing was recorded, because every such token has expired already. */
  readonly hasExpired: boolean;
}

/** The result of a reload in one process. */
export interface ApplyResult {
  /** `gateway`, or `worker` and its number. */
  readonly process: string;
  /** Why it kept the previous configuration; `null` when it applied the new one. */
  readonly problem: string | null;
  /** Files that the configuration names and that are unusable; their previous contents stay in use. One line each. */
  readonly kept: readonly string[];
}

/** The result of a reload. */
export interface ReloadReport {
  /** `rejected`: at least one process kept the previous configuration (see `results`; all of them when it is empty). */
  readonly result: 'applied' | 'rejected';
  /** Hash of the configuration in use. */
  readonly hash: string;
  /** One line per mistake; empty when applied. */
  readonly problems: readonly string[];
  /** Keys that changed but take effect only after a restart. */
  readonly needRestart: readonly string[];
  /** Unusable files, such as a certificate, whose previous contents stay in use. One line each. */
  readonly kept: readonly string[];
  readonly results: readonly ApplyResult[];
}

/** A reload that is over. */
export interface PastReload extends ReloadReport {
  /** When it ended; ISO 8601. */
  readonly at: string;
}

/** A warning about the configuration in use, at its place in the file. */
export interface ConfigurationWarning {
  readonly code: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** The configuration in use. */
export interface ConfigurationReport {
  readonly hash: string;
  /** ISO 8601. */
  readonly loadedAt: string;
  readonly needRestart: readonly string[];
  /** The effective configuration, secrets redacted. */
  readonly config: unknown;
}

/** A running gateway, as `GET /api/status` describes it. No secret, and nothing of requests but ids and routes. */
export interface GatewayStatus {
  /** By the clock of the gateway; ISO 8601. */
  readonly at: string;
  readonly version: string;
  /** The commit that it was built from. */
  readonly revision: string;
  /** Version of Node. */
  readonly node: string;
  readonly configuration: Omit<ConfigurationReport, 'config'>;
  readonly reloads: readonly PastReload[];
  readonly warnings: readonly ConfigurationWarning[];
  readonly components: readonly ComponentHealth[];
  readonly processes: readonly ProcessStatus[];
  readonly reasons: readonly RecentReason[];
}

/**
 * The operations of a running gateway: implemented by `gateway/control.ts` in a process that serves, and by
 * `process/workers/pool.ts` for all workers of one. Parameters and answers are structured-cloneable data.
 */
export interface GatewayControl {
  /** @param withUpstreams  adds one component for each upstream */
  health(withUpstreams: boolean): Promise<Health>;
  /** @returns the metrics as text, in blocks */
  metrics(format: TextFormat): AsyncIterable<string>;
  /** @returns the JWK Set of the upstream token */
  jwks(): Promise<unknown>;
  /** The status of each process. */
  status(): Promise<readonly ProcessStatus[]>;
  /** Routes in the order in which they are tried, with what was counted of them. */
  routes(page: PageOf): Promise<Listed<RouteStatus>>;
  /** Upstreams by name, with their servers. Connects to nothing. */
  upstreams(page: PageOf): Promise<Listed<UpstreamStatus>>;
  /** What happened to a request. @returns `null` when no process remembers it */
  requestOf(id: string): Promise<RecentRequest | null>;
  /** The last requests that the processes remember, the newest first. @param count  at most */
  recentRequests(count: number): Promise<readonly RecentRequest[]>;
  /** Why remembered requests were refused or failed, the most frequent reason first. */
  recentReasons(): Promise<readonly RecentReason[]>;
  /** @throws DependencyFault `store_unavailable` */
  sessionsOf(subject: string): Promise<readonly SessionSummary[]>;
  /**
   * Ends a session everywhere.
   *
   * @returns the session that ended, or `null` when there was none
   * @throws DependencyFault `store_unavailable`
   */
  revokeSession(handle: SessionHandle, source: AuditSource): Promise<SessionSummary | null>;
  /**
   * Ends every session of a subject everywhere.
   *
   * @returns the handles of the sessions that ended
   * @throws DependencyFault `store_unavailable`
   */
  revokeSessionsOf(subject: string, source: AuditSource): Promise<readonly SessionHandle[]>;
  /**
   * Makes every verifier refuse tokens that have not expired.
   *
   * @throws DependencyFault `store_unavailable`
   */
  revokeTokens(request: TokenRevocationRequest, source: AuditSource): Promise<TokenRevocationReport>;
}

/**
 * Which workers answer an operation: `one` where any of them gives the same answer, `all` where the answers differ and
 * are merged. An operation `one` needs nothing more; for an operation `all` the pool states how to merge, or it does not
 * compile.
 */
export const ANSWERED_BY = {
  health: 'all',
  metrics: 'all',
  jwks: 'one',
  status: 'all',
  routes: 'all',
  upstreams: 'all',
  requestOf: 'all',
  recentRequests: 'all',
  recentReasons: 'all',
  sessionsOf: 'one',
  revokeSession: 'one',
  revokeSessionsOf: 'one',
  revokeTokens: 'one',
} as const satisfies Readonly<Record<keyof GatewayControl, 'one' | 'all'>>;

/** The names of the operations that this many workers answer. */
export type AnsweredBy<Who extends 'one' | 'all'> = {
  [Name in keyof GatewayControl]: (typeof ANSWERED_BY)[Name] extends Who ? Name : never;
}[keyof GatewayControl];

/** Reads the configuration again. */
export interface ReloadControl {
  /** Reads and applies the configuration. Never rejects: what went wrong is in the report. */
  reload(): Promise<ReloadReport>;
  /** @returns the configuration in use */
  report(): ConfigurationReport;
  /** The last reloads, the newest first, and the warnings about the configuration in use. */
  history(): { readonly reloads: readonly PastReload[]; readonly warnings: readonly ConfigurationWarning[] };
}
