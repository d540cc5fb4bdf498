/**
 * The section `tokenEndpoint`: who may exchange which tokens, and who gets tokens of its own (docs/how-to/exchange-tokens.md).
 */

import { z } from 'zod';
import { clientCredentials } from '../../authentication/client/section.ts';
import { count, name, type SchemaContext, slowing, tokenLifetime } from '../../config/fields.ts';
import type { MintedToken } from '../../lib/token-limits.ts';

const AUDIENCE_LENGTH = 200;
const audience = () => z.string().min(1).max(AUDIENCE_LENGTH);

/** A scope (RFC 6749 §3.3). */
export const scope = () =>
  z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/, 'is not a scope: no spaces, quotes or "\\"');

const grants = () =>
  z.record(
    audience(),
    z.strictObject({
      scopes: z.array(scope()).prefault([]).meta({ description: 'Scopes that a token for this audience can have.' }),
    }),
  );

const client = (context: SchemaContext) =>
  z
    .strictObject({
      ...clientCredentials(context),
      subject: z.string().min(1).max(200).optional().meta({
        description:
          '`act.sub` of the tokens that it exchanges, and `sub` of its own. Default: the name of the client.',
      }),
      audiences: z.array(audience()).min(1).optional().meta({
        description:
          'Its own audiences: it may exchange only tokens with one of these as `aud`. Default: the name of the client.',
      }),
      exchange: grants().prefault({}).meta({
        description:
          "Tokens that it may get in exchange for a user's token: audience → scopes. Scopes never exceed those of the presented token.",
      }),
      serviceTokens: grants().prefault({}).meta({
        description: 'Tokens that it may get in its own name (grant `client_credentials`): audience → scopes.',
      }),
    })
    .refine(
      (value) => value.clientSecretFile !== undefined || value.jwksFile !== undefined || value.service !== undefined,
      { message: 'needs a credential: clientSecretFile, jwksFile or service' },
    )
    .refine((value) => Object.keys(value.exchange).length + Object.keys(value.serviceTokens).length > 0, {
      message: 'may do nothing: set exchange or serviceTokens',
    });

/** The section. */
export const tokenEndpoint = (context: SchemaContext) =>
  z.strictObject({
    clients: z
      .record(name(), client(context))
      .refine((value) => Object.keys(value).length > 0, { message: 'needs at least one client' })
      .meta({ description: 'Clients of the endpoint: client id → credential and permissions.' }),
    subjectIssuers: z
      .array(
        z.strictObject({
          issuer: name().meta({ description: 'One of `issuers`.' }),
          sharesSessions: z.boolean().optional().meta({
            description:
              '`true`: the issuer is a gateway with the same store, so the `sid` of its tokens names a session of this gateway, and its users are users of this gateway. `false`: a `sid` has no meaning here and is dropped, and its users stay its own. Default: whether its `iss` is that of this gateway.',
          }),
        }),
      )
      .prefault([])
      .meta({ description: 'Issuers besides this gateway whose tokens may be exchanged.' }),
    maxChainDepth: count(3, { atMost: 6 }).meta({
      description: 'Deepest chain of actors (`act`) in a token, and so the number of exchanges in a row.',
    }),
    exchangeLifetime: tokenLifetime('2m').meta({
      description: '`exp` − `iat` of an exchanged token; never beyond the end of the token that was presented.',
    }),
    serviceTokenLifetime: tokenLifetime('5m').meta({
      description: '`exp` − `iat` of a token for the client itself.',
    }),
    limits: z
      .strictObject({
        requestsPerSecond: count(50, { atMost: 100_000 }).meta({
          description: 'Sustained rate of one client per process; further requests get 429.',
        }),
        burst: count(200, { atMost: 1_000_000 }).meta({ description: 'Requests that one client may send at once.' }),
      })
      .prefault({})
      .meta({ description: 'Request rates of one client.' }),
    throttle: z
      .strictObject({
        freeAttemptsPerClient: count(10).meta({
          description:
            'Wrong secrets or assertions for one client from one address (IPv6: its /64) before further ones from there are throttled.',
        }),
        ...slowing(),
      })
      .prefault({})
      .meta({ description: 'How guessing of secrets and assertions is throttled. Counted in the store.' }),
  });

/** `tokenEndpoint`, loaded. */
export type TokenEndpointConfig = z.output<ReturnType<typeof tokenEndpoint>>;

/** The tokens that the section lets the gateway mint. */
export const minted = (config: TokenEndpointConfig): readonly MintedToken[] => [
  { lifetimeMs: config.exchangeLifetime, isOfSession: true },
  { lifetimeMs: config.serviceTokenLifetime, isOfSession: false },
];
