/** The Set-Cookie lines of the session cookie (RFC 6265bis §4.1): always Secure, HttpOnly, Path=/, never Domain. */

import type { SessionId } from '../../authentication/session/session-id.ts';

/** What a configuration says about the cookie. */
export interface SessionCookie {
  readonly name: string;
  readonly sameSite: 'strict' | 'lax' | 'none';
}

const SAME_SITE = { strict: 'Strict', lax: 'Lax', none: 'None' } as const;

const attributes = (cookie: SessionCookie) => `Path=/; Secure; HttpOnly; SameSite=${SAME_SITE[cookie.sameSite]}`;

/**
 * Hands a session id to the browser. A cookie of the browser session: its end is enforced on the server, and a
 * restored browser may go on until then.
 */
export const setSessionCookie = (cookie: SessionCookie, sessionId: SessionId): string =>
  `${cookie.name}=${sessionId}; ${attributes(cookie)}`;

/** Deletes the cookie. The attributes have to be those it was set with, or browsers keep it (CVE-2025-55162). */
export const clearSessionCookie = (cookie: SessionCookie): string =>
  `${cookie.name}=; ${attributes(cookie)}; Max-Age=0`;
