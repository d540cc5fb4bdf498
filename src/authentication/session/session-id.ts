/**
 * Session ids: 32 random bytes in base64url, 43 characters, known only to the browser. Everything else (the store, the
 * cache, logs, the `sid` claim) knows a session by its handle, the SHA-256 of the id.
 */

import { hash, randomBytes } from 'node:crypto';
import type { SessionHandle } from '../../jwt/names.ts';
import type { Secret } from '../../lib/brand.ts';
import { BASE64URL_32_BYTES_PATTERN } from '../../lib/crypto/base64url.ts';

/** The secret that opens a session. Only the browser keeps it. */
export type SessionId = Secret<'SessionId'>;

/** A new session id: 256 bits from the system's generator. */
export const newSessionId = (): SessionId => randomBytes(32).toString('base64url') as SessionId;

/** Whether a cookie's value has the form of a session id. Anything else is refused before any lookup (COK-12, COK-14). */
export const isSessionId = (value: string): value is SessionId => BASE64URL_32_BYTES_PATTERN.test(value);

/** The handle of a session id. The id is hashed as it was sent, not decoded, so each handle has one spelling (COK-15). */
export const sessionHandle = (sessionId: SessionId): SessionHandle =>
  hash('sha256', sessionId, 'base64url') as SessionHandle;
