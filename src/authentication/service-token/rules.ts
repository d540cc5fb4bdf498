/**
 * The rules that the tokens of one issuer have to keep, apart from their signature: algorithm, type, audience, times,
 * subject. All of them are judged before the signature is: refusing costs little then, and a token that would be refused
 * anyhow makes nobody fetch keys.
 */

import type { DecodedToken } from '../../jwt/compact.ts';
import type { TokenProblem } from './refusal.ts';

/** What kind of token: which claims there have to be, and what they look like. */
export type TokenProfile = 'jwt' | 'kubernetes' | 'jwt-svid';

export interface IssuerRules {
  readonly profile: TokenProfile;
  /** Exact `iss`; `null` where it is learnt from the cluster, and for JWT-SVIDs, which are told by their `sub`. */
  readonly issuer: string | null;
  /** SPIFFE trust domain; `null` but for JWT-SVIDs. */
  readonly trustDomain: string | null;
  readonly algorithms: readonly string[];
  /** One of them has to be in `aud`. */
  readonly audiences: readonly string[];
  /** Accepted `typ`, lower case, without `application/`. */
  readonly types: ReadonlySet<string>;
  /** Accepted `azp` or `client_id`; `null` for any. */
  readonly authorizedParties: ReadonlySet<string> | null;
  readonly maxLifetimeMs: number;
  readonly clockSkewMs: number;
}

type Claims = Readonly<Record<string, unknown>>;

/** Longest `sub` that is looked at; a SPIFFE ID has up to 2,048 bytes. */
const MAX_SUBJECT_LENGTH = 2_048;

/** `system:serviceaccount:` namespace `:` name, a DNS label and a DNS subdomain (RFC 1123). */
const SERVICE_ACCOUNT =
  /^system:serviceaccount:(?<namespace>[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?):(?<name>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)$/;

/** A SPIFFE ID (SPIFFE-ID §2): trust domain, then a path of segments that are neither empty nor dots. */
const SPIFFE_ID = /^spiffe:\/\/(?<trustDomain>[a-z0-9._-]{1,255})(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/;

/**
 * Whether a token says that it is one of this issuer's. Nothing is verified: this only selects whose keys and rules it
 * is going to be judged by.
 *
 * @param learntIssuer  the `iss` that was learnt, where `rules.issuer` is `null`
 */
export function claimsToBeOf({ payload }: DecodedToken, rules: IssuerRules, learntIssuer: string | null): boolean {
  if (rules.trustDomain !== null) return spiffeTrustDomain(payload['sub']) === rules.trustDomain;
  const issuer = rules.issuer ?? learntIssuer;
  return issuer !== null && payload['iss'] === issuer;
}

/**
 * Judges everything but issuer, signature and revocation.
 *
 * @param nowMs  wall clock
 * @returns the first rule that is broken; `null` when none is
 */
export function ruleProblem({ header, payload }: DecodedToken, rules: IssuerRules, nowMs: number): TokenProblem | null {
  const { alg, kid, typ } = header;
  if (typeof alg !== 'string' || !rules.algorithms.includes(alg)) return 'algorithm';
  if (!hasType(typ, rules)) return 'type';
  // JWT-10: never used for anything but to be compared with the names in the set.
  if (kid !== undefined && typeof kid !== 'string') return 'key';
  if (!hasAudience(payload['aud'], rules)) return 'audience';
  if (!hasSubject(payload['sub'], rules)) return 'subject';
  if (rules.authorizedParties !== null && !hasParty(payload, rules.authorizedParties)) return 'party';
  return timesProblem(payload, rules, nowMs);
}

/** `namespace/name` of the ServiceAccount that a subject names; `null` when it names none. */
export function serviceAccountOf(subject: string): string | null {
  const groups = SERVICE_ACCOUNT.exec(subject)?.groups;
  return groups === undefined ? null : `${groups['namespace']}/${groups['name']}`;
}

/** From when a token that these rules accept is refused; wall clock. */
export function endOf({ exp }: Claims, { clockSkewMs }: IssuerRules): number {
  return (exp as number) * 1_000 + clockSkewMs;
}

const spiffeTrustDomain = (subject: unknown): string | undefined =>
  typeof subject === 'string' && subject.length <= MAX_SUBJECT_LENGTH
    ? SPIFFE_ID.exec(subject)?.groups?.['trustDomain']
    : undefined;

/** A missing `typ` counts as `JWT`; `application/` may be left out (RFC 7515 §4.1.9). JWT-SVID §2.3 has its own list. */
function hasType(typ: unknown, { types }: IssuerRules): boolean {
  if (typ === undefined) return types.has('jwt');
  if (typeof typ !== 'string') return false;
  const lower = typ.toLowerCase();
  return types.has(lower.startsWith('application/') ? lower.slice('application/'.length) : lower);
}

/** RFC 7519 §4.1.3: a string, or a list of them. */
function hasAudience(aud: unknown, { audiences }: IssuerRules): boolean {
  if (typeof aud === 'string') return audiences.includes(aud);
  return (
    Array.isArray(aud) && aud.every((name) => typeof name === 'string') && aud.some((name) => audiences.includes(name))
  );
}

function hasSubject(sub: unknown, { profile }: IssuerRules): boolean {
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT_LENGTH) return false;
  return profile !== 'kubernetes' || SERVICE_ACCOUNT.test(sub);
}

/** OpenID Connect Core §2 has `azp`, RFC 9068 §2.2 `client_id`. */
function hasParty({ azp, client_id }: Claims, accepted: ReadonlySet<string>): boolean {
  const party = azp ?? client_id;
  return typeof party === 'string' && accepted.has(party) && (client_id === undefined || client_id === party);
}

/**
 * What jose lets pass: times that are not whole seconds, an `iat` in the future, an endless lifetime (JWT-28 … JWT-32).
 * A token ends at `exp` plus the leeway, that moment excluded. Only JWT-SVIDs may do without `iat` (JWT-SVID §3).
 */
function timesProblem({ exp, iat, nbf }: Claims, rules: IssuerRules, nowMs: number): TokenProblem | null {
  const { profile, maxLifetimeMs, clockSkewMs } = rules;
  if (!isSeconds(exp) || (nbf !== undefined && !isSeconds(nbf))) return 'times';
  if (iat === undefined ? profile !== 'jwt-svid' : !isSeconds(iat)) return 'times';
  const beginsMs = typeof iat === 'number' ? iat * 1_000 : nowMs;
  const endsMs = exp * 1_000;
  if (endsMs + clockSkewMs <= nowMs) return 'expired';
  if (endsMs - beginsMs > maxLifetimeMs) return 'lifetime';
  if (typeof iat === 'number' && exp <= iat) return 'times';
  return Math.max(beginsMs, (nbf ?? 0) * 1_000) > nowMs + clockSkewMs ? 'not_yet_valid' : null;
}

const isSeconds = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
