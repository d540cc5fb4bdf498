/** What `POST /api/token-revocations` takes: exactly one of `jti`, `session` and `subject`. */

import { z } from 'zod';
import { parseJson } from '../endpoints/body.ts';
import type { Denial } from '../errors.ts';
import type { Jti, SessionHandle } from '../jwt/names.ts';
import { BASE64URL_32_BYTES_PATTERN } from '../lib/crypto/base64url.ts';
import { MAX_REVOCABLE_LIFETIME_MS } from '../lib/token-limits.ts';
import { MAX_REVOKED_NAME_LENGTH } from '../store/token-revocation.ts';
import type { TokenRevocationRequest } from './control.ts';

const name = z.string().min(1).max(MAX_REVOKED_NAME_LENGTH);
/** The name of a token, of any issuer. */
const jti = name.transform((text) => text as Jti);
const handle = z
  .string()
  .regex(BASE64URL_32_BYTES_PATTERN)
  .transform((text) => text as SessionHandle);
const exp = z
  .int()
  .min(1)
  .max(99_999_999_999)
  .meta({ description: '`exp` of the token, a NumericDate: whole seconds, not milliseconds.' });
const lifetimeSec = z
  .int()
  .min(1)
  .max(MAX_REVOCABLE_LIFETIME_MS / 1_000)
  .meta({
    description:
      'How long such tokens live at most, in seconds, where other verifiers accept longer ones than this gateway.',
  });

/** The body. The OpenAPI document shows it. */
export const TOKEN_REVOCATION_BODY = z.union([
  z.strictObject({ jti, issuer: name.optional(), exp: exp.optional() }),
  z.strictObject({ jti, issuer: name.optional(), lifetimeSec }),
  z.strictObject({ session: handle }),
  z.strictObject({ subject: name, issuer: name.optional(), lifetimeSec: lifetimeSec.optional() }),
]);

/** Reads the body; a Denial `body_malformed`. */
export function parseTokenRevocation(text: string): TokenRevocationRequest | Denial {
  const body = parseJson(text, TOKEN_REVOCATION_BODY);
  if (!isBody(body)) return body;
  if ('session' in body) return { kind: 'session', handle: body.session };
  const lifetimeMs = 'lifetimeSec' in body && body.lifetimeSec !== undefined ? body.lifetimeSec * 1_000 : null;
  const issuer = body.issuer ?? null;
  if ('subject' in body) return { kind: 'subject', subject: body.subject, issuer, lifetimeMs };
  const expMs = 'exp' in body && body.exp !== undefined ? body.exp * 1_000 : null;
  return { kind: 'token', tokenId: body.jti, issuer, expMs, lifetimeMs };
}

const isBody = (
  value: z.output<typeof TOKEN_REVOCATION_BODY> | Denial,
): value is z.output<typeof TOKEN_REVOCATION_BODY> => !('reason' in value);
