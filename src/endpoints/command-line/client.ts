/**
 * The one client of this kind: the program `sallyport` at a terminal. It is public (RFC 6749 §2.1): anyone can have it,
 * so it keeps no secret, and its name proves nothing. What protects the user is the consent page, and that codes are
 * only sent to the computer that the browser runs on.
 */

/** Its `client_id`. */
export const COMMAND_LINE_CLIENT = 'sallyport';

/** Its redirect URI, with any port (RFC 8252 §7.3). Not `localhost`, which may be another address (§8.3). */
const REDIRECT_URI = /^http:\/\/127\.0\.0\.1:([1-9][0-9]{0,4})\/callback$/;

/**
 * Whether a redirect URI is one of the client's: `http://127.0.0.1:PORT/callback` in this one spelling, without user, query or
 * fragment.
 *
 * @param uri  untrusted
 */
export function isRedirectUri(uri: string): boolean {
  const port = Number(REDIRECT_URI.exec(uri)?.[1] ?? 0);
  return port > 0 && port <= 65_535;
}
