/** Whether a token is signed by a key of a set. */

import { isJwsAlgorithm, verifyJws } from './jws.ts';
import type { VerificationKey } from './verification-keys.ts';

/**
 * Verifies the signature of a token, and nothing else.
 *
 * @param token      in strict compact form, which has been checked (`decodeCompact`)
 * @param found      what the key set has for its `kid` and algorithm
 * @param algorithm  as its header has it; one that the key is not for is none of its signatures
 */
export function isSignedBy(token: string, found: VerificationKey | null, algorithm: string): boolean {
  const key = found?.byAlgorithm.get(algorithm);
  if (key === undefined || !isJwsAlgorithm(algorithm)) return false;
  const dot = token.lastIndexOf('.');
  return verifyJws(algorithm, key, token.slice(0, dot), Buffer.from(token.slice(dot + 1), 'base64url'));
}
