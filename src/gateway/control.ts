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
import type { SessionHandle } from '../jwt/names.ts';
import { toTimestamp } from '../lib/timestamp.ts';
import { CLOCK_LEEWAY_MS, MAX_REVOCABLE_LIFETIME_MS } from '../lib/token-limits.ts';
import type { SessionRecord } from '../store/session-record.ts';
import type { AuditSource } from '../telemetry/audit.ts';
import type { MetricRegistry } from '../telemetry/registry.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Gateway } from './gateway.ts';
import { longestSessionTokenMs, longestTokenMs } from './token-lifetimes.ts';

/** The admin operations of one gateway. */
export class LocalControl implements GatewayControl {
  readonly #gateway: Gateway;
  readonly #metrics: MetricRegistry;

  constructor(gateway: Gateway, metrics: MetricRegistry) {
    this.#gateway = gateway;
    this.#metrics = metrics;
  }

  async health(withUpstreams: boolean): Promise<Health> {
    const gateway = this.#gateway;
    const hasKey = gateway.signingKeys.keyring.activeSinceMs() !== null;
    const isUp = gateway.store.isAvailable();
    const components: ComponentHealth[] = [
      state('listener', gateway.isListening && !gateway.isDraining, 'accepts requests', 'starting or shutting down'),
      { name: 'store', isOk: isUp, detail: isUp ? gateway.store.description : 'does not answer' },
      state('signingKeys', hasKey, gateway.signingKeys.description, 'no active key'),
    ];
    for (const { name, rules, keys } of gateway.issuers) {
      if (!keys.isFetched) continue;
      // JWT-47: once fetched, the last good keys stay in use; metrics report their age. A cluster issuer never gates
      // readiness: a pod that may not read its keys still serves everyone else.
      const isFetched = keys.ageMs !== null;
      const isOk = isFetched || rules.kind === 'kubernetes';
      components.push({ name: `issuer ${name}`, isOk, detail: isFetched ? 'keys fetched' : 'keys not fetched yet' });
    }
    if (withUpstreams) {
      // Only the upstreams of routes: a destination of the outbound side that is down must not take this workload out of
      // service.
      const behind = new Set(gateway.config.routes.map(({ upstream }) => upstream));
      const upstreams = gateway.upstreams.filter(({ name }) => behind.has(name));
      components.push(...(await Promise.all(upstreams.map(upstreamHealth))));
    }
    return { isStarted: gateway.isListening, components };
  }

  metrics(): Promise<string> {
    return this.#metrics.text();
  }

  async jwks(): Promise<unknown> {
    return this.#gateway.signingKeys.keyring.published();
  }

  async sessionsOf(subject: string): Promise<readonly SessionSummary[]> {
    const records = await this.#gateway.sessions.list(subject);
    return records.map((record) => this.#summary(record));
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
    const nowMs = this.#gateway.clocks.wallMs();
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
    this.#gateway.audit.write({ ...event, ...target }, source);
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
    this.#gateway.audit.write({ event: 'session_revoked', by: 'operator', subject, handle }, source);
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

const state = (name: string, isOk: boolean, good: string, bad: string): ComponentHealth => ({
  name,
  isOk,
  detail: isOk ? good : bad,
});
