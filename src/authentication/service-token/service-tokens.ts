/**
 * authentication/service-token: an Authorization header in, a service out, or a Denial 401, or a fault 503.
 *
 * Every bad token gets the same answer; which rule it broke is in the Denial's note, for the log, and in a metric. Form
 * and claims, which cost nothing to read, are judged before the signature; nothing is believed before it is verified.
 * A token that was verified is remembered, and asked again on each use whether it has expired, whether its key is still the
 * issuer's, and whether it was revoked. Only what waits for keys is answered with a promise.
 */

import type { JSONType } from 'zod';
import { type Denial, DependencyFault } from '../../errors.ts';
import { type DecodedToken, decodeCompact } from '../../jwt/compact.ts';
import { isSignedBy } from '../../jwt/signature.ts';
import type { VerificationKey } from '../../jwt/verification-keys.ts';
import { bearerToken } from '../../lib/bearer.ts';
import type { Clocks } from '../../lib/clock.ts';
import { type ServicePrincipal, stringSet } from '../../principal.ts';
import type { RevokedTokens } from '../revocation/revoked-tokens.ts';
import type { Issuer } from './issuer.ts';
import { REFUSALS, type TokenProblem } from './refusal.ts';
import { claimsToBeOf, endOf, ruleProblem, serviceAccountOf } from './rules.ts';
import { type VerifiedToken, VerifiedTokens } from './verified-tokens.ts';

/** Why a token was accepted: it was remembered, or its signature was verified. */
export type AcceptedFrom = 'memory' | 'signature';

/** What is counted. */
export interface ServiceTokenEvents {
  /** @param issuer  name in the configuration */
  onAccepted(issuer: string, from: AcceptedFrom): void;
  /** @param issuer  name in the configuration; `null` when no accepted issuer has issued the token */
  onRefused(issuer: string | null, problem: TokenProblem): void;
}

export interface ServiceTokenParts {
  readonly clocks: Clocks;
  readonly revoked: RevokedTokens;
  readonly events: ServiceTokenEvents;
}

/** For whoever does not count. */
export const NO_SERVICE_TOKEN_EVENTS: ServiceTokenEvents = Object.freeze({ onAccepted: () => {}, onRefused: () => {} });

const SCHEME = 'Bearer ';

/** How long a token is remembered, if it lives that long. Whatever could change meanwhile is asked on each use. */
const REMEMBERED_MS = 5 * 60_000;

/** An issuer, and what is remembered of its tokens. */
interface KnownIssuer {
  readonly issuer: Issuer;
  readonly tokens: VerifiedTokens;
}

type Outcome = ServicePrincipal | TokenProblem;

export class ServiceTokens {
  readonly #issuers: readonly KnownIssuer[];
  /** By the list that a route accepts; the route keeps the list for as long as it lives. */
  readonly #accepted = new WeakMap<ReadonlySet<string>, readonly KnownIssuer[]>();
  readonly #parts: ServiceTokenParts;

  constructor(issuers: readonly Issuer[], parts: ServiceTokenParts) {
    this.#issuers = issuers.map((issuer) => ({ issuer, tokens: new VerifiedTokens(1 / issuers.length) }));
    this.#parts = parts;
  }

  /**
   * Authenticates a service token. Answers at once, without a promise, unless keys have to be fetched.
   *
   * Does not check scopes or roles: that is authorization's job.
   *
   * @param authorization  value of the Authorization header, untrusted
   * @param accepted       names of the issuers that the route accepts; hand in the same set each time
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
  verify(token: string, accepted: ReadonlySet<string>): ServicePrincipal | Denial | Promise<ServicePrincipal | Denial> {
    const issuers = this.#acceptedIssuers(accepted);
    return this.#remembered(token, issuers) ?? this.#verifyAnew(token, issuers);
  }

  #acceptedIssuers(accepted: ReadonlySet<string>): readonly KnownIssuer[] {
    const present = this.#accepted.get(accepted);
    if (present !== undefined) return present;
    const issuers = this.#issuers.filter(({ issuer }) => accepted.has(issuer.name));
    this.#accepted.set(accepted, issuers);
    return issuers;
  }

  /** @returns `null` when it is not remembered, or has to be verified anew */
  #remembered(token: string, issuers: readonly KnownIssuer[]): ServicePrincipal | Denial | null {
    for (const known of issuers) {
      const verified = known.tokens.verified.get(token);
      const outcome = verified === undefined ? null : this.#judgeAgain(verified, known.issuer);
      if (outcome !== null) return typeof outcome === 'string' ? this.#refuse(known, outcome) : outcome;
      if (verified !== undefined) known.tokens.verified.delete(token);
    }
    const [only] = issuers;
    // Where several are accepted, what one refuses may be another's.
    return only !== undefined && issuers.length === 1 && isStillRefused(token, only)
      ? this.#refuse(only, 'signature')
      : null;
  }

  #judgeAgain({ principal, key, endsAtMs, rememberedUntilMs }: VerifiedToken, issuer: Issuer): Outcome | null {
    const { clocks, revoked, events } = this.#parts;
    if (clocks.wallMs() >= endsAtMs) return 'expired';
    if (clocks.monotonicMs() >= rememberedUntilMs || !issuer.keys.holds(key)) return null;
    if (revoked.isRevoked(principal.claims)) return 'revoked';
    events.onAccepted(issuer.name, 'memory');
    return principal;
  }

  #verifyAnew(
    token: string,
    issuers: readonly KnownIssuer[],
  ): ServicePrincipal | Denial | Promise<ServicePrincipal | Denial> {
    const decoded = decodeCompact(token);
    if (decoded === null) return this.#refuse(null, 'malformed');
    const claimed = issuers.filter((known) => isClaimed(decoded, known));
    const [first] = claimed;
    if (first === undefined) return this.#verifyAfterLearning(token, decoded, issuers);
    if (claimed.length > 1) return this.#verifyWithAny(token, decoded, claimed);
    const outcome = this.#verifyWith(token, decoded, first);
    return outcome instanceof Promise
      ? outcome.then((settled) => this.#settle(first, settled))
      : this.#settle(first, outcome);
  }

  /** A token of an issuer that nobody knows may be of a cluster whose `iss` is not known yet, or has changed. */
  #verifyAfterLearning(
    token: string,
    decoded: DecodedToken,
    issuers: readonly KnownIssuer[],
  ): Denial | Promise<ServicePrincipal | Denial> {
    const learning = issuers.flatMap(({ issuer }) => issuer.learnt ?? []);
    const isWorthIt = learning.some((learnt) => learnt.current === null || learnt.mayLearn());
    if (typeof decoded.payload['iss'] !== 'string' || !isWorthIt) return this.#refuse(null, 'issuer');
    return Promise.all(learning.map((learnt) => (learnt.mayLearn() ? learnt.learn() : null))).then(() => {
      const claimed = issuers.filter((known) => isClaimed(decoded, known));
      if (claimed.length > 0) return this.#verifyWithAny(token, decoded, claimed);
      if (learning.every((learnt) => learnt.current !== null)) return this.#refuse(null, 'issuer');
      throw new DependencyFault('jwks_unavailable', 'the issuer of the cluster is not known: no token of our own');
    });
  }

  /** Clusters with the same `iss` are told apart by their keys: one of the issuers is enough. */
  async #verifyWithAny(
    token: string,
    decoded: DecodedToken,
    claimed: readonly KnownIssuer[],
  ): Promise<ServicePrincipal | Denial> {
    let refusal: { known: KnownIssuer; problem: TokenProblem } | null = null;
    let fault: unknown = null;
    for (const known of claimed) {
      try {
        const outcome = await this.#verifyWith(token, decoded, known);
        if (typeof outcome !== 'string') return outcome;
        refusal ??= { known, problem: outcome };
      } catch (thrown) {
        fault ??= thrown;
      }
    }
    // Who could not be asked might have said yes.
    if (fault !== null || refusal === null) throw fault;
    return this.#refuse(refusal.known, refusal.problem);
  }

  #verifyWith(token: string, decoded: DecodedToken, known: KnownIssuer): Outcome | Promise<Outcome> {
    const { rules, keys } = known.issuer;
    const problem = ruleProblem(decoded, rules, this.#parts.clocks.wallMs());
    if (problem !== null) return problem;
    const { alg, kid = null } = decoded.header;
    const found = keys.find(kid as string | null, alg as string);
    return found instanceof Promise
      ? found.then((key) => this.#verifyBy(key, token, decoded, known))
      : this.#verifyBy(found, token, decoded, known);
  }

  #verifyBy(key: VerificationKey | null, token: string, decoded: DecodedToken, known: KnownIssuer): Outcome {
    const { issuer, tokens } = known;
    if (key === null) return 'key';
    if (tokens.refused.get(token)?.key === key) return 'signature';
    const { alg: algorithm, kid = null } = decoded.header as { readonly alg: string; readonly kid?: string };
    if (!isSignedBy(token, key, algorithm)) {
      tokens.refused.set(token, { key, kid, algorithm });
      return 'signature';
    }
    // Whoever has waited for the same key with the same token has verified it meanwhile.
    const principal = tokens.verified.get(token)?.principal ?? principalOf(decoded.payload, token, issuer);
    const { clocks, revoked, events } = this.#parts;
    tokens.verified.set(token, {
      principal,
      key,
      endsAtMs: endOf(decoded.payload, issuer.rules),
      rememberedUntilMs: clocks.monotonicMs() + REMEMBERED_MS,
    });
    if (revoked.isRevoked(principal.claims)) return 'revoked';
    events.onAccepted(issuer.name, 'signature');
    return principal;
  }

  #settle(known: KnownIssuer, outcome: Outcome): ServicePrincipal | Denial {
    return typeof outcome === 'string' ? this.#refuse(known, outcome) : outcome;
  }

  #refuse(known: KnownIssuer | null, problem: TokenProblem): Denial {
    this.#parts.events.onRefused(known?.issuer.name ?? null, problem);
    return REFUSALS[problem];
  }
}

/** Whether a token turned out not to be signed by the very key that the set still has for it. */
function isStillRefused(token: string, { issuer, tokens }: KnownIssuer): boolean {
  const refused = tokens.refused.get(token);
  return refused !== undefined && issuer.keys.find(refused.kid, refused.algorithm) === refused.key;
}

const isClaimed = (decoded: DecodedToken, { issuer }: KnownIssuer) =>
  claimsToBeOf(decoded, issuer.rules, issuer.learnt?.current ?? null);

function principalOf(claims: DecodedToken['payload'], token: string, issuer: Issuer): ServicePrincipal {
  const subject = claims['sub'] as string;
  return {
    kind: 'service',
    issuer: issuer.name,
    subject,
    roles: stringSet(claims['roles'] as JSONType),
    scopes: scopeSet(claims['scope']),
    actor: actorOf(claims['act']),
    serviceAccount: issuer.rules.profile === 'kubernetes' ? serviceAccountOf(subject) : null,
    claims: claims as Record<string, JSONType>,
    credential: token,
    tokens: new Map(),
  };
}

/** `sub` of the outermost `act`, which is whoever acts now (RFC 8693 §4.1). */
function actorOf(act: unknown): string | null {
  return typeof act === 'object' && act !== null && 'sub' in act && typeof act.sub === 'string' ? act.sub : null;
}

/** The `scope` claim (RFC 8693 §4.2): names separated by single spaces. */
function scopeSet(scope: unknown): ReadonlySet<string> {
  return typeof scope === 'string' && scope !== '' ? new Set(scope.split(' ')) : new Set();
}
