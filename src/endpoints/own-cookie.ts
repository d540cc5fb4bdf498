/** Reads a cookie of the gateway's own, other than the session cookie, as strictly as that one is read. */

import { Denial } from '../errors.ts';
import { screenCookies } from '../sanitize/cookies.ts';

const NO_LIMITS = { maxCookieBytes: Number.POSITIVE_INFINITY, maxCookieCount: Number.POSITIVE_INFINITY };

/**
 * The value of a cookie.
 *
 * @param cookies  the Cookie header, untrusted; its size was judged before
 * @returns `null` when there is none, a Denial when it has more than one reading
 */
export function ownCookie(cookies: string | null, name: string): string | Denial | null {
  if (cookies === null) return null;
  const screened = screenCookies(cookies, name, NO_LIMITS);
  return screened instanceof Denial ? screened : screened.session;
}
