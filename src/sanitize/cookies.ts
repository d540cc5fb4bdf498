/**
 * Takes the session cookie out of the Cookie header and passes everything else on byte for byte.
 *
 * Deliberately not a cookie library: those decode, unquote and trim, and each of these has been exploited
 * (test/attack/cookies.test.ts, COK-01 … COK-15). Pairs are split at `;` only and names are compared exactly. A name that
 * only a lenient parser would equate with that of the session cookie makes the credential invalid.
 */

import { Denial } from '../errors.ts';
import { trimEnd, trimStart } from '../lib/text/trim.ts';

/** The Cookie header, split in two. */
export interface ScreenedCookies {
  /** Value of the session cookie; `null` when there is none; a Denial when it is ambiguous. */
  readonly session: string | Denial | null;
  /** The Cookie header without the session cookie; `null` when nothing is left. */
  readonly rest: string | null;
}

/** Limits of the Cookie header. */
export interface CookieLimits {
  /** Of all Cookie headers together; a header of this size is refused. */
  readonly maxCookieBytes: number;
  readonly maxCookieCount: number;
}

const TOO_LARGE = new Denial('headers_too_large', 'cookies too large');
const TOO_MANY = new Denial('headers_too_large', 'too many cookies');
const DUPLICATE = new Denial('session_invalid', 'session cookie sent more than once');
const LOOKALIKE = new Denial(
  'session_invalid',
  'a cookie whose name a lenient parser reads as that of the session cookie',
);

/**
 * Splits a Cookie header into the session cookie and the rest.
 *
 * @param header      all Cookie field lines joined with `; ` (RFC 6265 §5.4 allows one, RFC 9113 §8.2.3 several)
 * @param cookieName  exact name of the session cookie
 * @returns the two parts, or a Denial `headers_too_large`
 */
export function screenCookies(header: string, cookieName: string, limits: CookieLimits): ScreenedCookies | Denial {
  if (header.length >= limits.maxCookieBytes) return TOO_LARGE;
  if (countPairs(header, limits.maxCookieCount) > limits.maxCookieCount) return TOO_MANY;
  if (!header.includes(cookieName)) return { session: null, rest: header };
  const soleValue = soleCookieValue(header, cookieName);
  if (soleValue !== null) return { session: soleValue, rest: null };

  let session: string | Denial | null = null;
  let rest = '';
  for (const pair of header.split(';')) {
    const kind = classify(pair, cookieName);
    if (kind === OTHER) {
      rest += rest === '' ? trimStart(pair) : `;${pair}`;
    } else if (kind !== IGNORED) {
      session = session === null ? kind : DUPLICATE;
    }
  }
  return { session, rest: rest === '' ? null : rest };
}

/** The value when the header is the session cookie and nothing else, which is the common case for programs. */
function soleCookieValue(header: string, cookieName: string): string | null {
  const isSole = header.startsWith(cookieName) && header[cookieName.length] === '=' && !header.includes(';');
  return isSole ? header.slice(cookieName.length + 1) : null;
}

function countPairs(header: string, enough: number): number {
  let pairs = 1;
  for (let at = header.indexOf(';'); at !== -1 && pairs <= enough; at = header.indexOf(';', at + 1)) pairs += 1;
  return pairs;
}

const OTHER = Symbol('another cookie');
const IGNORED = Symbol('dropped');

/** The value when the pair is the session cookie, a Denial when its name is a lookalike, else what to do with it. */
function classify(pair: string, cookieName: string): string | Denial | typeof OTHER | typeof IGNORED {
  const trimmed = trimStart(pair);
  const equals = trimmed.indexOf('=');
  const name = equals === -1 ? trimmed : trimmed.slice(0, equals);
  if (name === cookieName) return equals === -1 ? LOOKALIKE : trimmed.slice(equals + 1);
  if (trimEnd(name) === cookieName) return LOOKALIKE;
  // Some parsers serialize a nameless cookie as its bare value, which the next parser reads as a named one (COK-05).
  if (name === '' && trimmed.slice(1).trimStart().startsWith(cookieName)) return IGNORED;
  return OTHER;
}
