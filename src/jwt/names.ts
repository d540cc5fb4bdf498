/** The two names that a token carries: its own and that of the session it stands for. */

import { randomUUID } from 'node:crypto';
import type { Brand } from '../lib/brand.ts';

/** The name of one token (`jti`, RFC 7519 §4.1.7), unique within its issuer. */
export type Jti = Brand<'Jti'>;

/** The name of the session that a token stands for (`sid`), as its issuer names it. */
export type Sid = Brand<'Sid'>;

type Claims = Readonly<Record<string, unknown>>;

/** A name for a new token: 122 random bits. */
export const newJti = (): Jti => randomUUID() as string as Jti;

/** The `sid` of verified claims; `null` where there is none, or where it is not a string. */
export const sidOf = ({ sid }: Claims): Sid | null => (typeof sid === 'string' ? (sid as Sid) : null);
