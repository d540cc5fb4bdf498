/**
 * Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6), judged by the verifier of the gateway, as ID tokens are.
 * The caller finds out whether one was used before.
 */

import { decodeCompact } from '../../../../jwt/compact.ts';
import type { KeySet } from '../../../../jwt/key-set.ts';
import type { Claims } from '../../../../jwt/names.ts';
import { logoutTokenProfile } from '../../../../jwt/profiles.ts';
import { verifyDecoded } from '../../../../jwt/verify.ts';
import { isJsonObject } from '../../../../lib/text/json.ts';
import { type ExpectedToken, issuerOf } from '../id-token.ts';
import { MAX_KEPT_LENGTH } from '../provider-login.ts';

/** A verified logout token. At least one of `sid` and `subject` is there. */
export interface LogoutToken {
  readonly issuer: string;
  readonly id: string;
  /** The session at the provider. */
  readonly sid: string | null;
  readonly subject: string | null;
  /** When it ends, leeway included; wall clock. */
  readonly endsAtMs: number;
}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/**
 * Verifies a logout token.
 *
 * @param token  untrusted
 * @param nowMs  wall clock
 * @returns what it says, or fixed words that name the rule that it breaks
 * @throws DependencyFault `provider_unavailable`, as a rejection, when there are no keys
 */
export async function verifyLogoutToken(
  token: string,
  keys: KeySet,
  expected: ExpectedToken,
  nowMs: number,
): Promise<LogoutToken | string> {
  const decoded = decodeCompact(token);
  if (decoded === null) return 'logout token: malformed';
  const issuer = issuerOf(expected.issuer, decoded);
  if (issuer === null) return 'logout token: tid is not a tenant id';
  const verdict = await verifyDecoded(token, decoded, keys, logoutTokenProfile({ ...expected, issuer }), nowMs);
  if (typeof verdict === 'string') return `logout token: ${verdict}`;
  const { claims } = verdict;
  const problem = claimsProblem(claims);
  if (problem !== null) return `logout token: ${problem}`;
  const { sid = null, sub = null, jti, exp } = claims;
  return {
    issuer,
    id: jti as string,
    sid: sid as string | null,
    subject: sub as string | null,
    endsAtMs: (exp as number) * 1_000 + expected.clockSkewMs,
  };
}

/** What no other token has, and what a logout token must not have. */
function claimsProblem(claims: Claims): string | null {
  const { events, sid, sub } = claims;
  if (!isJsonObject(events) || !Object.hasOwn(events, EVENT) || !isJsonObject(events[EVENT])) return 'events';
  // So that nothing that accepts ID tokens takes it for one (§2.4).
  if (Object.hasOwn(claims, 'nonce')) return 'nonce';
  if (sid !== undefined && (typeof sid !== 'string' || sid === '' || sid.length > MAX_KEPT_LENGTH)) return 'sid';
  return sid === undefined && sub === undefined ? 'neither sid nor sub' : null;
}
