/**
 * Authorization requests (RFC 6749 §4.1.1) of the command line, read strictly. As long as client and redirect URI are in doubt,
 * the browser is sent nowhere: the error is a page.
 */

import { Denial } from '../../errors.ts';
import { isChallenge } from '../../lib/crypto/pkce.ts';
import { COMMAND_LINE_CLIENT, isRedirectUri } from './client.ts';

/** A valid request. */
export interface AuthorizationRequest {
  readonly redirectUri: string;
  /** The challenge of the method S256. */
  readonly challenge: string;
  readonly state: string;
}

/** `error` codes of the answer (RFC 6749 §4.1.2.1). */
type AuthorizationError = 'invalid_request' | 'unsupported_response_type' | 'invalid_scope' | 'access_denied';

/** An error that the browser carries back to the program. */
export interface RedirectedError {
  readonly redirectUri: string;
  readonly error: AuthorizationError;
  /** Fixed words, for the person at the terminal. */
  readonly description: string;
  /** `null` when the request had none that could be sent back. */
  readonly state: string | null;
}

const invalid = (note: string) => new Denial('authorization_request_invalid', note);
const MALFORMED = invalid('query is malformed, or has a parameter twice');
const OTHER_CLIENT = invalid('client_id is not the command line');
const OTHER_REDIRECT_URI = invalid('redirect_uri is not http://127.0.0.1:PORT/callback');

/** Printable ASCII: it is sent back in an address. */
const STATE = /^[\x21-\x7e]{1,512}$/;

/**
 * Reads a request. Parameters that are not known are ignored (RFC 6749 §3.1).
 *
 * @param form             query or body as read, untrusted; a Denial where it is malformed
 * @param isScopePossible  whether the scopes of the parameter `scope` can be given
 * @returns a Denial `authorization_request_invalid` while it is not certain where an error may be sent
 */
export function readAuthorizationRequest(
  form: ReadonlyMap<string, string> | Denial,
  isScopePossible: (scope: string | null) => boolean,
): AuthorizationRequest | RedirectedError | Denial {
  if (form instanceof Denial) return MALFORMED;
  if (form.get('client_id') !== COMMAND_LINE_CLIENT) return OTHER_CLIENT;
  const redirectUri = form.get('redirect_uri') ?? '';
  if (!isRedirectUri(redirectUri)) return OTHER_REDIRECT_URI;

  const given = form.get('state') ?? '';
  const state = STATE.test(given) ? given : null;
  const wrong = (error: AuthorizationError, description: string) => ({ redirectUri, error, description, state });
  if (state === null) return wrong('invalid_request', 'state is missing, or not printable ASCII');
  const responseType = form.get('response_type');
  if (responseType === undefined) return wrong('invalid_request', 'response_type is missing');
  if (responseType !== 'code') return wrong('unsupported_response_type', 'response_type is not code');
  if ((form.get('response_mode') ?? 'query') !== 'query') return wrong('invalid_request', 'response_mode is not query');
  if (form.has('request') || form.has('request_uri')) return wrong('invalid_request', 'request objects are not read');
  const challenge = form.get('code_challenge') ?? '';
  // Left out, the method is `plain` (RFC 7636 §4.3).
  if (form.get('code_challenge_method') !== 'S256')
    return wrong('invalid_request', 'code_challenge_method is not S256');
  if (!isChallenge(challenge)) return wrong('invalid_request', 'code_challenge is not that of S256');
  if (!isScopePossible(form.get('scope') ?? null)) return wrong('invalid_scope', 'scope exceeds what can be granted');
  return { redirectUri, challenge, state };
}

/** The address that hands an error to the program. */
export const errorAddress = ({ redirectUri, error, description, state }: RedirectedError, issuer: string): string =>
  withParameters(redirectUri, { error, error_description: description, ...(state !== null && { state }), iss: issuer });

/** The address that hands a code to the program; `iss` says who issued it (RFC 9207). */
export const codeAddress = ({ redirectUri, state }: AuthorizationRequest, code: string, issuer: string): string =>
  withParameters(redirectUri, { code, state, iss: issuer });

const withParameters = (address: string, parameters: Readonly<Record<string, string>>): string =>
  `${address}?${new URLSearchParams(parameters)}`;
