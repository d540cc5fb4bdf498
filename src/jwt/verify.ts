/**
 * jwt: the one verifier of JSON Web Tokens. Decode strictly, judge the claims by a profile, pick the key, verify the
 * signature.
 *
 * Input: a compact token, the keys that may have signed it, a profile (`profiles.ts`). Output: its claims, or the rule that
 * it breaks; a promise only where keys are fetched. Fails with the key set's error when no keys are available. Does not
 * check whether a token was revoked.
 *
 * The folder imports `lib/` and jose, nothing of the gateway: `packages/verify` ships it to services.
 */

import { claimsProblem, type TokenProblem } from './claims.ts';
import { type DecodedToken, decodeCompact } from './compact.ts';
import { isJwsAlgorithm, verifyJws } from './jws.ts';
import type { KeySet } from './key-set.ts';
import type { Claims } from './names.ts';
import type { TokenProfile } from './profiles.ts';
import type { VerificationKey } from './verification-keys.ts';

/** A verified token. */
interface Verified {
  readonly claims: Claims;
  /** The key that signed it. */
  readonly key: VerificationKey;
}

/** What verification finds out. */
export type Verdict = Verified | TokenProblem;

/** Header members whose form has been judged. */
export interface CheckedHeader {
  readonly alg: string;
  readonly kid?: string;
}

/** Decides whether a key of a set has signed a token. */
type IsSigned = (token: string, key: VerificationKey, header: CheckedHeader) => boolean;

/**
 * Verifies a token.
 *
 * @param token  untrusted
 * @param nowMs  wall clock
 * @throws what `keys.find` throws, as a rejection or directly
 */
export function verify(token: string, keys: KeySet, profile: TokenProfile, nowMs: number): Verdict | Promise<Verdict> {
  const decoded = decodeCompact(token);
  return decoded === null ? 'malformed' : verifyDecoded(token, decoded, keys, profile, nowMs);
}

/**
 * The same for a token that has been decoded to select its keys and its profile.
 *
 * @param decoded   of this very token
 * @param isSigned  replaces the verification of the signature, to remember its results
 */
export function verifyDecoded(
  token: string,
  decoded: DecodedToken,
  keys: KeySet,
  profile: TokenProfile,
  nowMs: number,
  isSigned: IsSigned = isSignedBy,
): Verdict | Promise<Verdict> {
  const problem = claimsProblem(decoded, profile, nowMs);
  if (problem !== null) return problem;
  const header = decoded.header as unknown as CheckedHeader;
  const found = keys.find(header.kid ?? null, header.alg);
  const judge = (key: VerificationKey | null): Verdict => {
    if (key === null) return 'key';
    return isSigned(token, key, header) ? { claims: decoded.payload, key } : 'signature';
  };
  if (found instanceof Promise) return found.then(judge);
  const verdict = judge(found);
  if (verdict !== 'signature') return verdict;
  const refetch = keys.refetch();
  return refetch === null
    ? verdict
    : refetch.then(async () => {
        const key = await keys.find(header.kid ?? null, header.alg);
        return key === found ? verdict : judge(key);
      });
}

/**
 * Verifies the signature of a token, and nothing else.
 *
 * @param token  in strict compact form, which has been checked (`decodeCompact`)
 * @param key    what the key set has for its header; a header whose algorithm the key is not for verifies nothing
 */
export function isSignedBy(token: string, key: VerificationKey, { alg }: CheckedHeader): boolean {
  const publicKey = key.byAlgorithm.get(alg);
  if (publicKey === undefined || !isJwsAlgorithm(alg)) return false;
  const dot = token.lastIndexOf('.');
  return verifyJws(alg, publicKey, token.slice(0, dot), Buffer.from(token.slice(dot + 1), 'base64url'));
}
