/**
 * What a token has to say to be accepted, as data: one profile per kind of token, all judged by the same verifier
 * (`verify.ts`). Every difference between the kinds is a difference between two of the constants and functions below.
 *
 * | | service token | of a cluster | JWT-SVID | own token | client assertion | access token | ID token | logout token |
 * | --- | --- | --- | --- | --- | --- | --- | --- | --- |
 * | `iss` | configured | learnt | not looked at | ours | the client | configured | the provider | the provider |
 * | `typ` | configured | configured | `JWT`, `JOSE` | `JWT`, `at+jwt`, never missing | `JWT`, `client-authentication+jwt` | configured | `JWT` | `JWT`, `logout+jwt` |
 * | `aud` | one of our names | one of our names | one of our names | not looked at | nobody but us | one of the service's | our client id | our client id |
 * | `sub` | any | a ServiceAccount | any | any | the client | any | any | optional |
 * | `iat` | required | required | optional | required | optional | required | required | required |
 * | lives | `exp` − `iat` | `exp` − `iat` | `exp` − `iat` | not bounded | `exp` − now | `exp` − `iat` | not bounded | `exp` − `iat` |
 * | leeway at its end | configured | configured | configured | none | 30 s | configured | configured | configured |
 * | besides | `azp` | `azp` | `azp` | | `jti` | `act`, `scope`, `sid` readable | | `jti` |
 */

/** The rules for one kind of token. Immutable; shared by all tokens of the kind. */
export interface TokenProfile {
  /** Exact `iss`; `null` where the caller has selected the profile by other means. */
  readonly issuer: string | null;
  /** Accepted `alg`; `null` accepts those of the keys, for keys that are all our own. */
  readonly algorithms: readonly string[] | null;
  /** Accepted `typ`, in lower case and without `application/` (RFC 7515 §4.1.9). */
  readonly types: ReadonlySet<string>;
  /** Whether a token without `typ` is accepted. */
  readonly acceptsMissingType: boolean;
  /** Our names in `aud`; `null` where the caller checks it. */
  readonly audiences: readonly string[] | null;
  /** `some`: `aud` has to name one of {@link audiences}. `only`: and nobody else. */
  readonly audienceRule: 'some' | 'only';
  /** Exact `sub`, or its form; `null` for any text. */
  readonly subject: string | RegExp | null;
  /** Whether a token without `sub` is refused. */
  readonly requiresSubject: boolean;
  /** Accepted `azp` or `client_id`; `null` for any, or none. */
  readonly authorizedParties: ReadonlySet<string> | null;
  readonly requiresIssuedAt: boolean;
  readonly requiresId: boolean;
  /** Whether `act`, `scope` and `sid` have to be readable where they are present. */
  readonly checksDelegation: boolean;
  /** Longest life, in milliseconds; `Infinity` for no limit. */
  readonly maxLifetimeMs: number;
  /** Where life is counted from: `iat` (now, where that is missing), or now. */
  readonly lifetimeFrom: 'issue' | 'now';
  /** How long after `exp` a token is still accepted, in milliseconds. */
  readonly endLeewayMs: number;
  /** How far `iat` and `nbf` may lie in the future, in milliseconds. */
  readonly beginLeewayMs: number;
}

/** What a configuration, or a service, decides about the tokens of one issuer. */
interface IssuerPolicy {
  readonly issuer: string | null;
  readonly algorithms: readonly string[];
  readonly audiences: readonly string[];
  /** As written: any case, with or without `application/`. */
  readonly types: readonly string[];
  readonly authorizedParties: readonly string[] | null;
  readonly maxLifetimeMs: number;
  readonly clockSkewMs: number;
}

/** `system:serviceaccount:` namespace `:` name, a DNS label and a DNS subdomain (RFC 1123). */
export const SERVICE_ACCOUNT_SUBJECT =
  /^system:serviceaccount:(?<namespace>[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?):(?<name>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)$/;

/** JWT-SVID §2.3. */
const SVID_TYPES = ['jwt', 'jose'];
/** What we sign that says who calls; anything else that we may sign one day is not such a token (RFC 8725 §3.11). */
const OWN_TYPES = new Set(['jwt', 'at+jwt']);
/** What a client can state; most libraries state nothing or `JWT`. */
const ASSERTION_TYPES = new Set(['jwt', 'client-authentication+jwt']);

/** Replicas that share keys, and clients on other machines, do not have exactly our time. */
const CLOCK_SKEW_MS = 30_000;
/** Farthest that `exp` of an assertion can lie ahead: an assertion is made for the request that it goes with. */
const MAX_ASSERTION_LIFETIME_MS = 5 * 60_000;
/** Two minutes are recommended (Back-Channel Logout §2.4); its `jti` is remembered for as long. */
const MAX_LOGOUT_TOKEN_LIFETIME_MS = 60 * 60_000;

/** The rules of every kind that does not say otherwise. */
const USUAL = {
  audienceRule: 'some',
  subject: null,
  requiresSubject: true,
  authorizedParties: null,
  requiresIssuedAt: true,
  requiresId: false,
  checksDelegation: false,
  lifetimeFrom: 'issue',
} as const;

/** A token by which a workload authenticates. */
export function serviceTokenProfile(policy: IssuerPolicy): ServiceTokenProfile {
  const { issuer, algorithms, audiences, authorizedParties, maxLifetimeMs, clockSkewMs } = policy;
  const types = new Set(policy.types.map((type) => type.toLowerCase().replace(/^application\//, '')));
  return {
    ...USUAL,
    issuer,
    algorithms,
    types,
    acceptsMissingType: types.has('jwt'),
    audiences,
    authorizedParties: authorizedParties === null ? null : new Set(authorizedParties),
    maxLifetimeMs,
    endLeewayMs: clockSkewMs,
    beginLeewayMs: clockSkewMs,
  };
}

/** A profile whose algorithms and audiences are known. */
export type ServiceTokenProfile = TokenProfile & Pick<IssuerPolicy, 'algorithms' | 'audiences'>;

/** A token of a Kubernetes ServiceAccount. */
export const kubernetesTokenProfile = (policy: IssuerPolicy): ServiceTokenProfile => ({
  ...serviceTokenProfile(policy),
  subject: SERVICE_ACCOUNT_SUBJECT,
});

/** A JWT-SVID (SPIFFE JWT-SVID §2, §3), which is selected by the trust domain in its `sub`, and may do without `iat`. */
export const jwtSvidProfile = (policy: IssuerPolicy): ServiceTokenProfile => ({
  ...serviceTokenProfile({ ...policy, issuer: null, types: SVID_TYPES }),
  requiresIssuedAt: false,
});

/**
 * A token that we signed ourselves, presented to be exchanged: it ends at its `exp`, without leeway, so that nothing that
 * is issued for it can outlive it. The caller judges whom it is for.
 *
 * @param issuer  our `iss`
 */
export const ownTokenProfile = (issuer: string): TokenProfile & { readonly issuer: string } => ({
  ...USUAL,
  issuer,
  algorithms: null,
  types: OWN_TYPES,
  acceptsMissingType: false,
  audiences: null,
  maxLifetimeMs: Number.POSITIVE_INFINITY,
  endLeewayMs: 0,
  beginLeewayMs: CLOCK_SKEW_MS,
});

/**
 * An assertion by which a client says who it is (RFC 7523 §3).
 *
 * @param audiences  our issuer and the addresses of the token endpoint; an assertion that names others besides could be
 *   used by one of them, or have been
 */
export const clientAssertionProfile = (
  clientId: string,
  algorithms: readonly string[],
  audiences: readonly string[],
): TokenProfile => ({
  ...USUAL,
  issuer: clientId,
  algorithms,
  types: ASSERTION_TYPES,
  acceptsMissingType: true,
  audiences,
  audienceRule: 'only',
  subject: clientId,
  requiresIssuedAt: false,
  requiresId: true,
  maxLifetimeMs: MAX_ASSERTION_LIFETIME_MS + CLOCK_SKEW_MS,
  lifetimeFrom: 'now',
  endLeewayMs: CLOCK_SKEW_MS,
  beginLeewayMs: CLOCK_SKEW_MS,
});

/** An ID token (OpenID Connect Core §3.1.3.7). The caller judges `azp`, `nonce` and `at_hash`. */
export const idTokenProfile = (policy: {
  readonly issuer: string;
  readonly clientId: string;
  readonly algorithms: readonly string[];
  readonly clockSkewMs: number;
}): TokenProfile => ({
  ...USUAL,
  issuer: policy.issuer,
  algorithms: policy.algorithms,
  // Neither an access token nor a logout token.
  types: new Set(['jwt']),
  acceptsMissingType: true,
  audiences: [policy.clientId],
  maxLifetimeMs: Number.POSITIVE_INFINITY,
  endLeewayMs: policy.clockSkewMs,
  beginLeewayMs: policy.clockSkewMs,
});

/** A logout token (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6). The caller judges `events`, `nonce` and `sid`. */
export const logoutTokenProfile = (policy: Parameters<typeof idTokenProfile>[0]): TokenProfile => ({
  ...idTokenProfile(policy),
  types: new Set(['jwt', 'logout+jwt']),
  requiresSubject: false,
  requiresId: true,
  maxLifetimeMs: MAX_LOGOUT_TOKEN_LIFETIME_MS,
});

/** A token that a gateway sent to a service, as the verifier package takes it. */
export const accessTokenProfile = (policy: IssuerPolicy): TokenProfile => ({
  ...serviceTokenProfile(policy),
  checksDelegation: true,
});
