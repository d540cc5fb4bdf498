/**
 * Implements the admin operations for the gateway in this process. They read and change only the gateway and its store;
 * who may call them is decided by `admin/`.
 */

import type {
  ComponentHealth,
  GatewayControl,
  Health,
  SessionSummary,
  TokenRevocationReport,
  TokenRevocationRequest,
} from '../admin/control.ts';
import type { Listed, PageOf, ProcessStatus, RouteStatus, UpstreamStatus } from '../admin/status.ts';
import type { Jti, SessionHandle } from '../jwt/names.ts';
import { toTimestamp } from '../lib/text/timestamp.ts';
import { CLOCK_LEEWAY_MS, MAX_REVOCABLE_LIFETIME_MS } from '../lib/token-limits.ts';
import type { SessionRecord } from '../store/session-record.ts';
import type { AuditSource } from '../telemetry/audit.ts';
import type { TextFormat } from '../telemetry/metric-parts.ts';
import type { RecentReason, RecentRequest } from '../telemetry/recent-requests.ts';
import type { MetricRegistry } from '../telemetry/registry.ts';
import type { Upstream } from '../upstream/servers/upstream.ts';
import { longestSessionTokenMs, longestTokenMs } from './configuration/token-lifetimes.ts';
import type { Gateway } from './gateway.ts';
import { processStatus, routeStatuses, upstreamStatuses } from './status.ts';

declare module '../telemetry/audit.ts' {
  interface AuditEvents {
    /** Tokens are refused from now on: one token, those of a session, or those issued to a subject before now. */
    readonly token_revoked: {
      readonly by: 'operator';
      readonly kind: 'token' | 'session' | 'subject';
      /** Each is `null` unless it identifies the revoked tokens. */
      readonly jti: Jti | null;
      readonly handle: SessionHandle | null;
      readonly subject: string | null;
      readonly issuer: string | null;
      /** When the revocation is forgotten: no such token can be alive then. */
      readonly until: string;
    };
  }
}

/** The admin operations of one gateway. */
export class LocalControl implements GatewayControl {
  readonly #gateway: Gateway;
  readonly #metrics: MetricRegistry;
  readonly #startedAtMs: number;
  /** From then on, what all replicas share counts for readiness only where the configuration says so. */
  #wasReady: boolean;

  /** @param wasReady  the replica was ready before this process was a part of it */
  constructor(gateway: Gateway, metrics: MetricRegistry, wasReady = false) {
    this.#gateway = gateway;
    this.#metrics = metrics;
    this.#startedAtMs = gateway.longLived.clocks.wallMs();
    this.#wasReady = wasReady;
  }

  async health(withUpstreams: boolean): Promise<Health> {
    const { longLived, runtime, isListening } = this.#gateway;
    const { config, upstreams, usersFile } = runtime;
    const requires = config.listeners.admin.readyRequires;
    const components = this.#components((what) => !this.#wasReady || requires.includes(what));
    this.#wasReady ||= components.every(({ isOk, isRequired }) => isOk || !isRequired);
    // What was read before stays in use, so these do not gate readiness.
    if (longLived.signingKeys.areInFiles)
      components.push(state('signingKeyFiles', longLived.areKeysReadable, 'can be read', UNREADABLE, false));
    if (usersFile !== null)
      components.push(state('usersFile', await usersFile.isUsable(), 'can be read', UNREADABLE, false));
    if (withUpstreams || requires.includes('upstreams')) {
      // Only the upstreams of routes: a destination of the outbound side that is down must not take this workload out of
      // service.
      const behind = new Set(config.routes.map(({ upstream }) => upstream));
      const checked = [...upstreams.values()].filter(({ name }) => behind.has(name));
      components.push(...(await Promise.all(checked.map(upstreamHealth))));
    }
    return { isStarted: isListening, components };
  }

  #components(isRequired: (what: 'store' | 'issuers') => boolean): ComponentHealth[] {
    const { longLived, runtime, isListening, isDraining } = this.#gateway;
    const { store, signingKeys } = longLived;
    const hasKey = signingKeys.keyring.activeSinceMs() !== null;
    return [
      state('listener', isListening && !isDraining, 'accepts requests', 'starting or shutting down'),
      state('store', store.isAvailable(), store.description, 'does not answer', isRequired('store')),
      state('signingKeys', hasKey, signingKeys.description, 'no active key'),
      ...[...runtime.issuers.values()]
        .filter(({ keys }) => keys.isFetched)
        .map(({ name, rules, keys }) => {
          // JWT-47: once fetched, the last good keys stay in use; metrics report their age. A cluster issuer never gates
          // readiness: a pod that may not read its keys still serves everyone else.
          const counts = rules.kind !== 'kubernetes' && isRequired('issuers');
          return state(`issuer ${name}`, keys.ageMs !== null, 'keys fetched', 'keys not fetched yet', counts);
        }),
      // Never gates readiness: without it nobody can log in, but all who are logged in are served.
      ...[...runtime.providers.values()]
        .filter(({ provider }) => provider.keys.isFetched)
        .map(({ provider: { name, ageMs } }) =>
          state(`provider ${name}`, ageMs !== null, 'metadata fetched', 'metadata not fetched yet', false),
        ),
    ];
  }

  metrics(format: TextFormat): AsyncIterable<string> {
    return this.#metrics.blocks(format);
  }

  async jwks(): Promise<unknown> {
    return this.#gateway.longLived.signingKeys.keyring.published();
  }

  async sessionsOf(subject: string): Promise<readonly SessionSummary[]> {
    const records = await this.#gateway.sessions.list(subject);
    return records.map((record) => this.#summary(record));
  }

  async status(): Promise<readonly ProcessStatus[]> {
    return [processStatus(this.#gateway, this.#startedAtMs)];
  }

  routes(page: PageOf): Promise<Listed<RouteStatus>> {
    return routeStatuses(this.#gateway, page);
  }

  upstreams(page: PageOf): Promise<Listed<UpstreamStatus>> {
    return upstreamStatuses(this.#gateway, page);
  }

  async requestOf(id: string): Promise<RecentRequest | null> {
    return this.#gateway.recentRequests.find(id);
  }

  async recentRequests(count: number): Promise<readonly RecentRequest[]> {
    return this.#gateway.recentRequests.last(count);
  }

  async recentReasons(): Promise<readonly RecentReason[]> {
    return this.#gateway.recentRequests.reasons();
  }

  async revokeSession(handle: SessionHandle, source: AuditSource): Promise<SessionSummary | null> {
    const ended = await this.#gateway.sessions.end(handle, 'operator');
    if (ended === null) return null;
    this.#noteRevoked(ended.subject, handle, source);
    return this.#summary(ended);
  }

  async revokeSessionsOf(subject: string, source: AuditSource): Promise<readonly SessionHandle[]> {
    const handles = await this.#gateway.sessions.endAll(subject, 'operator');
    for (const handle of handles) this.#noteRevoked(subject, handle, source);
    return handles;
  }

  async revokeTokens(request: TokenRevocationRequest, source: AuditSource): Promise<TokenRevocationReport> {
    const { kind } = request;
    const nowMs = this.#gateway.longLived.clocks.wallMs();
    const untilMs = this.#revokedUntilMs(request, nowMs);
    const hasExpired = untilMs <= nowMs;
    if (kind === 'session') await this.revokeSession(request.handle, source);
    else if (!hasExpired) {
      const times = { notBeforeMs: nowMs, expiresAtMs: untilMs };
      await this.#gateway.store.tokenRevocations.revoke(
        kind === 'token'
          ? { kind, tokenId: request.tokenId, issuer: request.issuer, expiresAtMs: untilMs }
          : { kind, subject: request.subject, issuer: request.issuer, ...times },
      );
    }
    const until = toTimestamp(untilMs);
    const event = { event: 'token_revoked', by: 'operator', kind, until } as const;
    const target = {
      jti: kind === 'token' ? request.tokenId : null,
      handle: kind === 'session' ? request.handle : null,
      subject: kind === 'subject' ? request.subject : null,
      issuer: kind === 'session' ? null : request.issuer,
    };
    this.#gateway.longLived.audit.write({ ...event, ...target }, source);
    return { kind, until, hasExpired };
  }

  /** When every verifier has stopped accepting the last of these tokens, clock skew included. */
  #revokedUntilMs(request: TokenRevocationRequest, nowMs: number): number {
    const { config } = this.#gateway;
    if (request.kind === 'session') return nowMs + longestSessionTokenMs(config);
    if (request.kind === 'token' && request.expMs !== null)
      return Math.min(request.expMs, nowMs + MAX_REVOCABLE_LIFETIME_MS) + CLOCK_LEEWAY_MS;
    return nowMs + (request.lifetimeMs === null ? longestTokenMs(config) : request.lifetimeMs + CLOCK_LEEWAY_MS);
  }

  #noteRevoked(subject: string, handle: SessionHandle, source: AuditSource): void {
    this.#gateway.longLived.audit.write({ event: 'session_revoked', by: 'operator', subject, handle }, source);
  }

  #summary(record: SessionRecord): SessionSummary {
    return {
      handle: record.handle,
      subject: record.subject,
      method: record.method,
      device: record.device,
      createdAt: toTimestamp(record.createdAtMs),
      lastSeenAt: toTimestamp(record.lastSeenAtMs),
      expiresAt: toTimestamp(record.expiresAtMs),
      idleExpiresAt: toTimestamp(this.#gateway.sessions.endsAtMs(record)),
    };
  }
}

/** Well below the second that a Kubernetes probe waits by default. */
const UPSTREAM_CHECK_MS = 500;

/** Connects each time: without traffic, outlier detection knows neither of a failure nor of a recovery. */
async function upstreamHealth(upstream: Upstream): Promise<ComponentHealth> {
  const isOk = await upstream.isReachable(UPSTREAM_CHECK_MS);
  return state(`upstream ${upstream.name}`, isOk, 'reachable', 'no endpoint accepts connections');
}

const UNREADABLE = 'cannot be used; what was read before stays in use';

const state = (name: string, isOk: boolean, good: string, bad: string, isRequired = true): ComponentHealth => ({
  name,
  isOk,
  isRequired,
  detail: isOk ? good : bad,
});
