/**
 * Session ids: 32 random bytes in base64url, 43 characters, known only to the browser. Everything else, the store, the
 * cache, logs, the `sid` claim, knows a session by its handle, the SHA-256 of the id.
 */

import { hash, randomBytes } from 'node:crypto';
import { BASE64URL_32_BYTES_PATTERN } from '../../lib/base64url.ts';

/** A new session id: 256 bits from the system's generator. */
export const newSessionId = (): string => randomBytes(32).toString('base64url');

/** Whether a cookie's value has the form of a session id. What has not is refused before any lookup (COK-12, COK-14). */
export const isSessionId = (value: string): boolean => BASE64URL_32_BYTES_PATTERN.test(value);

/**
 * The handle of a session id. The id is hashed as it was sent, not decoded, so each handle has one spelling (COK-15).
 */
export const sessionHandle = (sessionId: string): string => hash('sha256', sessionId, 'base64url');
