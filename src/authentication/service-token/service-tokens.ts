/**
 * authentication/service-token: an Authorization header in, a service out, or a Denial 401, or a fault 503.
 *
 * Every bad token gets the same answer; which rule it broke is in the Denial's note, for the log, and in a metric. Form
 * and claims, which cost nothing to read, are judged before the signature; nothing is believed before it is verified.
 * A verified token is remembered; on each use it is asked again whether it has expired, whether its key is still the
 * issuer's, and whether it was revoked. Only what waits for keys is answered with a promise.
 */

import { type Denial, DependencyFault } from '../../errors.ts';
import { expiryMs } from '../../jwt/claims.ts';
import { type DecodedToken, decodeCompact } from '../../jwt/compact.ts';
import { isSessionHandle, sidOf } from '../../jwt/names.ts';
import { RememberingVerifier } from '../../jwt/remembering-verifier.ts';
import { subjectIssuer } from '../../jwt/subject.ts';
import type { Clocks } from '../../lib/clock.ts';
import { bearerToken, type CompactToken } from '../../lib/http/bearer.ts';
import type { JSONType } from '../../lib/text/json.ts';
import { type Actor, type ServicePrincipal, stringSet } from '../../principal.ts';
import { inSpan } from '../../telemetry/traces/request-trace.ts';
import type { RevokedTokens } from '../revocation/revoked-tokens.ts';
import { claimsToBeOf, type Issuer, serviceAccountOf } from './issuer.ts';
import { SERVICE_TOKEN } from './kind.ts';
import { REFUSALS, type ServiceTokenProblem } from './refusal.ts';
import type { AcceptedFrom, ServiceTokenSeries } from './series.ts';

interface ServiceTokenParts {
  readonly clocks: Clocks;
  readonly revoked: RevokedTokens;
  readonly events: Pick<ServiceTokenSeries, 'onAccepted' | 'onRefused'>;
}

const SCHEME = 'Bearer ';

/** An issuer, and the verifier of its tokens. */
interface KnownIssuer {
  readonly issuer: Issuer;
  readonly verifier: RememberingVerifier<ServicePrincipal, CompactToken>;
}

type Outcome = ServicePrincipal | ServiceTokenProblem;

/** Verifies the service tokens of the accepted issuers, and remembers those that it verified. */
export class ServiceTokens {
  readonly #issuers: readonly KnownIssuer[];
  /** By the list that a route accepts; the route keeps the list for as long as it lives. */
  readonly #accepted = new WeakMap<ReadonlySet<string>, readonly KnownIssuer[]>();
  readonly #parts: ServiceTokenParts;

  constructor(issuers: readonly Issuer[], parts: ServiceTokenParts) {
    this.#parts = parts;
    this.#issuers = issuers.map((issuer) => {
      const read = (claims: DecodedToken['payload'], token: CompactToken) => principalOf(claims, token, issuer);
      const { rules, keys } = issuer;
      const share = 1 / issuers.length;
      return {
        issuer,
        verifier: new RememberingVerifier({ profile: rules.profile, keys, clocks: parts.clocks, read, share }),
      };
    });
  }

  /**
   * Authenticates a service token. Answers at once, without a promise, unless keys have to be fetched.
   *
   * Does not check scopes or roles: that is authorization's job.
   *
   * @param authorization  value of the Authorization header, untrusted
   * @param accepted       names of the issuers that the route accepts; pass the same set each time
   * @returns a principal, or a Denial `token_invalid`
   * @throws DependencyFault `jwks_unavailable` | `store_unavailable`, as a rejection or directly
   */
  authenticate(
    authorization: string,
    accepted: ReadonlySet<string>,
  ): ServicePrincipal | Denial | Promise<ServicePrincipal | Denial> {
    if (authorization.startsWith(SCHEME)) {
      // Its form was checked when it was verified.
      const remembered = this.#remembered(authorization.slice(SCHEME.length), this.#acceptedIssuers(accepted));
      if (remembered !== null) return remembered;
    }
    const token = bearerToken(authorization);
    return token === null ? this.#refuse(null, 'not_bearer') : this.verify(token, accepted);
  }

  /** The same for a bare token, without the scheme in front. */
  verify(
    token: CompactToken,
    accepted: ReadonlySet<string>,
  ): ServicePrincipal | Denial | Promise<ServicePrincipal | Denial> {
    const issuers = this.#acceptedIssuers(accepted);
    return this.#remembered(token, issuers) ?? inSpan('verify token', () => this.#verifyAnew(token, issuers));
  }

  #acceptedIssuers(accepted: ReadonlySet<string>): readonly KnownIssuer[] {
    const present = this.#accepted.get(accepted);
    if (present !== undefined) return present;
    const issuers = this.#issuers.filter(({ issuer }) => accepted.has(issuer.name));
    this.#accepted.set(accepted, issuers);
    return issuers;
  }

  /** @returns `null` when it is not remembered, or has to be verified again */
  #remembered(token: string, issuers: readonly KnownIssuer[]): ServicePrincipal | Denial | null {
    for (const known of issuers) {
      const outcome = known.verifier.recall(token);
      if (outcome === null) continue;
      return outcome === 'expired' ? this.#refuse(known, outcome) : this.#settle(known, outcome, 'memory');
    }
    const [only] = issuers;
    // Where several are accepted, what one refuses may be another's.
    return only !== undefined && issuers.length === 1 && only.verifier.isStillRefused(token)
      ? this.#refuse(only, 'signature')
      : null;
  }

  #verifyAnew(
    token: CompactToken,
    issuers: readonly KnownIssuer[],
  ): ServicePrincipal | Denial | Promise<ServicePrincipal | Denial> {
    const decoded = decodeCompact(token);
    if (decoded === null) return this.#refuse(null, 'malformed');
    const claimed = issuers.filter((known) => isClaimed(decoded, known));
    const [first] = claimed;
    if (first === undefined) return this.#verifyAfterLearning(token, decoded, issuers);
    if (claimed.length > 1) return this.#verifyWithAny(token, decoded, claimed);
    const outcome = first.verifier.verify(token, decoded);
    return outcome instanceof Promise
      ? outcome.then((settled) => this.#settle(first, settled, 'signature'))
      : this.#settle(first, outcome, 'signature');
  }

  /** A token of an issuer that nobody knows may be of a cluster whose `iss` is not known yet, or has changed. */
  #verifyAfterLearning(
    token: CompactToken,
    decoded: DecodedToken,
    issuers: readonly KnownIssuer[],
  ): Denial | Promise<ServicePrincipal | Denial> {
    const learning = issuers.flatMap(({ issuer }) => issuer.learnt ?? []);
    const isWorthIt = learning.some((learnt) => !learnt.hasLearnt || learnt.mayLearn());
    const { iss } = decoded.payload;
    if (typeof iss !== 'string' || !isWorthIt) return this.#refuse(null, 'issuer');
    return Promise.all(learning.map((learnt) => (learnt.mayLearn() ? learnt.learn(iss) : null))).then(() => {
      const claimed = issuers.filter((known) => isClaimed(decoded, known));
      if (claimed.length > 0) return this.#verifyWithAny(token, decoded, claimed);
      if (learning.every((learnt) => learnt.hasLearnt)) return this.#refuse(null, 'issuer');
      throw new DependencyFault('jwks_unavailable', 'the issuer of the cluster is not known: no token of our own');
    });
  }

  /** Clusters with the same `iss` differ in their keys, so it is enough that one of the issuers verifies the token. */
  async #verifyWithAny(
    token: CompactToken,
    decoded: DecodedToken,
    claimed: readonly KnownIssuer[],
  ): Promise<ServicePrincipal | Denial> {
    let refusal: { known: KnownIssuer; problem: ServiceTokenProblem } | null = null;
    let fault: unknown = null;
    for (const known of claimed) {
      try {
        const outcome = this.#judge(known, await known.verifier.verify(token, decoded), 'signature');
        if (typeof outcome !== 'string') return outcome;
        refusal ??= { known, problem: outcome };
      } catch (thrown) {
        fault ??= thrown;
      }
    }
    // An issuer whose keys are unavailable might have accepted the token.
    if (fault !== null || refusal === null) throw fault;
    return this.#refuse(refusal.known, refusal.problem);
  }

  #settle(known: KnownIssuer, outcome: Outcome, from: AcceptedFrom): ServicePrincipal | Denial {
    const judged = this.#judge(known, outcome, from);
    return typeof judged === 'string' ? this.#refuse(known, judged) : judged;
  }

  /** Asks of what was verified whether it was revoked, and counts what is accepted. */
  #judge({ issuer }: KnownIssuer, outcome: Outcome, from: AcceptedFrom): Outcome {
    if (typeof outcome === 'string') return outcome;
    if (this.#parts.revoked.isRevoked(outcome.credential.claims ?? {})) return 'revoked';
    this.#parts.events.onAccepted(issuer.name, from);
    return outcome;
  }

  #refuse(known: KnownIssuer | null, problem: ServiceTokenProblem): Denial {
    this.#parts.events.onRefused(known?.issuer.name ?? null, problem);
    return REFUSALS[problem];
  }
}

const isClaimed = (decoded: DecodedToken, { issuer }: KnownIssuer) =>
  claimsToBeOf(decoded, issuer.rules, issuer.learnt);

function principalOf(claims: DecodedToken['payload'], token: CompactToken, issuer: Issuer): ServicePrincipal {
  const { sub, exp } = claims;
  const subject = sub as string;
  const { ourIssuer, kind, trustDomain, streamLeewayMs } = issuer.rules;
  const endsAtMs = typeof exp === 'number' ? expiryMs(exp) : Number.POSITIVE_INFINITY;
  // Nobody vouches for the `iss` of a JWT-SVID.
  const tokenIssuer = trustDomain === null ? (claims['iss'] as string) : `spiffe://${trustDomain}`;
  const presentedIssuer = subjectIssuer(claims['presented_iss'], tokenIssuer, ourIssuer);
  // In tokens of others it may be anything, even a session of this gateway.
  const sid = tokenIssuer === ourIssuer ? sidOf(claims) : null;
  return {
    kind: 'service',
    issuer: issuer.name,
    tokenIssuer,
    standsFor:
      presentedIssuer !== null && presentedIssuer !== tokenIssuer ? 'other' : 'sid' in claims ? 'user' : 'service',
    // The name of a session of our store, unless the token was signed elsewhere with our `iss`.
    session: kind === 'own' && sid !== null && isSessionHandle(sid) ? sid : null,
    subject,
    roles: stringSet(claims['roles'] as JSONType),
    scopes: scopeSet(claims['scope']),
    claims: claims as Record<string, JSONType>,
    act: actorOf(claims['act'], tokenIssuer, ourIssuer),
    serviceAccount: kind === 'kubernetes' ? serviceAccountOf(subject) : null,
    credential: {
      kind: SERVICE_TOKEN,
      endsAtMs,
      streamsEndAtMs: endsAtMs + streamLeewayMs,
      presentedIssuer,
      sid,
      compact: token,
      claims: trustDomain === null ? claims : { ...claims, iss: tokenIssuer },
    },
    tokens: new Map(),
  };
}

/** The chain of actors (RFC 8693 §4.1), as far as each has a `sub`; `null` when the outermost one, who acts now, has none. */
function actorOf(act: unknown, tokenIssuer: string, ourIssuer: string): Actor | null {
  if (typeof act !== 'object' || act === null || !('sub' in act) || typeof act.sub !== 'string') return null;
  const iss = subjectIssuer('iss' in act ? act.iss : undefined, tokenIssuer, ourIssuer);
  const earlier = 'act' in act ? actorOf(act.act, tokenIssuer, ourIssuer) : null;
  return { sub: act.sub, ...(iss !== null && { iss }), ...(earlier !== null && { act: earlier }) };
}

/** The `scope` claim (RFC 8693 §4.2): names separated by single spaces. */
function scopeSet(scope: unknown): ReadonlySet<string> {
  return typeof scope === 'string' && scope !== '' ? new Set(scope.split(' ')) : new Set();
}
