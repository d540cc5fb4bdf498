/** Why a login at an identity provider is refused: one Denial for each rule, with the words that name it in the audit stream. */

import { Denial } from '../../../../errors.ts';
import { providerUnavailable } from '../transport.ts';

/** An answer that breaks a rule. @param note  fixed words */
export const invalidResponse = (note: string): Denial =>
  new Denial(isAboutTime(note) ? 'login_clock_skew' : 'login_response_invalid', note);

/** Times are not believed where the clocks differ: a cause of its own, with a remedy of its own. */
const isAboutTime = (note: string): boolean =>
  note.endsWith(': expired') || note.endsWith(': not_yet_valid') || note.includes(': jwt timestamp check failed');

const DECLINED = new Denial('login_declined', 'provider: access_denied');
const FAILED = new Denial('login_declined', 'provider: an error of another kind');

const interactionNeeded = (error: string) => new Denial('login_interaction_required', `provider: ${error}`);

/** Errors of an authorization response (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6) that have words of their own. */
const ERRORS: Readonly<Record<string, Denial>> = {
  access_denied: DECLINED,
  login_required: interactionNeeded('login_required'),
  interaction_required: interactionNeeded('interaction_required'),
  consent_required: interactionNeeded('consent_required'),
  account_selection_required: interactionNeeded('account_selection_required'),
  invalid_request: new Denial('login_declined', 'provider: invalid_request'),
  invalid_scope: new Denial('login_declined', 'provider: invalid_scope'),
  unauthorized_client: new Denial('login_declined', 'provider: unauthorized_client'),
};

/** Errors by which a provider says that it does not work right now. Keycloak says so, too, when its login page has expired. */
const OUTAGES = ['temporarily_unavailable', 'server_error'];

/**
 * The refusal for an error with which a provider sends the browser back.
 *
 * @param error  untrusted
 * @throws DependencyFault `provider_unavailable` where the provider says that it does not work
 */
export function providerError(error: string): Denial {
  if (OUTAGES.includes(error)) throw providerUnavailable(`it says ${error}`);
  return Object.hasOwn(ERRORS, error) ? (ERRORS[error] ?? FAILED) : FAILED;
}

/** The token endpoint does not know the code or the refresh token, or no longer. */
export const GRANT_REFUSED = new Denial('login_expired', 'token endpoint: invalid_grant');

/** The refusal for an error of the token endpoint about the grant; `null` for one about the client. */
export const grantProblem = (error: string): Denial | null => (error === 'invalid_grant' ? GRANT_REFUSED : null);
