/**
 * Ties a decision to the page on which it was made, and to the person who saw it: a form whose hidden field is an HMAC of what the
 * page asked about, under the session id that only the browser of that person has. No other site can know it, and after
 * somebody else has logged in it is worth nothing.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { Denial } from '../../errors.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';

const PURPOSE = 'sallyport consent\n';

/** Why a decision without the seal of its page does not count. */
export const NOT_SEALED = new Denial('consent_outdated', 'form is not that of the page that this session was shown');

/** A request whose session cookie opened a session. */
type WithSession = Pick<ScreenedRequest, 'sessionCookie'>;

/**
 * The seal of a page.
 *
 * @param request  the one that the page answers
 * @param about    everything that the decision is about
 */
export function consentSeal({ sessionCookie }: WithSession, about: readonly string[]): string {
  if (typeof sessionCookie !== 'string') throw new Error('consent without a session');
  return createHmac('sha256', sessionCookie).update(PURPOSE).update(JSON.stringify(about)).digest('base64url');
}

/** Whether a decision bears the seal of the page about the same, for the same session. */
export function isSealed(seal: string, request: WithSession, about: readonly string[]): boolean {
  const [given, expected] = [Buffer.from(seal), Buffer.from(consentSeal(request, about))];
  return given.byteLength === expected.byteLength && timingSafeEqual(given, expected);
}
