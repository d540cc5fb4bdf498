/**
 * The entries of `issuers`: whose service tokens are accepted, where their keys come from, and the rules that their tokens have to keep.
 */

import { z } from 'zod';
import { duration, filePath, httpUrl, type SchemaContext, unopenedFilePath } from '../../config/fields.ts';
import { PUBLIC_KEY_ALGORITHMS } from '../../jwt/verification-keys.ts';
import { MAX_CLOCK_SKEW_MS } from '../../lib/token-limits.ts';

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
    apiServer: httpUrl().prefault('https://kubernetes.default.svc').meta({
      description: 'The API server; its keys are read at /openid/v1/jwks below it. A path, as behind Rancher, is kept.',
    }),
    tokenFile: unopenedFilePath(context).prefault(`${SERVICE_ACCOUNT_DIRECTORY}/token`).meta({
      description:
        'Token with which this pod reads the keys, and whose `iss` is the issuer. Read for each fetch, because the kubelet replaces it.',
    }),
    caFile: unopenedFilePath(context)
      .prefault(`${SERVICE_ACCOUNT_DIRECTORY}/ca.crt`)
      .meta({ description: 'CA of the API server, PEM. Read for each fetch.' }),
  });

const spiffe = (context: SchemaContext) =>
  z
    .strictObject({
      trustDomain: z
        .string()
        .regex(/^[a-z0-9._-]{1,255}$/, 'is not a trust domain: lower case letters, digits, ".", "-" and "_"')
        .meta({ description: 'Trust domain, without spiffe://.' }),
      bundleFile: filePath(context)
        .optional()
        .meta({ description: 'File with its bundle, a JWK Set with keys for jwt-svid.' }),
      bundleUrl: httpUrl().optional().meta({ description: 'URL of its bundle, with keys for jwt-svid.' }),
    })
    .refine((value) => (value.bundleFile === undefined) !== (value.bundleUrl === undefined), {
      message: 'needs exactly one of bundleFile and bundleUrl',
    });

const fetching = (context: SchemaContext) =>
  z.strictObject({
    refreshEvery: duration('5m', { atLeastMs: 1_000, atMostMs: 86_400_000 }).meta({
      description:
        'How often keys are fetched in the background, plus or minus a tenth. A key that the issuer withdraws is accepted until the next fetch.',
    }),
    maxStale: duration('1h', { atLeastMs: 1_000, atMostMs: 604_800_000 }).meta({
      description: 'How long the last good keys stay in use when fetches fail. After that, its tokens get 503.',
    }),
    coolDown: duration('30s', { atLeastMs: 1_000, atMostMs: 3_600_000 }).meta({
      description: 'Shortest time between two fetches that tokens with an unknown `kid` cause.',
    }),
    timeout: duration('5s', { atLeastMs: 10, atMostMs: 60_000 }).meta({
      description: 'Timeout of a whole fetch.',
    }),
    caFile: filePath(context)
      .optional()
      .meta({ description: 'CA of the server with the keys, PEM. Default: the CAs of the system.' }),
    insecureHttp: z.boolean().prefault(false).meta({
      description:
        'Allow plain http to a host other than this machine, for example where a mesh encrypts it. Anyone who can change the response can forge tokens.',
    }),
  });

/** One issuer. Long because it is one list of keys. */
export const issuer = (context: SchemaContext) =>
  z
    .strictObject({
      issuer: z.string().min(1).optional().meta({
        description:
          "Exact `iss` of its tokens. Default for kubernetes: `iss` of the pod's own token; for own: upstreamToken.issuer. Not for spiffe.",
      }),
      jwks: z
        .looseObject({ keys: z.array(z.record(z.string(), z.json())).min(1).meta({ description: 'Public keys.' }) })
        .optional()
        .meta({ description: 'Its keys, an inline JWK Set (RFC 7517 §5).' }),
      jwksFile: filePath(context).optional().meta({ description: 'File with its keys, a JWK Set (RFC 7517 §5).' }),
      jwksUrl: httpUrl().optional().meta({ description: 'URL of its keys, a JWK Set (RFC 7517 §5).' }),
      discovery: httpUrl().optional().meta({
        description:
          'URL of its metadata (…/.well-known/openid-configuration). Their `issuer` must match exactly, and their `jwks_uri` names the keys.',
      }),
      publicKeyFile: filePath(context)
        .optional()
        .meta({ description: 'File with its only key, PEM (SPKI or certificate).' }),
      secretFile: filePath(context).optional().meta({
        description:
          'File with a shared secret for HS256, at least 32 bytes. Everyone who can verify with it can also forge tokens.',
        secretFile: 'HS256 secret of an issuer',
      }),
      kubernetes: kubernetes(context).optional().meta({
        description:
          'ServiceAccount tokens of the cluster in which the gateway runs. Its keys are fetched when available and never gate readiness.',
      }),
      spiffe: spiffe(context).optional().meta({ description: 'JWT-SVIDs of a SPIFFE trust domain.' }),
      own: z.strictObject({}).optional().meta({
        description: 'Tokens that this gateway itself signs. Nothing is fetched.',
      }),
      algorithms: z.array(z.enum(PUBLIC_KEY_ALGORITHMS)).min(1).optional().meta({
        description:
          'Accepted signature algorithms; any other is refused, whatever the token says. Required, except for secretFile (HS256), own (upstreamToken.algorithm), kubernetes (RS256, ES256, ES384, ES512) and spiffe (all RS, ES and PS).',
      }),
      audience: z
        .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
        .optional()
        .meta({
          description:
            '`aud` values that mean this gateway; a token must have one of them. Default: every publicOrigin.',
        }),
      authorizedParties: z.array(z.string().min(1)).min(1).optional().meta({
        description: 'Accepted `azp`, or `client_id` in a token without `azp`. Default: not checked.',
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
      streamsOutliveToken: z.boolean().prefault(false).meta({
        description:
          'Whether a WebSocket, an answer or an upload that a token has opened may last beyond its `exp`. Default: it ends at `exp` and clockSkew. The revocation of the token ends it in either case.',
      }),
      fetch: fetching(context).prefault({}).meta({ description: 'How keys are fetched.' }),
    })
    .superRefine(checkSource);

/** An issuer, as far as its source of keys decides what else it has. */
type Sourced = { readonly [K in KeySource]?: unknown } & {
  readonly issuer?: string | undefined;
  readonly algorithms?: readonly string[] | undefined;
};

/** One source of keys, and what goes with it. */
function checkSource(value: Sourced, refinement: z.RefinementCtx): void {
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
    problem('has no use with spiffe: its tokens are recognised by their trust domain', 'issuer');
  if (value.algorithms === undefined && !WITHOUT_ALGORITHMS.includes(source))
    problem('needs algorithms, those that are accepted');
  if (value.algorithms !== undefined && FIXED_ALGORITHMS.includes(source))
    problem(`has no use with ${source}, which has one of its own`, 'algorithms');
  if (source === 'spiffe' && value.algorithms?.some((algorithm) => !SVID_ALGORITHM.test(algorithm)) === true)
    problem('has one that is not for JWT-SVIDs: they are RS, ES and PS', 'algorithms');
}

/** An issuer, loaded. */
export type IssuerConfig = z.output<ReturnType<typeof issuer>>;

/** Which source of keys an issuer has. */
export function keySourceOf(config: IssuerConfig): KeySource {
  return KEY_SOURCES.find((source) => config[source] !== undefined) as KeySource;
}
