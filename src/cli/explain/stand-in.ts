/**
 * The gateway's own pipeline, compiled from the configuration without its files, with stand-ins for what lies outside: a
 * store in memory, keys of its own, and an outlet that records instead of sending. So `explain` reports what the running
 * gateway does, not what a second implementation would do.
 */

import { createSecretKey, KeyObject, randomBytes } from 'node:crypto';
import { generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { keyRules } from '../../authentication/service-token/issuer.ts';
import { newSessionId, sessionHandle } from '../../authentication/session/session-id.ts';
import type { Permit } from '../../authorization/permit.ts';
import { FileReader } from '../../config/files/named-files.ts';
import { Denial } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import { compileRuntime, type Runtime } from '../../gateway/compile.ts';
import { readContents } from '../../gateway/configuration/contents.ts';
import { wholeDraft } from '../../gateway/configuration/draft.ts';
import type { Config } from '../../gateway/configuration/schema.ts';
import { LongLived } from '../../gateway/long-lived.ts';
import { gatewaySeries } from '../../gateway/series.ts';
import type { DecodedToken } from '../../jwt/compact.ts';
import { FixedKeySet } from '../../jwt/key-set.ts';
import type { SessionHandle } from '../../jwt/names.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { CompactToken } from '../../lib/http/bearer.ts';
import type { JSONType } from '../../lib/text/json.ts';
import { DescribedTokens } from '../../outbound/described-tokens.ts';
import type { Pipeline } from '../../pipeline.ts';
import { loginAtProvider } from '../../principal.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { SessionRecord } from '../../store/session-record.ts';
import { AuditLog, auditOn } from '../../telemetry/audit.ts';
import { createLog } from '../../telemetry/log.ts';
import { MetricRegistry } from '../../telemetry/registry.ts';
import type { ProviderTokenSource } from '../../token/token-source.ts';
import type { Outlet, PreparingOutlet } from '../../upstream/forward.ts';
import type { TokenOrigin } from '../../upstream/forwarding.ts';
import type { AskedSession } from './asked-session.ts';

/** A service whose token is to be presented. */
export interface AskedService {
  /** Name in `issuers`. */
  readonly issuer: string;
  readonly subject: string;
  readonly claims: Readonly<Record<string, JSONType>>;
}

/** A real token, decoded. It is not shown. */
export interface RealToken extends DecodedToken {
  readonly compact: string;
}

/** A listener by whose pipeline a request is explained. */
export type Side = 'public' | 'outbound' | 'authorizer' | 'grpcAuthorizer';

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

/** Records what the gateway would send, or what it would tell a proxy to send. */
class RecordingOutlet implements Outlet {
  readonly tunnels = new Set<never>();
  readonly #outlet: PreparingOutlet;
  readonly #onForwarded: (forwarded: Forwarded) => void;

  constructor(outlet: PreparingOutlet, onForwarded: (forwarded: Forwarded) => void) {
    this.#outlet = outlet;
    this.#onForwarded = onForwarded;
  }

  forward(
    exchange: Exchange,
    request: ScreenedRequest,
    permit: Permit,
    target: string,
    token: CompactToken | null,
    tokens: TokenOrigin,
  ): void {
    const headers = this.#outlet.prepare(exchange, request, permit, token);
    // Refused at the last step, before anything is sent.
    if (headers instanceof Denial) this.#outlet.forward(exchange, request, permit, target, token, tokens);
    else this.#onForwarded({ permit, target, token, headers });
  }
}

/** A gateway that sends nothing: the pipeline of a configuration, with an outlet that records. */
export class StandIn implements AsyncDisposable {
  readonly pipeline: Pipeline;
  readonly #sent: readonly Forwarded[];
  readonly #runtime: Runtime;
  readonly #longLived: LongLived;
  /** Of the issuer whose token is asked for. */
  readonly #key: KeyObject | null;

  private constructor(
    runtime: Runtime,
    longLived: LongLived,
    sent: readonly Forwarded[],
    key: KeyObject | null,
    side: Side,
  ) {
    const { config, pipelines } = runtime;
    this.#runtime = runtime;
    this.#longLived = longLived;
    this.#sent = sent;
    this.#key = key;
    const compiled = pipelines[side] ?? pipelines.public;
    const pipeline = compiled.providerTokens === null ? compiled : { ...compiled, providerTokens: IN_WORDS };
    this.pipeline =
      side === 'outbound' && config.outbound !== undefined
        ? {
            ...pipeline,
            tokens: new DescribedTokens(config.outbound.destinations, config.routes.length, pipeline.tokens),
          }
        : pipeline;
  }

  /**
   * @param asked  name of the issuer whose token is going to be presented, if any
   * @param side   the listener that the request comes in by
   */
  static async open(written: Config, asked: string | null, clocks: Clocks, side: Side = 'public'): Promise<StandIn> {
    const config = { ...written, issuers: mapValues(written.issuers, withStandInIssuer) };
    const key = asked === null ? null : await standInKey(asked, config);
    const contents = {
      ...(await readContents(wholeDraft(config), new FileReader(clocks, () => true))),
      // No other token can be verified, and no server is asked for keys.
      issuers: new Map(
        Object.keys(config.issuers).map((name) => [name, name === asked && key !== null ? key.keys : NO_KEYS]),
      ),
    };
    const log = createLog('silent', { write: () => {} });
    const sent: Forwarded[] = [];
    const longLived = await LongLived.open(
      // Nothing that is explained is recorded.
      { ...config, store: {}, upstreamToken: { ...config.upstreamToken, keys: undefined }, traces: undefined },
      contents,
      {
        clocks,
        log,
        audit: new AuditLog(auditOn({ write: () => {} }), clocks.wallMs),
        series: gatewaySeries(new MetricRegistry()),
        outletOf: (outlet) => new RecordingOutlet(outlet, (forwarded) => sent.push(forwarded)),
      },
    );
    const runtime = compileRuntime(config, contents, longLived, null);
    return new StandIn(runtime, longLived, sent, key?.signsWith ?? null, side);
  }

  /** What would have been sent; `null` when nothing would have been. */
  get forwarded(): Forwarded | null {
    return this.#sent[0] ?? null;
  }

  /** Opens a session, and returns its Cookie header. */
  async cookie(session: AskedSession): Promise<string> {
    const { sessionId } = await this.#open(session);
    return `${this.#runtime.config.session.cookie.name}=${sessionId}`;
  }

  /** Makes a service token, and returns its Authorization header. */
  async authorization({ issuer: name, subject, claims }: AskedService): Promise<string> {
    const profile = this.#runtime.issuers.get(name)?.rules.profile;
    if (profile === undefined) throw new TypeError(`no issuer ${name}`);
    const { issuer, algorithms, audiences, types, maxLifetimeMs } = profile;
    const iatSec = Math.floor(this.#longLived.clocks.wallMs() / 1_000);
    const exp = iatSec + Math.min(60, Math.floor(maxLifetimeMs / 1_000));
    const said = {
      aud: [...audiences],
      ...(issuer !== null && { iss: issuer }),
      ...claims,
      sub: subject,
      iat: iatSec,
      exp,
    };
    return this.#signed(said, { alg: algorithms[0] as string, typ: [...types][0] ?? 'jwt' });
  }

  /**
   * Signs the claims of a real token again in place of its issuer, and returns its Authorization header. A token whose
   * algorithm the issuer's rules refuse is presented unchanged.
   *
   * @param session  that it stands for, if it is a token of the gateway itself; its subject is that of the token
   */
  async presented(
    issuer: string,
    { compact, header, payload }: RealToken,
    session: AskedSession | null,
  ): Promise<string> {
    const rules = this.#runtime.issuers.get(issuer)?.rules;
    if (rules?.profile.algorithms.includes(String(header['alg'])) !== true) return `Bearer ${compact}`;
    const said =
      session === null ? payload : { ...payload, sid: await this.#sessionOf(session, String(payload['sub'])) };
    const typ = typeof header['typ'] === 'string' ? { typ: header['typ'] } : {};
    return this.#signed(said, { alg: rules.profile.algorithms[0] as string, ...typ });
  }

  async #sessionOf(session: AskedSession, subject: string): Promise<SessionHandle> {
    return (await this.#open({ ...session, subject })).record.handle;
  }

  /** A session of a user who logged in some time ago. */
  async #open({ subject, user, provider, authAgeMs }: AskedSession) {
    const { sessions, store, clocks } = this.#longLived;
    const authTimeMs = clocks.wallMs() - authAgeMs;
    if (provider !== null) {
      const { name, subject: atProvider, acr, amr } = provider;
      const login = { provider: name, subject: atProvider, sid: null, authTimeMs, acr, amr };
      return sessions.open({ subject, user, method: 'oidc', device: 'explain', login });
    }
    const opened = await sessions.open({ subject, user, method: 'password', device: 'explain' });
    if (authAgeMs === 0) return opened;
    const sessionId = newSessionId();
    const record: SessionRecord = { ...opened.record, handle: sessionHandle(sessionId), createdAtMs: authTimeMs };
    await store.sessions.create(record, record.expiresAtMs - clocks.wallMs());
    return { sessionId, record };
  }

  async #signed(claims: JWTPayload, header: { readonly alg: string; readonly typ?: string }): Promise<string> {
    if (this.#key === null) throw new TypeError('no issuer whose token is asked for');
    return `Bearer ${await new SignJWT(claims).setProtectedHeader(header).sign(this.#key)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const upstream of this.#runtime.upstreams.values()) upstream.close();
    this.#runtime.outbound?.close();
    await this.#longLived.close();
  }
}

const NO_KEYS = new FixedKeySet([]);

/** The default `iss` of kubeadm and others, for a cluster that cannot be asked for its own. */
const STAND_IN_CLUSTER = 'https://kubernetes.default.svc.cluster.local';

const withStandInIssuer = (issuer: Config['issuers'][string]) =>
  issuer.kubernetes === undefined ? issuer : { issuer: STAND_IN_CLUSTER, ...issuer };

const mapValues = <T>(record: Readonly<Record<string, T>>, change: (value: T) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));

/** A generated key in place of the issuer's. */
async function standInKey(name: string, { issuers, upstreamToken }: Config) {
  const issuer = issuers[name];
  if (issuer === undefined) throw new TypeError(`no issuer ${name}`);
  const algorithm = issuer.own === undefined ? (keyRules(issuer).algorithms[0] as string) : upstreamToken.algorithm;
  const [verifiesWith, signsWith] = await keyPairFor(algorithm);
  const byAlgorithm = new Map([[algorithm, verifiesWith]]);
  return { signsWith, keys: new FixedKeySet([{ kid: null, thumbprint: 'stand-in', byAlgorithm }]) };
}

async function keyPairFor(algorithm: string): Promise<readonly [KeyObject, KeyObject]> {
  if (algorithm === 'HS256') {
    const secret = createSecretKey(randomBytes(32));
    return [secret, secret];
  }
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  return [KeyObject.from(publicKey), KeyObject.from(privateKey)];
}

/** Access tokens of identity providers, in words. They are shown, never sent. */
const IN_WORDS: ProviderTokenSource = {
  forRequest: (principal) => {
    const provider = loginAtProvider(principal)?.provider;
    return provider === undefined ? null : (`<the access token of ${provider}>` as CompactToken);
  },
};
