/**
 * Ties a decision to the page on which it was made, and to the person who saw it: a hidden field of the form is an HMAC of what the
 * page asked about, under the session id, which only that person's browser has. No other site can know it, and after another person
 * has logged in it is worthless.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { Denial } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import { readForm } from '../body.ts';
import type { EndpointParts } from '../parts.ts';

const PURPOSE = 'sallyport consent\n';

/** Why a decision without the seal of its page does not count. */
export const NOT_SEALED = new Denial('consent_outdated', 'form is not that of the page that this session was shown');

const FROM_SCRIPT = new Denial('consent_not_by_person', 'a script, not a page, asks for consent or gives it');
const MODE_UNKNOWN = new Denial('consent_not_by_person', 'no Sec-Fetch-Mode: an old browser, or a proxy removes it');

/**
 * Why a request that only a person can make is refused: a script may have made it. A script that was smuggled into an application of the
 * same origin could read the seal of a page, and so let in a terminal of its author, which stays logged in when the page is closed and its
 * user has logged out. No script can send the mode of a navigation (Fetch §3.2.5), and the opener policy of the pages keeps scripts out of
 * them.
 *
 * Every browser since 2023 sends the mode to an https origin, so one that does not is refused there. To a plain http
 * name no browser sends it, and there is no opener policy either: there, scripts cannot be recognised.
 *
 * @returns `null` for a page
 */
export function scriptProblem({
  fields: { secFetchMode },
  publicOrigin,
}: Pick<ScreenedRequest, 'fields' | 'publicOrigin'>): Denial | null {
  if (secFetchMode !== null) return secFetchMode === 'navigate' ? null : FROM_SCRIPT;
  return publicOrigin?.startsWith('https:') === true ? MODE_UNKNOWN : null;
}

/**
 * Reads the form that a person sends from a page about consent.
 *
 * @returns a Denial where it may have another sender, or cannot be read
 */
export async function readConsentForm(
  { originProblem, bodyTimeoutMs }: EndpointParts,
  exchange: Exchange,
  request: ScreenedRequest,
): Promise<ReadonlyMap<string, string> | Denial> {
  return originProblem(request, 'consent') ?? scriptProblem(request) ?? readForm(exchange, request, bodyTimeoutMs);
}

const NO_DECISION = new Denial('body_malformed', 'form without a decision');

/** Whether a form allows what it was asked for; a Denial where it does not decide. */
export function isAllowedBy(form: ReadonlyMap<string, string>): boolean | Denial {
  const decision = form.get('decision');
  return decision === 'allow' || decision === 'deny' ? decision === 'allow' : NO_DECISION;
}

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
