/** Branded names for tests, which invent them where the product derives or checks them. */

import { randomBytes } from 'node:crypto';
import type { SessionId } from '../../src/authentication/session/session-id.ts';
import type { Jti, SessionHandle } from '../../src/jwt/names.ts';
import type { CompactToken } from '../../src/lib/http/bearer.ts';

/** The handle of a session that may or may not exist. */
export const asHandle = (text: string) => text as SessionHandle;

/** A handle without a session. */
export const someHandle = () => asHandle(randomBytes(32).toString('base64url'));

/** The secret of a session. */
export const asSessionId = (text: string) => text as SessionId;

/** The name of a token. */
export const asJti = (text: string) => text as Jti;

/** A bearer token, valid or not. */
export const asToken = (text: string) => text as CompactToken;
