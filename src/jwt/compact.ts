/**
 * The strict compact form of a JWS (RFC 7515 §7.1), checked before anything is decoded or verified: exactly three
 * parts of canonical base64url, JSON objects without duplicate members, no header that brings its own key.
 *
 * jose accepts some tokens that are refused here (duplicate members, non-canonical last characters, a byte order mark):
 * test/attack/jwt.test.ts, JWT-15 … JWT-27.
 */

import { isUtf8 } from 'node:buffer';
import type { Secret } from '../lib/brand.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import { hasDuplicateMember, isJsonObject } from '../lib/text/json.ts';

/** A JWS in compact form that this program has signed. */
export type CompactJws = CompactToken & Secret<'CompactJws'>;

/** A token's parts, decoded but not trusted. */
export interface DecodedToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Longest token that is read or sent on, unless the caller knows of longer ones. */
export const MAX_TOKEN_LENGTH = 8_192;

/**
 * Headers by which a token could bring or point to its own key (RFC 8725 §3.10); `crit` and `b64` change the form. The
 * thumbprints `x5t` and `x5t#S256`, which Entra and IdentityServer send, bring no key: they are hints, and are ignored.
 */
const FORBIDDEN_HEADERS = ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'b64', 'zip', 'enc'];

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** Whether a text is three parts in base64url, and no longer than a token may be. Does not decode them. */
export const hasCompactForm = (text: string, maxLength = MAX_TOKEN_LENGTH): text is CompactToken =>
  text.length <= maxLength && COMPACT.test(text);

/**
 * Decodes a token without verifying anything.
 *
 * perf: bench/micro/verified-tokens.ts
 *
 * @returns `null` for anything but the strict compact form
 */
export function decodeCompact(token: string, maxLength = MAX_TOKEN_LENGTH): DecodedToken | null {
  if (!hasCompactForm(token, maxLength)) return null;
  const first = token.indexOf('.');
  const last = token.lastIndexOf('.');
  if (
    !isCanonical(token, 0, first) ||
    !isCanonical(token, first + 1, last) ||
    !isCanonical(token, last + 1, token.length)
  )
    return null;
  const header = decodeObject(token.slice(0, first));
  if (header === null || FORBIDDEN_HEADERS.some((name) => Object.hasOwn(header, name))) return null;
  const payload = decodeObject(token.slice(first + 1, last));
  return payload === null ? null : { header, payload };
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/**
 * Whether a part is whole bytes, and the bits that its last character does not use are zero, so that a token has one
 * spelling (RFC 4648 §3.5; JWT-26).
 */
function isCanonical(token: string, from: number, to: number): boolean {
  const rest = (to - from) % 4;
  if (rest === 0) return true;
  return rest !== 1 && ALPHABET.indexOf(token.charAt(to - 1)) % (rest === 2 ? 16 : 4) === 0;
}

function decodeObject(part: string): Record<string, unknown> | null {
  const bytes = Buffer.from(part, 'base64url');
  if (!isUtf8(bytes)) return null;
  try {
    // A byte order mark is kept, and is not JSON.
    const text = bytes.toString('utf8');
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) && !hasDuplicateMember(text, value) ? value : null;
  } catch {
    return null;
  }
}
