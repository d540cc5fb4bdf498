/**
 * The `outbound` section: the listener that the workload beside the gateway calls instead of calling out directly, and
 * the destinations that it can reach there.
 */

import { z } from 'zod';
import {
  count,
  duration,
  filePath,
  httpUrl,
  listenAddress,
  name,
  type SchemaContext,
  tokenLifetime,
} from '../config/fields.ts';
import { defineCodes, error, warning } from '../config/findings/problem.ts';
import type { MintedToken } from '../lib/token-limits.ts';
import { ROUTE_KEYS } from '../routing/section.ts';

/** Codes of the findings about the outbound side. */
export const codes = defineCodes({
  'outbound/not-loopback': error(
    'The outbound listener has an address that other machines can reach: anyone who reaches it counts as the workload.',
  ),
  'outbound/any-host': error(
    'A destination for any host: it would serve a web page that has rebound its own name to the loopback (DNS rebinding).',
  ),
  'outbound/duplicate': error('Two destinations with the same host, path and method.'),
  'outbound/duplicate-id': error(
    'Two destinations with the same id, or one with the id of a route: they share a label in metrics and logs.',
  ),
  'outbound/unknown-upstream': error('A destination names an upstream that is not in `upstreams`.'),
  'outbound/token-overwritten': error('A destination sets or removes the header that carries its token.'),
  'outbound/plain-http': warning(
    'The credentials and tokens of the workload go to an authorization server on another host over plain http.',
  ),
  'outbound/memory-key': warning(
    'Each process signs service tokens with a key of its own: a verifier has to fetch the JWKS from that very process.',
  ),
});

const scopes = () =>
  z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'is not a scope (RFC 6749 §3.3)'))
    .prefault([])
    .meta({ description: 'Scopes to ask for.' });

/** Keys of a token request to an authorization server. */
const authorizationServer = (context: SchemaContext) => ({
  tokenUrl: httpUrl().meta({ description: 'Token endpoint of the authorization server.' }),
  clientId: z.string().min(1).meta({ description: 'Client id of the workload there.' }),
  clientSecretFile: filePath(context).optional().meta({
    description: 'File with the client secret, sent as HTTP Basic (`client_secret_basic`). Read for each fetch.',
    secretFile: 'client credential',
  }),
  privateKeyFile: filePath(context).optional().meta({
    description:
      'Private key, PEM (PKCS #8), for `private_key_jwt` (RFC 7523): EC P-256, P-384, P-521, Ed25519 or RSA of at least 2048 bits. Read for each fetch.',
    secretFile: 'client credential',
  }),
  keyId: z.string().min(1).optional().meta({ description: '`kid` in the header of a `private_key_jwt`.' }),
  assertionFile: filePath(context).optional().meta({
    description:
      'File with a JWT to send unchanged as client assertion (RFC 7523 §2.2), such as a projected ServiceAccount token. Read for each fetch.',
  }),
  assertionAudience: z.string().min(1).optional().meta({
    description: '`aud` of a `private_key_jwt`: the issuer of the authorization server. Default: `tokenUrl`.',
  }),
  caFile: filePath(context)
    .optional()
    .meta({ description: 'CA of the server certificate, PEM. Default: the CAs of the system.' }),
  scopes: scopes(),
  timeout: duration('5s', { atLeastMs: 10, atMostMs: 60_000 }).meta({
    description: 'Timeout of a whole fetch; the call gets 503.',
  }),
  coolDown: duration('2s', { atMostMs: 300_000 }).meta({
    description: 'No fetch is made for this long after a failed one; calls that need one get 503 at once.',
  }),
  insecureHttp: z.boolean().prefault(false).meta({
    description: 'Declares that plain http to a `tokenUrl` on another host is intended; silences the warning.',
  }),
});

/** @returns whether exactly one client credential is configured */
const hasOneCredential = (server: Readonly<Record<string, unknown>>): boolean =>
  ['clientSecretFile', 'privateKeyFile', 'assertionFile'].filter((key) => server[key] !== undefined).length === 1;
const NEEDS_ONE_CREDENTIAL = { message: 'needs exactly one of clientSecretFile, privateKeyFile and assertionFile' };

const TOKEN_KINDS = ['service', 'kubernetes', 'clientCredentials', 'exchange'] as const;

const destinationToken = (context: SchemaContext) =>
  z
    .strictObject({
      service: z
        .strictObject({
          scopes: scopes(),
          lifetime: tokenLifetime('2m').meta({ description: '`exp` − `iat`.' }),
        })
        .optional()
        .meta({
          description:
            'A service token that the gateway signs: `sub` is `outbound.workload`, `aud` the audience, `iss` the one of `upstreamToken`. Reused for three quarters of its lifetime.',
        }),
      kubernetes: z
        .strictObject({
          tokenFile: filePath(context).meta({
            description:
              'Projected ServiceAccount token. Checked at most once a second, so that a new one is picked up.',
          }),
        })
        .optional()
        .meta({ description: 'The projected ServiceAccount token of the pod, unchanged.' }),
      clientCredentials: z
        .strictObject({
          ...authorizationServer(context),
          audience: z.string().min(1).optional().meta({
            description: '`audience` parameter, for servers that support it. Default: not sent.',
          }),
        })
        .refine(hasOneCredential, NEEDS_ONE_CREDENTIAL)
        .optional()
        .meta({
          description:
            'An access token of an authorization server for the workload itself (RFC 6749 §4.4). Reused for three quarters of its `expires_in`.',
        }),
      exchange: z
        .strictObject({
          ...authorizationServer(context),
          whenMissing: z.enum(['refuse', 'service']).prefault('refuse').meta({
            description:
              'What a call without a bearer token gets: `refuse` answers 401, `service` sends a service token of the workload.',
          }),
          maxEntries: count(10_000, { atMost: 1_000_000 }).meta({
            description: 'Most exchanged tokens to keep; the least recently used are dropped first.',
          }),
        })
        .refine(hasOneCredential, NEEDS_ONE_CREDENTIAL)
        .optional()
        .meta({
          description:
            'The bearer token that the workload received from its caller and sends along, exchanged for the audience (RFC 8693). Reused for three quarters of the time that both tokens have left.',
        }),
    })
    .refine((token) => TOKEN_KINDS.filter((kind) => token[kind] !== undefined).length === 1, {
      message: `needs exactly one of ${TOKEN_KINDS.slice(0, -1).join(', ')} and ${TOKEN_KINDS.at(-1)}`,
    });

const destination = (context: SchemaContext) => {
  const { rewrite, requestHeaders, responseHeaders, timeouts, maxBodyBytes, webSocket, pathExceptions, match } =
    ROUTE_KEYS;
  const { host, path, exactPath, methods, otherMethods } = match.shape;
  return z.strictObject({
    id: name().meta({ description: 'Name of the destination in logs and metrics, among those of routes.' }),
    match: z
      .strictObject({
        host: host.meta({
          description:
            'Host or list of hosts that the workload calls, such as orders.internal. Default: 127.0.0.1, localhost and [::1], distinguished by path.',
        }),
        path: path.meta({
          description: 'Path or list of paths, with everything below them. Default: all paths of the host.',
        }),
        exactPath,
        methods,
        otherMethods,
      })
      .refine(({ host, path, exactPath }) => host !== undefined || path !== undefined || exactPath !== undefined, {
        message: 'needs host, path or exactPath',
      })
      .meta({ description: 'Which calls match. The most specific match wins; calls without a match are refused.' }),
    upstream: name().meta({ description: 'One of `upstreams`.' }),
    audience: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .meta({ description: 'Audience of the token. Default: the name of the upstream.' }),
    token: destinationToken(context).meta({
      description: "The token that the gateway adds to a call, in place of the workload's own Authorization header.",
    }),
    hostHeader: z.enum(['endpoint', 'preserve']).prefault('endpoint').meta({
      description: 'Host header: host:port of the endpoint, or the one that the workload called.',
    }),
    rewrite,
    requestHeaders,
    responseHeaders,
    timeouts,
    maxBodyBytes,
    webSocket,
    pathExceptions,
  });
};

/** The section. Limits and timeouts of the listener are those of `listeners.public`. */
export const outbound = (context: SchemaContext) =>
  z.strictObject({
    address: listenAddress()
      .refine(({ host }) => /^127(?:\.\d{1,3}){3}$/.test(host) || host === '::1', {
        message: 'is not a loopback address: any client of this listener acts as the workload',
        params: { code: codes['outbound/not-loopback'], hint: 'write 127.0.0.1:15001 or [::1]:15001' },
      })
      .meta({ description: 'host:port on the loopback that the workload calls.', restart: true }),
    http2: z.boolean().prefault(false).meta({
      description:
        'Serve HTTP/2 beside HTTP/1.1, to programs that start with it (prior knowledge, h2c), such as gRPC clients.',
      restart: true,
    }),
    workload: z
      .string()
      .min(1)
      .max(200)
      .meta({ description: 'Name of the workload: `sub` of its service tokens, and its name in the access log.' }),
    destinations: z
      .array(destination(context))
      .min(1, 'needs at least one destination')
      .meta({ description: 'Services that can be called. Every other call is refused.' }),
  });

/** `outbound`, loaded. */
export type OutboundConfig = z.output<ReturnType<typeof outbound>>;
/** One of `outbound.destinations`, loaded. */
export type DestinationConfig = OutboundConfig['destinations'][number];

/** Lifetime of the service token that a call without a token gets (`exchange.whenMissing`): the default of `service`. */
export const MISSING_TOKEN_LIFETIME_MS = 120_000;

/** The tokens that the section lets the gateway mint. */
export const minted = ({ destinations }: OutboundConfig): readonly MintedToken[] =>
  destinations.flatMap(({ token: { service, exchange } }) => {
    const lifetimeMs = service?.lifetime ?? (exchange?.whenMissing === 'service' ? MISSING_TOKEN_LIFETIME_MS : null);
    return lifetimeMs === null ? [] : [{ lifetimeMs, isOfSession: false }];
  });
