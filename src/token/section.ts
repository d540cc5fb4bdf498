/** The section `upstreamToken`: the short-lived JWT that upstreams get, and the claims that tokens of the gateway carry. */

import { z } from 'zod';
import {
  directoryPath,
  duration,
  filePath,
  httpUrl,
  optionalDuration,
  principalSource,
  type SchemaContext,
  tokenHeaderName,
  tokenLifetime,
} from '../config/fields.ts';
import type { MintedToken } from '../lib/token-limits.ts';

/** Signature algorithms (RFC 7518, RFC 8037) of tokens that we sign. */
export const SIGNING_ALGORITHMS = ['ES256', 'EdDSA', 'RS256', 'PS256', 'HS256'] as const;

/** Claims that the gateway itself sets, which a mapping cannot. */
const OWN_CLAIMS = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'sid', 'act', 'cnf', 'presented_iss', '__proto__'];

/** The map `claims`: extra claims of a token, by name. */
export const claimMapping = () =>
  z
    .record(
      z
        .string()
        .min(1)
        .max(200)
        .refine((claim) => !OWN_CLAIMS.includes(claim), { message: 'is a claim that the gateway itself sets' }),
      z.union([principalSource(), z.strictObject({ value: z.json().meta({ description: 'A constant.' }) })]),
    )
    .prefault({})
    .meta({
      description: 'Extra claims: name → source, or name → { value: constant }. A source without a value is left out.',
    });

/** The section. */
export const upstreamToken = (context: SchemaContext) =>
  z.strictObject({
    issuer: httpUrl()
      .optional()
      .meta({ description: '`iss` of the tokens that the gateway mints. Default: the first publicOrigin.' }),
    lifetime: tokenLifetime('2m').meta({ description: '`exp` − `iat`.' }),
    algorithm: z
      .enum(SIGNING_ALGORITHMS)
      .prefault('ES256')
      .meta({ description: 'Signature algorithm.', restart: true }),
    header: tokenHeaderName().prefault('Authorization').meta({
      description:
        'Request header that carries the token: `Authorization` as a Bearer token, any other name as the bare token.',
    }),
    keys: z
      .strictObject({
        directory: directoryPath(context, 'create it with `sallyport keys generate`').meta({
          description: 'Directory of signing keys; several replicas can share it.',
        }),
        rotateEvery: optionalDuration({ atLeastMs: 60_000 }).meta({
          description:
            'Create a new key when the active one is this old. Left out: rotate with `sallyport keys rotate` only.',
        }),
        publishBefore: duration('15m', { atLeastMs: 1_000 }).meta({
          description:
            'A new key is published in the JWKS this long before it signs. At least jwksMaxAge, so that verifiers know it by then.',
        }),
      })
      .optional()
      .meta({ description: 'Signing keys on disk. Left out: one key in memory, for one process.', restart: true }),
    secretFile: filePath(context).optional().meta({
      description: 'For HS256: file with a secret of at least 32 bytes.',
      secretFile: 'signing secret',
      restart: true,
    }),
    jwksMaxAge: duration('5m', { atLeastMs: 1_000, atMostMs: 86_400_000 }).meta({
      description: 'Cache-Control max-age of /.well-known/jwks.json.',
    }),
    claims: claimMapping(),
  });

/** `upstreamToken`, loaded. */
export type UpstreamTokenConfig = z.output<ReturnType<typeof upstreamToken>>;

/** The tokens that the section lets the gateway mint. */
export const minted = ({ lifetime }: UpstreamTokenConfig): readonly MintedToken[] => [
  { lifetimeMs: lifetime, isOfSession: true },
];
