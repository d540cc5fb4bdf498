/**
 * The entries of `issuers`: whose service tokens are accepted, where their keys come from, and the rules that their tokens have to keep.
 */

import { z } from 'zod';
import { duration, filePath, httpUrl, type SchemaContext, unopenedFilePath } from '../../config/fields.ts';
import { MAX_CLOCK_SKEW_MS } from '../../lib/token-limits.ts';

/** Signature algorithms with a public key (RFC 7518, RFC 8037) that can be accepted from an issuer. */
export const ACCEPTED_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
] as const;

/** Each issuer has exactly one of these. */
const KEY_SOURCES = [
  'jwks',
  'jwksFile',
  'jwksUrl',
  'discovery',
  'publicKeyFile',
  'secretFile',
  'kubernetes',
  'spiffe',
  'own',
] as const;
/** Where the keys of an issuer come from. */
export type KeySource = (typeof KEY_SOURCES)[number];

/** Sources that say by themselves which `iss` their tokens have. */
const WITHOUT_ISSUER: readonly KeySource[] = ['kubernetes', 'spiffe', 'own'];
/** Sources that say by themselves which algorithms there are. */
const WITHOUT_ALGORITHMS: readonly KeySource[] = ['secretFile', 'kubernetes', 'spiffe', 'own'];
/** Sources whose tokens keep to one set of algorithms, so that a list would have no use. */
const FIXED_ALGORITHMS: readonly KeySource[] = ['secretFile', 'own'];
/** JWT-SVID §3.1: no EdDSA. */
const SVID_ALGORITHM = /^(?:RS|ES|PS)/;

const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

const kubernetes = (context: SchemaContext) =>
  z.strictObject({
    apiServer: httpUrl()
      .prefault('https://kubernetes.default.svc')
      .meta({ description: 'The API server; its keys are read at /openid/v1/jwks.' }),
    tokenFile: unopenedFilePath(context).prefault(`${SERVICE_ACCOUNT_DIRECTORY}/token`).meta({
      description:
        'Token by which this pod reads the keys, and whose `iss` is the issuer. Read again for each fetch, since kubelet replaces it.',
    }),
    caFile: unopenedFilePath(context)
      .prefault(`${SERVICE_ACCOUNT_DIRECTORY}/ca.crt`)
      .meta({ description: 'CA of the API server, PEM. Read again for each fetch.' }),
  });

const spiffe = (context: SchemaContext) =>
  z
    .strictObject({
      trustDomain: z
        .string()
        .regex(/^[a-z0-9._-]{1,255}$/, 'is not a trust domain: lower case letters, digits, ".", "-" and "_"')
        .meta({ description: 'Trust domain, without spiffe://.' }),
      bundleFile: filePath(context).optional().meta({ description: 'Its bundle, a JWK Set with keys for jwt-svid.' }),
      bundleUrl: httpUrl().optional().meta({ description: 'Where its bundle is, with keys for jwt-svid.' }),
    })
    .refine((value) => (value.bundleFile === undefined) !== (value.bundleUrl === undefined), {
      message: 'needs exactly one of bundleFile and bundleUrl',
    });

const fetching = (context: SchemaContext) =>
  z.strictObject({
    refreshEvery: duration('5m', { atLeastMs: 1_000, atMostMs: 86_400_000 }).meta({
      description:
        'How often the keys are fetched in the background, give or take a tenth: so long, a key that the issuer has withdrawn is still accepted.',
    }),
    maxStale: duration('1h', { atLeastMs: 1_000, atMostMs: 604_800_000 }).meta({
      description: 'How long the last good keys are used when no new ones can be had. Then its tokens get 503.',
    }),
    coolDown: duration('30s', { atLeastMs: 1_000, atMostMs: 3_600_000 }).meta({
      description: 'Shortest time between two fetches that tokens with an unknown `kid` cause.',
    }),
    timeout: duration('5s', { atLeastMs: 10, atMostMs: 60_000 }).meta({
      description: 'For a whole fetch.',
    }),
    caFile: filePath(context)
      .optional()
      .meta({ description: 'CA of the server that has the keys, PEM. Default: the CAs of the system.' }),
    insecureHttp: z.boolean().prefault(false).meta({
      description:
        'Says that plain http to a host that is not local is meant (a mesh encrypts it, say): whoever can change the answer can make tokens.',
    }),
  });

/** One issuer. */
export const issuer = (context: SchemaContext) =>
  z
    .strictObject({
      issuer: z.string().min(1).optional().meta({
        description:
          'Exact `iss` of its tokens. Default for kubernetes: that of the own token; for own: upstreamToken.issuer; not for spiffe.',
      }),
      jwks: z
        .looseObject({ keys: z.array(z.record(z.string(), z.json())).min(1).meta({ description: 'Public keys.' }) })
        .optional()
        .meta({ description: 'Its keys, a JWK Set (RFC 7517 §5), written out here.' }),
      jwksFile: filePath(context).optional().meta({ description: 'Its keys, a JWK Set (RFC 7517 §5).' }),
      jwksUrl: httpUrl().optional().meta({ description: 'Where its keys are, a JWK Set (RFC 7517 §5).' }),
      discovery: httpUrl().optional().meta({
        description:
          'Its metadata (…/.well-known/openid-configuration), whose `issuer` has to be this one exactly, and whose `jwks_uri` says where its keys are.',
      }),
      publicKeyFile: filePath(context).optional().meta({ description: 'Its one key, PEM (SPKI or certificate).' }),
      secretFile: filePath(context).optional().meta({
        description: 'Shared secret for HS256, at least 32 bytes. Whoever can verify with it can also make tokens.',
        secretFile: 'HS256 secret of an issuer',
      }),
      kubernetes: kubernetes(context).optional().meta({
        description:
          'ServiceAccount tokens of the cluster that this runs in. Fetched when they can be had, and never a reason not to be ready.',
      }),
      spiffe: spiffe(context).optional().meta({ description: 'JWT-SVIDs of a SPIFFE trust domain.' }),
      own: z.strictObject({}).optional().meta({
        description: 'Tokens that this gateway itself has signed. Nothing is fetched.',
      }),
      algorithms: z.array(z.enum(ACCEPTED_ALGORITHMS)).min(1).optional().meta({
        description:
          'Accepted signature algorithms; anything else is refused whatever the token says. Has to be written out, except for secretFile (HS256), own (upstreamToken.algorithm), kubernetes (RS256, ES256, ES384, ES512) and spiffe (all RS, ES and PS).',
      }),
      audience: z
        .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
        .optional()
        .meta({ description: '`aud` values that mean us; one of them has to be there. Default: every publicOrigin.' }),
      authorizedParties: z.array(z.string().min(1)).min(1).optional().meta({
        description: 'Accepted `azp`, or where there is none `client_id`. Default: any, or none.',
      }),
      types: z.array(z.string().min(1)).min(1).prefault(['JWT', 'at+jwt']).meta({
        description: 'Accepted `typ` headers, case-insensitive; a missing one counts as JWT. Not for spiffe.',
      }),
      maxLifetime: duration('1h', { atLeastMs: 1_000 }).meta({
        description: 'Tokens that live longer (`exp` − `iat`) are refused.',
      }),
      clockSkew: duration('30s', { atMostMs: MAX_CLOCK_SKEW_MS }).meta({
        description: 'Leeway for `exp`, `nbf` and `iat`.',
      }),
      fetch: fetching(context).prefault({}).meta({ description: 'How keys are fetched, where they are.' }),
    })
    .superRefine((value, refinement) => {
      const problem = (message: string, key?: string) =>
        refinement.addIssue({ code: 'custom', message, ...(key !== undefined && { path: [key] }) });
      const sources = KEY_SOURCES.filter((source) => value[source] !== undefined);
      const [source] = sources;
      if (source === undefined || sources.length > 1) {
        problem(`needs exactly one of ${KEY_SOURCES.slice(0, -1).join(', ')} and ${KEY_SOURCES.at(-1)}`);
        return;
      }
      if (value.issuer === undefined && !WITHOUT_ISSUER.includes(source)) problem('needs issuer, the exact `iss`');
      if (value.issuer !== undefined && source === 'spiffe')
        problem('has no use with spiffe: its tokens are told by their trust domain', 'issuer');
      if (value.algorithms === undefined && !WITHOUT_ALGORITHMS.includes(source))
        problem('needs algorithms, those that are accepted');
      if (value.algorithms !== undefined && FIXED_ALGORITHMS.includes(source))
        problem(`has no use with ${source}, which has one of its own`, 'algorithms');
      if (source === 'spiffe' && value.algorithms?.some((algorithm) => !SVID_ALGORITHM.test(algorithm)) === true)
        problem('has one that is not for JWT-SVIDs: they are RS, ES and PS', 'algorithms');
    });

/** An issuer, loaded. */
export type IssuerConfig = z.output<ReturnType<typeof issuer>>;

/** Which source of keys an issuer has. */
export function keySourceOf(config: IssuerConfig): KeySource {
  return KEY_SOURCES.find((source) => config[source] !== undefined) as KeySource;
}
