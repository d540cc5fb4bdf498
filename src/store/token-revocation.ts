/**
 * The written form of a revocation of tokens, as it is kept and published: one line of text, the same for the same
 * revocation, without the time at which it ends.
 *
 *   s{handle}                              the tokens of a session
 *   t["{jti}"] or t["{jti}","{iss}"]       one token
 *   n[{not before, ms},"{sub}"] or …,"{iss}"]   the tokens of a subject
 */

import type { TokenRevocation } from './store.ts';

/** Longest `jti`, `sub` and `iss` that can be revoked, in UTF-16 code units: no token that fits a header has more. */
export const MAX_REVOKED_NAME_LENGTH = 2_048;

/** Writes a revocation, but for when it ends. */
export function encodeTokenRevocation(revocation: TokenRevocation): string {
  if (revocation.kind === 'session') return `s${revocation.handle}`;
  const { issuer } = revocation;
  const names = revocation.kind === 'token' ? [revocation.tokenId] : [revocation.notBeforeMs, revocation.subject];
  return `${revocation.kind === 'token' ? 't' : 'n'}${JSON.stringify(issuer === null ? names : [...names, issuer])}`;
}

/** Reads a revocation; `null` for what this version does not know: a later one may have written it. */
export function decodeTokenRevocation(entry: string, expiresAtMs: number): TokenRevocation | null {
  if (!Number.isFinite(expiresAtMs)) return null;
  const rest = entry.slice(1);
  if (entry[0] === 's') return rest === '' ? null : { kind: 'session', handle: rest, expiresAtMs };
  const values = parseArray(rest);
  if (entry[0] === 't') {
    const [tokenId, issuer = null] = values;
    if (typeof tokenId !== 'string' || !isIssuer(issuer)) return null;
    return { kind: 'token', tokenId, issuer, expiresAtMs };
  }
  const [notBeforeMs, subject, issuer = null] = values;
  if (entry[0] !== 'n' || typeof notBeforeMs !== 'number' || typeof subject !== 'string' || !isIssuer(issuer)) {
    return null;
  }
  return { kind: 'subject', subject, issuer, notBeforeMs, expiresAtMs };
}

const isIssuer = (value: unknown): value is string | null => value === null || typeof value === 'string';

function parseArray(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
