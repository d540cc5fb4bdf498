/**
 * The written form of a revocation of tokens, which stores keep and publish: one line of text, always the same for the
 * same revocation, without the time at which it ends.
 *
 *   s{handle}                              the tokens of a session
 *   t["{jti}"] or t["{jti}","{iss}"]       one token
 *   n[{not before, ms},"{sub}"] or …,"{iss}"]   the tokens of a subject
 */

import { isSessionHandle, type Jti } from '../jwt/names.ts';
import { jsonOf } from '../lib/text/json.ts';
import type { TokenRevocation } from './store.ts';

/**
 * Longest `jti`, `sub` and `iss` that can be revoked, in UTF-16 code units. A token with longer ones does not fit a
 * header.
 */
export const MAX_REVOKED_NAME_LENGTH = 2_048;

/** Writes a revocation, without the time at which it ends. */
export function encodeTokenRevocation(revocation: TokenRevocation): string {
  if (revocation.kind === 'session') return `s${revocation.handle}`;
  const { issuer } = revocation;
  const names = revocation.kind === 'token' ? [revocation.tokenId] : [revocation.notBeforeMs, revocation.subject];
  return `${revocation.kind === 'token' ? 't' : 'n'}${JSON.stringify(issuer === null ? names : [...names, issuer])}`;
}

/** Reads a revocation; `null` for a form that this version does not know, which a later one may have written. */
export function decodeTokenRevocation(entry: string, expiresAtMs: number): TokenRevocation | null {
  if (!Number.isFinite(expiresAtMs)) return null;
  const rest = entry.slice(1);
  if (entry[0] === 's') return isSessionHandle(rest) ? { kind: 'session', handle: rest, expiresAtMs } : null;
  const written: unknown = jsonOf(rest);
  const values: readonly unknown[] = Array.isArray(written) ? written : [];
  if (entry[0] === 't') {
    const [tokenId, issuer = null] = values;
    if (typeof tokenId !== 'string' || !isIssuer(issuer)) return null;
    return { kind: 'token', tokenId: tokenId as Jti, issuer, expiresAtMs };
  }
  const [notBeforeMs, subject, issuer = null] = values;
  if (entry[0] !== 'n' || typeof notBeforeMs !== 'number' || typeof subject !== 'string' || !isIssuer(issuer)) {
    return null;
  }
  return { kind: 'subject', subject, issuer, notBeforeMs, expiresAtMs };
}

const isIssuer = (value: unknown): value is string | null => value === null || typeof value === 'string';
