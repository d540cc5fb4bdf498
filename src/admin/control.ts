/**
 * What the admin listener asks of the gateway that it stands beside, be that in the same process or in several. Every
 * answer is plain data, so that it can come from another process.
 */

import type { AuditSource } from '../telemetry/audit.ts';

/** One thing that has to work. */
export interface ComponentHealth {
  readonly name: string;
  readonly isOk: boolean;
  /** Fixed words, or names from the configuration. */
  readonly detail: string;
}

export interface Health {
  /** Whether it has ever been able to serve: it may be starting, but it is not broken. */
  readonly isStarted: boolean;
  readonly components: readonly ComponentHealth[];
}

/** A session as an operator sees it: never its id. Times are ISO 8601. */
export interface SessionSummary {
  readonly handle: string;
  readonly subject: string;
  readonly method: string;
  readonly device: string;
  readonly createdAt: string;
  readonly lastSeenAt: string;
  /** Absolute end. */
  readonly expiresAt: string;
  /** End unless it is used again. */
  readonly idleExpiresAt: string;
}

/** Which tokens an operator wants refused. */
export type TokenRevocationRequest =
  | {
      readonly kind: 'token';
      /** `jti`. */
      readonly tokenId: string;
      /** `null`: whoever issued it. */
      readonly issuer: string | null;
      /** Its `exp`; `null` where that is not known. */
      readonly expMs: number | null;
      /** How long it can live from now on, where `exp` is not known; `null`: as configured. */
      readonly lifetimeMs: number | null;
    }
  /** Those of a session, which ends. */
  | { readonly kind: 'session'; readonly handle: string }
  /** Those of a subject that were issued before now. */
  | {
      readonly kind: 'subject';
      readonly subject: string;
      readonly issuer: string | null;
      /** How long one of them can live from now on; `null`: as configured. */
      readonly lifetimeMs: number | null;
    };

export interface TokenRevocationReport {
  readonly kind: TokenRevocationRequest['kind'];
  /** Until when it is on record: no such token is alive after that. ISO 8601. */
  readonly until: string;
  /** Nothing had to be done: no such token can be alive. */
  readonly hasExpired: boolean;
}

/** What became of a reload in one process. */
export interface ApplyResult {
  /** `gateway`, or the number of a worker. */
  readonly process: string;
  /** Why it keeps the configuration that it had; `null` when it applied the new one. */
  readonly problem: string | null;
  /** What stays as it was all the same: files that the configuration names, and that cannot be used any more. */
  readonly kept: readonly string[];
}

export interface ReloadReport {
  /** `rejected`: every process that says so in `results`, or all if there are none, keeps what it had. */
  readonly result: 'applied' | 'rejected';
  /** Of the configuration in use. */
  readonly hash: string;
  /** One line per mistake; empty when there was none. */
  readonly problems: readonly string[];
  /** Keys whose present value is not the one in use: they need a restart. */
  readonly needRestart: readonly string[];
  /** Files that cannot be used, such as a certificate: what was read of them before stays in use. One line each. */
  readonly kept: readonly string[];
  readonly results: readonly ApplyResult[];
}

export interface ConfigurationReport {
  readonly hash: string;
  /** ISO 8601. */
  readonly loadedAt: string;
  readonly needRestart: readonly string[];
  /** Without secrets. */
  readonly config: unknown;
}

/** The gateway, or all of its workers. */
export interface GatewayControl {
  /** @param withUpstreams  adds one component for each upstream */
  health(withUpstreams: boolean): Promise<Health>;
  /** In the Prometheus text format. */
  metrics(): Promise<string>;
  /** The JWK Set. */
  jwks(): Promise<unknown>;
  /** @throws DependencyFault `store_unavailable` */
  sessionsOf(subject: string): Promise<readonly SessionSummary[]>;
  /**
   * Ends a session everywhere.
   *
   * @returns what it was, or `null` when there was none
   * @throws DependencyFault `store_unavailable`
   */
  revokeSession(handle: string, source: AuditSource): Promise<SessionSummary | null>;
  /**
   * Ends every session of a subject everywhere.
   *
   * @returns the handles of those that ended
   * @throws DependencyFault `store_unavailable`
   */
  revokeSessionsOf(subject: string, source: AuditSource): Promise<readonly string[]>;
  /**
   * Makes every verifier refuse tokens that have not expired.
   *
   * @throws DependencyFault `store_unavailable`
   */
  revokeTokens(request: TokenRevocationRequest, source: AuditSource): Promise<TokenRevocationReport>;
}

/** What reads the configuration again. */
export interface ReloadControl {
  /** Reads and applies the configuration. Never rejects. */
  reload(): Promise<ReloadReport>;
  /** What is in use. */
  report(): ConfigurationReport;
}
