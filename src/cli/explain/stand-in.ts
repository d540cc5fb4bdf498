/**
 * The gateway's own pipeline, with everything in its place that decides, and stand-ins for what lies outside: a store in
 * memory, signing keys and issuers' keys made for the occasion, and a forwarder that writes down instead of sending.
 * So what `explain` says is what the running gateway does, not what a second implementation would do.
 */

import { KeyObject } from 'node:crypto';
import { generateKeyPair, type CryptoKey as JoseKey, SignJWT } from 'jose';
import { NO_REVOCATIONS } from '../../authentication/revocation/revoked-tokens.ts';
import { type Issuer, issuerRules } from '../../authentication/service-token/issuer.ts';
import { NO_SERVICE_TOKEN_EVENTS, ServiceTokens } from '../../authentication/service-token/service-tokens.ts';
import { ServiceTokenVerifier } from '../../authentication/service-token/verifier.ts';
import { Sessions } from '../../authentication/session/sessions.ts';
import type { Permit } from '../../authorization/permit.ts';
import { PasswordHasher } from '../../endpoints/login/password/hasher.ts';
import { Denial } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import { compileRuntime, type Runtime } from '../../gateway/compile.ts';
import type { Config } from '../../gateway/configuration.ts';
import { GatewaySeries } from '../../gateway/series.ts';
import { FixedKeySet } from '../../jwt/key-set.ts';
import type { CompactToken } from '../../lib/bearer.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { Pipeline } from '../../pipeline.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import { createMemoryStore } from '../../store/memory/store.ts';
import { AuditLog, auditOn } from '../../telemetry/audit.ts';
import { createLog } from '../../telemetry/log.ts';
import { MetricRegistry } from '../../telemetry/registry.ts';
import { openSigningKeys } from '../../token/signing-keys.ts';
import type { Forwarder, Outlet } from '../../upstream/forward.ts';
import { StandInTokens, withoutOutboundFiles } from './outbound-stand-in.ts';
import type { AskedService, AskedSession } from './question.ts';

/** What would have been sent. */
export interface Forwarded {
  readonly permit: Permit;
  /** Path and query. */
  readonly target: string;
  /** Compact; made with a key that dies with this process. */
  readonly token: CompactToken | null;
  /** Flat name, value list. */
  readonly headers: readonly string[];
}

/** Writes down what the gateway would send. */
class RecordingOutlet implements Outlet {
  readonly tunnels = new Set<never>();
  readonly #forwarder: Forwarder;
  readonly #onForwarded: (forwarded: Forwarded) => void;

  constructor(forwarder: Forwarder, onForwarded: (forwarded: Forwarded) => void) {
    this.#forwarder = forwarder;
    this.#onForwarded = onForwarded;
  }

  forward(
    exchange: Exchange,
    request: ScreenedRequest,
    permit: Permit,
    target: string,
    token: CompactToken | null,
  ): void {
    const headers = this.#forwarder.prepare(exchange, request, permit, token);
    if (headers instanceof Denial) this.#forwarder.hooks.onFailure(exchange, headers);
    else this.#onForwarded({ permit, target, token, headers });
  }
}

/** A gateway that sends nothing: the pipeline of a configuration, with an outlet that records. */
export class StandIn implements AsyncDisposable {
  readonly pipeline: Pipeline;
  readonly #sent: readonly Forwarded[];
  readonly #runtime: Runtime;
  readonly #sessions: Sessions;
  readonly #issuers: ReadonlyMap<string, StandInIssuer>;
  readonly #clocks: Clocks;

  private constructor(
    runtime: Runtime,
    sent: readonly Forwarded[],
    sessions: Sessions,
    issuers: ReadonlyMap<string, StandInIssuer>,
    clocks: Clocks,
    isOutbound: boolean,
  ) {
    const { public: pipeline, outbound } = runtime.pipelines;
    const side = (isOutbound ? outbound : undefined) ?? pipeline;
    this.#runtime = runtime;
    this.#sent = sent;
    this.#sessions = sessions;
    this.#issuers = issuers;
    this.#clocks = clocks;
    const serviceTokens = new ServiceTokens(
      [...issuers.values()].map(({ issuer }) => issuer),
      { clocks, revoked: NO_REVOCATIONS, events: NO_SERVICE_TOKEN_EVENTS },
    );
    this.pipeline =
      side === pipeline
        ? {
            ...pipeline,
            authenticator: pipeline.authenticator.with({
              service: new ServiceTokenVerifier(serviceTokens, NO_REVOCATIONS, sessions),
            }),
          }
        : { ...side, tokens: standInTokens(runtime, side) };
  }

  /**
   * @param asked       the issuer whose token is going to be presented, if any
   * @param isOutbound  whether it is the workload that asks, on the outbound side
   */
  static async open(config: Config, asked: AskedService | null, clocks: Clocks, isOutbound = false): Promise<StandIn> {
    const store = createMemoryStore(10, clocks);
    const series = new GatewaySeries(new MetricRegistry());
    const sessions = new Sessions(store, sessionSettings(config), clocks, series.sessions, () => {});
    const sent: Forwarded[] = [];
    const silent = createLog('silent', { write: () => {} });
    const runtime = await compileRuntime(
      withoutFiles(config),
      {
        sessions,
        attempts: store.attempts,
        families: store.families,
        once: store.once,
        passwordHasher: new PasswordHasher(1),
        signingKeys: await openSigningKeys(
          withoutFiles(config).upstreamToken,
          config.upstreamToken.lifetime,
          clocks.wallMs,
        ),
        revokedTokens: NO_REVOCATIONS,
        series,
        log: silent,
        audit: new AuditLog(auditOn({ write: () => {} }), clocks.wallMs),
        clocks,
        outletOf: (forwarder) => new RecordingOutlet(forwarder, (forwarded) => sent.push(forwarded)),
      },
      null,
    );
    const issuers = new Map<string, StandInIssuer>();
    if (asked !== null) issuers.set(asked.issuer, await StandInIssuer.make(asked.issuer, config));
    return new StandIn(runtime, sent, sessions, issuers, clocks, isOutbound);
  }

  /** What would have been sent; `null` when nothing would have been. */
  get forwarded(): Forwarded | null {
    return this.#sent[0] ?? null;
  }

  /** Opens a session, and returns its Cookie header. */
  async cookie({ subject, user }: AskedSession): Promise<string> {
    const { sessionId } = await this.#sessions.open({ subject, user, method: 'password', device: 'explain' });
    return `${this.#runtime.config.session.cookie.name}=${sessionId}`;
  }

  /** Makes a service token, and returns its Authorization header. */
  async authorization({ issuer, subject, claims }: AskedService): Promise<string> {
    return `Bearer ${await this.#issuers.get(issuer)?.token(subject, claims, this.#clocks.wallMs())}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sessions.close();
    for (const upstream of this.#runtime.upstreams.values()) await upstream.close();
  }
}

/** The `iss` of kubeadm and others. */
const STAND_IN_CLUSTER = 'https://kubernetes.default.svc.cluster.local';

function standInTokens({ config }: Runtime, { tokens }: Pipeline): Pipeline['tokens'] {
  return config.outbound === undefined ? tokens : new StandInTokens(config.outbound, config.routes.length, tokens);
}

/** An issuer with the rules of the configuration and a key of ours. */
class StandInIssuer {
  readonly issuer: Issuer;
  readonly #key: JoseKey;

  private constructor(issuer: Issuer, key: JoseKey) {
    this.issuer = issuer;
    this.#key = key;
  }

  static async make(name: string, config: Config): Promise<StandInIssuer> {
    const issuerConfig = config.issuers[name];
    if (issuerConfig === undefined) throw new Error(`no issuer ${name}`);
    const { upstreamToken, publicOrigin } = config;
    const written = issuerRules(issuerConfig, {
      audiences: publicOrigin,
      own: { issuer: upstreamToken.issuer ?? (publicOrigin[0] as string), algorithm: upstreamToken.algorithm },
    });
    // A secret is shared with nobody here, and what the cluster calls itself is not known.
    const { kind, profile } = written;
    const algorithms = profile.algorithms.includes('HS256') ? ['ES256'] : profile.algorithms;
    const issuer = profile.issuer ?? (kind === 'kubernetes' ? STAND_IN_CLUSTER : null);
    const rules = { ...written, profile: { ...profile, algorithms, issuer } };
    const algorithm = algorithms[0] as string;
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const byAlgorithm = new Map([[algorithm, KeyObject.from(publicKey as CryptoKey)]]);
    const keys = new FixedKeySet([{ kid: null, thumbprint: 'stand-in', byAlgorithm }]);
    return new StandInIssuer({ name, rules, keys, learnt: null }, privateKey);
  }

  token(subject: string, claims: AskedService['claims'], nowMs: number): Promise<string> {
    const { issuer, algorithms, audiences, types, maxLifetimeMs } = this.issuer.rules.profile;
    const iatSec = Math.floor(nowMs / 1_000);
    return new SignJWT({ aud: [...audiences], ...(issuer !== null && { iss: issuer }), ...claims })
      .setProtectedHeader({ alg: algorithms[0] as string, typ: [...types][0] ?? 'jwt' })
      .setSubject(subject)
      .setIssuedAt(iatSec)
      .setExpirationTime(iatSec + Math.min(60, Math.floor(maxLifetimeMs / 1_000)))
      .sign(this.#key);
  }
}

/** The configuration without what needs a file, none of which decides about a request. */
function withoutFiles(config: Config): Config {
  const { password: _password, page: _page, ...login } = config.login;
  const { keys: _keys, secretFile: _secretFile, ...upstreamToken } = config.upstreamToken;
  return {
    ...config,
    login: { ...login, trustedBackends: [] },
    issuers: {},
    outbound: withoutOutboundFiles(config.outbound),
    tokenEndpoint: undefined,
    upstreamToken: {
      ...upstreamToken,
      algorithm: config.upstreamToken.algorithm === 'HS256' ? 'ES256' : config.upstreamToken.algorithm,
    },
    upstreams: Object.fromEntries(
      Object.entries(config.upstreams).map(([name, { tls: _tls, ...upstream }]) => [name, upstream]),
    ),
  };
}

const sessionSettings = ({ session }: Config) => ({
  idleTimeoutMs: session.idleTimeout,
  absoluteTimeoutMs: session.absoluteTimeout,
  maxPerUser: session.maxPerUser,
  cacheMaxEntries: 10,
  recheckAfterMs: session.cache.recheckAfter,
  feedTimeoutMs: session.cache.feedTimeout,
  outageGraceMs: session.cache.outageGrace,
});
