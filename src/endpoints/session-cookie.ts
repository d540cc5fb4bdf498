/** The Set-Cookie lines of the session cookie (RFC 6265bis §4.1): always Secure, HttpOnly and Path=/, without Domain unless it is configured. */

import type { SessionId } from '../authentication/session/session-id.ts';
import type { SessionRecord } from '../store/session-record.ts';

/** What a configuration says about the cookie. */
export interface SessionCookie {
  readonly name: string;
  readonly sameSite: 'strict' | 'lax' | 'none';
  /** Of which every host gets it; left out: the host that set it. */
  readonly domain?: string | undefined;
}

const SAME_SITE = { strict: 'Strict', lax: 'Lax', none: 'None' } as const;

const attributes = ({ sameSite, domain }: SessionCookie) =>
  `${domain === undefined ? '' : `Domain=${domain}; `}Path=/; Secure; HttpOnly; SameSite=${SAME_SITE[sameSite]}`;

/**
 * Hands a session id to the browser. Its end is enforced on the server: the browser forgets it when it closes, unless the session
 * is remembered, and a restored browser may keep using it until then.
 */
export const setSessionCookie = (cookie: SessionCookie, sessionId: SessionId, record: SessionRecord): string =>
  `${cookie.name}=${sessionId}; ${attributes(cookie)}${maxAgeOf(record)}`;

/** For how long a browser keeps a cookie of a session that was used just now: until it closes, or until the session ends. */
export const maxAgeOf = ({ remembered, expiresAtMs, lastSeenAtMs }: SessionRecord): string =>
  remembered ? `; Max-Age=${Math.max(1, Math.floor((expiresAtMs - lastSeenAtMs) / 1_000))}` : '';

/** Deletes the cookie. The attributes have to be those it was set with, or browsers keep it (CVE-2025-55162). */
export const clearSessionCookie = (cookie: SessionCookie): string =>
  `${cookie.name}=; ${attributes(cookie)}; Max-Age=0`;
