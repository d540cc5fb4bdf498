/** How refusals are reported to OAuth clients (RFC 6749 §5.2, RFC 8693 §2.2.2). */

import { type Denial, type DenialReason, type GatewayFault, REASONS, type Reason } from '../../errors.ts';
import { clientChallenge } from '../../lib/http/challenge.ts';

/** `error` codes. The last two are for what RFC 6749 leaves to HTTP: 429 and 503, and 500. */
export const OAUTH_ERRORS = [
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_target',
  'invalid_scope',
  'temporarily_unavailable',
  'server_error',
] as const;
/** One of the `error` codes. */
type OAuthError = (typeof OAUTH_ERRORS)[number];

const ERROR_OF: Partial<Record<DenialReason, OAuthError>> = {
  client_unauthorized: 'invalid_client',
  refresh_token_refused: 'invalid_grant',
  refresh_token_reused: 'invalid_grant',
  grant_forbidden: 'unauthorized_client',
  grant_unsupported: 'unsupported_grant_type',
  target_forbidden: 'invalid_target',
  scope_exceeded: 'invalid_scope',
  rate_limited: 'temporarily_unavailable',
};

/** The code for a refusal or a fault. What the request itself did wrong is `invalid_request`, as a bad subject token is. */
function oauthError(reason: Reason): OAuthError {
  const { status } = REASONS[reason];
  if (status === 503) return 'temporarily_unavailable';
  return status >= 500 ? 'server_error' : (ERROR_OF[reason as DenialReason] ?? 'invalid_request');
}

/** The counted results: issued, or an error. Rate limiting is counted apart from faults. */
export const TOKEN_REQUEST_RESULTS = ['issued', 'rate_limited', ...OAUTH_ERRORS] as const;

/** The metric label of a refusal or a fault. */
export const resultOf = (reason: Reason): (typeof TOKEN_REQUEST_RESULTS)[number] =>
  reason === 'rate_limited' ? reason : oauthError(reason);

/**
 * The body. `error_description` is for people, and says no more than any client may know.
 *
 * @param more  codes of the endpoint's own
 */
export const oauthErrorBody = (
  { reason }: Denial | GatewayFault,
  more: { readonly [reason in Reason]?: string } = {},
): string => JSON.stringify({ error: more[reason] ?? oauthError(reason), error_description: REASONS[reason].detail });

/** What answers with tokens have on top of `Cache-Control: no-store` (RFC 6749 §5.1). */
export const NO_CACHE: readonly string[] = ['Pragma', 'no-cache'];

/**
 * The challenge that goes with a refusal: the scheme that the client used, or Basic where it used none (RFC 6749 §5.2).
 *
 * @param authorization  value of the Authorization header, untrusted
 */
export function challengeOf({ reason }: Denial | GatewayFault, authorization: string | null): readonly string[] {
  if (REASONS[reason].status !== 401) return [];
  return ['WWW-Authenticate', clientChallenge(authorization)];
}
