/** The two names that a token carries: its own and that of the session it stands for. */

import { randomUUID } from 'node:crypto';
import type { Brand } from '../lib/brand.ts';
import { BASE64URL_32_BYTES_PATTERN } from '../lib/crypto/base64url.ts';

/** The name of one token (`jti`, RFC 7519 §4.1.7), unique within its issuer. */
export type Jti = Brand<'Jti'>;

/** The name of the session that a token stands for (`sid`), as its issuer names it. */
export type Sid = Brand<'Sid'>;

/**
 * The public name of a session: the SHA-256 of its id, base64url, 43 characters. It names the session and opens nothing. As
 * the `sid` of a token it names the session there; the `sid` of another issuer's token is not a handle.
 */
export type SessionHandle = Sid & Brand<'SessionHandle'>;

/** Whether a text has the form of a handle; there may be no such session. */
export const isSessionHandle = (text: string): text is SessionHandle => BASE64URL_32_BYTES_PATTERN.test(text);

/** The claims of a token. */
export type Claims = Readonly<Record<string, unknown>>;

/** A name for a new token: 122 random bits. */
export const newJti = (): Jti => randomUUID() as string as Jti;

/** The `sid` of verified claims; `null` where there is none, or where it is not a string. */
export const sidOf = ({ sid }: Claims): Sid | null => (typeof sid === 'string' ? (sid as Sid) : null);
