/**
 * Judges what a token says by a profile: everything but its signature. It is judged before the signature is: refusing
 * costs little then, and a token that would be refused anyway causes no fetch of keys.
 */

import { isJsonObject } from '../lib/text/json.ts';
import type { DecodedToken } from './compact.ts';
import type { Claims } from './names.ts';
import type { TokenProfile } from './profiles.ts';
import { issuerNames } from './subject.ts';

/** Which rule a token breaks. A closed set, fit for a metric label. */
export type TokenProblem =
  | 'malformed'
  | 'issuer'
  | 'algorithm'
  | 'type'
  | 'key'
  | 'signature'
  | 'audience'
  | 'times'
  | 'lifetime'
  | 'expired'
  | 'not_yet_valid'
  | 'subject'
  | 'party'
  | 'claims';

/** Longest `sub` that is looked at; a SPIFFE ID has up to 2,048 bytes. */
export const MAX_SUBJECT_LENGTH = 2_048;
const MAX_ID_LENGTH = 256;

/**
 * Judges header and claims.
 *
 * @param nowMs  wall clock
 * @returns the first rule that is broken; `null` when none is
 */
export function claimsProblem(
  { header, payload }: DecodedToken,
  profile: TokenProfile,
  nowMs: number,
): TokenProblem | null {
  const { alg, kid, typ } = header;
  if (profile.issuer !== null && payload['iss'] !== profile.issuer) return 'issuer';
  if (typeof alg !== 'string' || profile.algorithms?.includes(alg) === false) return 'algorithm';
  if (!hasType(typ, profile)) return 'type';
  // JWT-10: never used for anything but to be compared with the names in the set.
  if (kid !== undefined && typeof kid !== 'string') return 'key';
  if (!hasAudience(payload['aud'], profile)) return 'audience';
  if (payload['sub'] === undefined ? profile.requiresSubject : !hasSubject(payload['sub'], profile)) return 'subject';
  if (profile.authorizedParties !== null && !hasParty(payload, profile.authorizedParties)) return 'party';
  const problem = timesProblem(payload, profile, nowMs);
  if (problem !== null) return problem;
  if (profile.requiresId && !isId(payload['jti'])) return 'claims';
  return profile.checksDelegation && !isDelegationReadable(payload) ? 'claims' : null;
}

/** From when an accepted token is refused; wall clock. */
export function endOf({ exp }: Claims, { endLeewayMs }: TokenProfile): number {
  return expiryMs(exp as number) + endLeewayMs;
}

/** A NumericDate as wall clock, in whole milliseconds. */
export const expiryMs = (exp: number): number => Math.floor(exp * 1_000);

/** RFC 7515 §4.1.9: `typ` is a media type, compared without regard to case, and `application/` may be left out. */
function hasType(typ: unknown, { types, acceptsMissingType }: TokenProfile): boolean {
  if (typ === undefined) return acceptsMissingType;
  if (typeof typ !== 'string') return false;
  const lower = typ.toLowerCase();
  return types.has(lower.startsWith('application/') ? lower.slice('application/'.length) : lower);
}

/** RFC 7519 §4.1.3: a string, or a list of them. */
function hasAudience(aud: unknown, { audiences, audienceRule }: TokenProfile): boolean {
  if (audiences === null) return true;
  if (typeof aud === 'string') return audiences.includes(aud);
  if (!Array.isArray(aud) || !aud.every((name) => typeof name === 'string')) return false;
  const isUs = (name: string) => audiences.includes(name);
  return aud.some(isUs) && (audienceRule === 'some' || aud.every(isUs));
}

function hasSubject(sub: unknown, { subject }: TokenProfile): boolean {
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT_LENGTH) return false;
  return subject === null || (typeof subject === 'string' ? sub === subject : subject.test(sub));
}

/** OpenID Connect Core §2 has `azp`, RFC 9068 §2.2 `client_id`. */
function hasParty({ azp, client_id }: Claims, accepted: ReadonlySet<string>): boolean {
  const party = azp ?? client_id;
  return typeof party === 'string' && accepted.has(party) && (client_id === undefined || client_id === party);
}

/**
 * What jose lets pass: times that are not finite, an `iat` in the future, an endless lifetime (JWT-28 … JWT-32).
 * A token ends at `exp` plus the leeway, that moment excluded.
 */
function timesProblem({ exp, iat, nbf }: Claims, profile: TokenProfile, nowMs: number): TokenProblem | null {
  if (!isSeconds(exp) || (nbf !== undefined && !isSeconds(nbf))) return 'times';
  if (iat === undefined ? profile.requiresIssuedAt : !isSeconds(iat)) return 'times';
  const endsMs = expiryMs(exp);
  if (endsMs + profile.endLeewayMs <= nowMs) return 'expired';
  const issuedMs = typeof iat === 'number' ? iat * 1_000 : nowMs;
  const fromMs = profile.lifetimeFrom === 'issue' ? issuedMs : nowMs;
  if (endsMs - fromMs > profile.maxLifetimeMs) return 'lifetime';
  if (profile.lifetimeFrom === 'issue' && typeof iat === 'number' && exp <= iat) return 'times';
  return Math.max(issuedMs, (nbf ?? 0) * 1_000) > nowMs + profile.beginLeewayMs ? 'not_yet_valid' : null;
}

/** RFC 7519 §2: a NumericDate may have a fraction. Infinite, negative and inexact numbers are refused (JWT-30). */
const isSeconds = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER;

const isId = (jti: unknown): boolean => typeof jti === 'string' && jti !== '' && jti.length <= MAX_ID_LENGTH;

/** A malformed claim is refused, not treated as absent. */
function isDelegationReadable({ act, scope = '', sid = '', presented_iss: passedOn }: Claims): boolean {
  return typeof scope === 'string' && typeof sid === 'string' && isIssuerReadable(passedOn) && isActorReadable(act);
}

const isIssuerReadable = (stated: unknown): boolean => stated === undefined || issuerNames(stated).length > 0;

/** RFC 8693 §4.1. How deep actors can nest is bounded by the form of the token (JWT-39). */
function isActorReadable(act: unknown): boolean {
  if (act === undefined) return true;
  if (!isJsonObject(act)) return false;
  const { sub, iss, act: before } = act;
  return typeof sub === 'string' && sub !== '' && isIssuerReadable(iss) && isActorReadable(before);
}
