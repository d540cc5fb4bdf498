/**
 * The section `tokenEndpoint`: who may exchange which tokens, and who gets tokens of its own (docs/how-to/exchange-tokens.md).
 */

import { z } from 'zod';
import { clientCredentials } from '../../authentication/client/section.ts';
import { count, duration, name, type SchemaContext, tokenLifetime } from '../../config/fields.ts';
import type { MintedToken } from '../../lib/token-limits.ts';

const AUDIENCE_LENGTH = 200;
const audience = () => z.string().min(1).max(AUDIENCE_LENGTH);

/** RFC 6749 §3.3. */
const scope = () => z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/, 'is not a scope: no spaces, quotes or "\\"');

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
        description: '`act.sub` of what it exchanges, and `sub` of tokens of its own. Default: the name of the client.',
      }),
      audiences: z.array(audience()).min(1).optional().meta({
        description:
          'Who it is: it may exchange only tokens that were made out to one of these. Default: the name of the client.',
      }),
      exchange: grants().prefault({}).meta({
        description:
          "Audience → what it may get for it in exchange for a user's token. Scopes are never more than those of the token that it presents.",
      }),
      serviceTokens: grants()
        .prefault({})
        .meta({ description: 'Audience → what it may get for it in its own name (grant `client_credentials`).' }),
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
      .meta({ description: 'Who may call: client id → its credential, and what it may have.' }),
    subjectIssuers: z
      .array(
        z.strictObject({
          issuer: name().meta({ description: 'One of `issuers`.' }),
          sharesSessions: z.boolean().optional().meta({
            description:
              '`true`: it is a gateway with the same store, so the `sid` of its tokens names a session here, and its users are ours. `false`: a `sid` means nothing here and is left out, and its users stay its own. Default: whether its `iss` is ours.',
          }),
        }),
      )
      .prefault([])
      .meta({ description: 'Issuers, besides ourselves, whose tokens may be exchanged.' }),
    maxChainDepth: count(3, { atMost: 6 }).meta({
      description:
        'Actors that a token can name one inside the other (`act`): how many exchanges can follow each other.',
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
          description: 'Of one client, in one process, over time; more get 429.',
        }),
        burst: count(200, { atMost: 1_000_000 }).meta({ description: 'Requests of one client at once.' }),
        freeFailures: count(10).meta({
          description:
            'Wrong secrets or assertions for one client from one address (IPv6: its /64) before they are slowed.',
        }),
        maxDelay: duration('5m', { atLeastMs: 1_000, atMostMs: 86_400_000 }).meta({
          description: 'They are slowed by 1 s, 2 s, 4 s and so on, up to this. Other addresses are not concerned.',
        }),
        window: duration('1h', { atLeastMs: 1_000 }).meta({
          description: 'Failures are forgotten after this long without another.',
        }),
      })
      .prefault({})
      .meta({ description: 'How much one client may ask for, and how guessing is slowed.' }),
  });

/** `tokenEndpoint`, loaded. */
export type TokenEndpointConfig = z.output<ReturnType<typeof tokenEndpoint>>;

/** The tokens that the section lets the gateway mint. */
export const minted = (config: TokenEndpointConfig): readonly MintedToken[] => [
  { lifetimeMs: config.exchangeLifetime, isOfSession: true },
  { lifetimeMs: config.serviceTokenLifetime, isOfSession: false },
];
