/** Why a login at an identity provider is refused: one Denial for each rule, with the words that name it in the audit stream. */

import { Denial } from '../../../errors.ts';
import type { IdentityProvider } from './provider.ts';
import { providerUnavailable, transportFault } from './transport.ts';

/** An answer that breaks a rule. @param note  fixed words */
export const invalidResponse = (note: string): Denial =>
  new Denial(isAboutTime(note) ? 'login_clock_skew' : 'login_response_invalid', note);

/** Whether the clocks of provider and gateway differ: a cause of its own, with a remedy of its own. */
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

/** Errors that mean that the provider does not work right now. Keycloak also sends one when its login page has expired. */
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

/** A fault of the transport as it is; anything else by the rule that the library names. Logs what the provider says. */
export function refusalOf(
  thrown: unknown,
  library: typeof import('openid-client'),
  provider: IdentityProvider,
): Denial {
  const fault = transportFault(thrown);
  if (fault !== null) throw fault;
  if (thrown instanceof library.ResponseBodyError) {
    provider.logProblem(thrown.error, thrown.error_description);
    if (thrown.error === 'invalid_grant') return GRANT_REFUSED;
    // The client id, its secret, the redirect URI: nobody can log in until the operator has corrected it.
    throw providerUnavailable('it refuses this client', thrown);
  }
  if (thrown instanceof library.WWWAuthenticateChallengeError)
    throw providerUnavailable('it refuses this client', thrown);
  if (thrown instanceof library.ClientError) return invalidResponse(`token endpoint: ${ruleOf(thrown)}`);
  throw thrown;
}

/** Claims that the library misses in an ID token, in the order in which it looks for them. */
const NEEDED_CLAIMS = ['aud', 'exp', 'iat', 'iss', 'sub', 'nonce'];

/** The rule that the library found broken: its code, and the claim where it is one. Neither comes from the provider. */
export function ruleOf({
  code = 'something went wrong',
  cause,
}: Error & { readonly code?: string | undefined }): string {
  const inner = (cause instanceof Error ? cause.cause : cause) as Readonly<Record<string, unknown>> | null | undefined;
  // The library has one code for several problems; the details that come with the code distinguish them.
  if (code === 'OAUTH_UNSUPPORTED_OPERATION' && inner?.['body'] !== undefined) return 'token_type is not supported';
  const rule = code
    .replace(/^OAUTH_/, '')
    .replaceAll('_', ' ')
    .toLowerCase();
  const claim = inner?.['claim'] ?? missingClaim(inner?.['claims']);
  return typeof claim === 'string' && /^[a-z_ ]{2,20}$/.test(claim) ? `${rule} (${claim})` : rule;
}

function missingClaim(claims: unknown): string | null {
  if (typeof claims !== 'object' || claims === null) return null;
  const missing = NEEDED_CLAIMS.find((name) => !Object.hasOwn(claims, name));
  return missing === undefined ? null : `no ${missing}`;
}
