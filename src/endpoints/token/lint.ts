/** Rules about the token endpoint: who its clients are, and whether what they may have makes sense. */

import { defineCodes, error, type KeyPath, warning } from '../../config/findings/problem.ts';
import type { DraftEntries, LintContext } from '../../config/lint.ts';
import { reportUnknown, uses, usesByName } from '../../config/names.ts';
import type { TokenEndpointConfig } from './section.ts';

/** Codes of the findings about the token endpoint. */
export const codes = defineCodes({
  'token-endpoint/unknown-issuer': error(
    'A client of the token endpoint, or `subjectIssuers`, names an issuer that is not in `issuers`.',
  ),
  'token-endpoint/duplicate-service': error(
    'Two clients of the token endpoint are the same service: it is unclear which one is meant.',
  ),
  'token-endpoint/unknown-audience': warning(
    'A client may get tokens for an audience that no route and no client of this configuration has. That is correct if the service is behind another gateway.',
  ),
  'token-endpoint/shared-audience': warning(
    'Two clients of the token endpoint have the same audience: a token that one of them received can be exchanged by the other.',
  ),
  'token-endpoint/own-audience': warning(
    'A client may exchange a token for its own audience: this only adds another actor to the chain.',
  ),
  'token-endpoint/subject-audience': warning(
    'Tokens of a subject issuer are accepted for no audience that a client has, so none can be exchanged.',
  ),
  'token-endpoint/lifetime': warning('Tokens of the token endpoint live longer than 15 minutes.'),
  'token-endpoint/shared-key': warning(
    "A token endpoint with HS256: every service that verifies the gateway's tokens can also forge them, so the rules of the exchange limit no one.",
  ),
});

interface TokenEndpointDraft {
  readonly tokenEndpoint?: TokenEndpointConfig | undefined;
  readonly publicOrigin?: readonly string[] | undefined;
  readonly issuers: DraftEntries<{ readonly audience?: string | readonly string[] | undefined }>;
  readonly upstreamToken?: { readonly algorithm: string } | undefined;
  readonly routes: readonly ({ readonly audience?: string | undefined; readonly upstream: string } | undefined)[];
}

type Context = LintContext<TokenEndpointDraft>;
type ClientEntry = readonly [id: string, TokenEndpointConfig['clients'][string]];

/** Longer, and taking a token back begins to matter. */
const LONG_LIFETIME_MS = 15 * 60_000;

/** Applies the rules. */
export function lint(context: Context): void {
  lintNames(context);
  const { tokenEndpoint } = context.draft;
  if (tokenEndpoint === undefined) return;
  const clients = Object.entries(tokenEndpoint.clients);
  lintServices(context, clients);
  lintOwnAudiences(context, clients);
  lintTargets(context, clients);
  lintSubjectIssuers(context, tokenEndpoint, clients);
  lintLifetimes(context, tokenEndpoint);
  lintAlgorithm(context);
}

function lintNames(context: Context): void {
  const found = [
    ...usesByName(context, ['tokenEndpoint', 'clients'], ['service', 'issuer']),
    ...uses(context, ['tokenEndpoint', 'subjectIssuers'], ['issuer']),
  ];
  const known = [...context.draft.issuers.keys()];
  reportUnknown(context, found, known, codes['token-endpoint/unknown-issuer'], 'issuer', 'issuers');
}

const clientPath = (id: string, ...keys: readonly (string | number)[]): KeyPath => [
  'tokenEndpoint',
  'clients',
  id,
  ...keys,
];

const audiencesOf = ([id, { audiences }]: ClientEntry): readonly string[] => audiences ?? [id];

/** A service is one client. */
function lintServices({ source }: Context, clients: readonly ClientEntry[]): void {
  const first = new Map<string, string>();
  for (const [id, { service }] of clients) {
    for (const [index, subject] of (service?.subjects ?? []).entries()) {
      const key = JSON.stringify([service?.issuer, subject]);
      const earlier = first.get(key);
      if (earlier === undefined) first.set(key, id);
      else
        source.report(
          codes['token-endpoint/duplicate-service'],
          clientPath(id, 'service', 'subjects', index),
          `${JSON.stringify(subject)} already identifies client ${JSON.stringify(earlier)}`,
        );
    }
  }
}

function lintOwnAudiences({ source }: Context, clients: readonly ClientEntry[]): void {
  const first = new Map<string, string>();
  for (const client of clients) {
    const [id, { audiences, exchange }] = client;
    for (const audience of audiencesOf(client)) {
      const earlier = first.get(audience);
      if (earlier !== undefined) {
        source.report(
          codes['token-endpoint/shared-audience'],
          clientPath(id, ...(audiences === undefined ? [] : ['audiences'])),
          `clients ${JSON.stringify(earlier)} and ${JSON.stringify(id)} both have audience ${JSON.stringify(audience)}: each can exchange the tokens of the other`,
          null,
          'key',
        );
      }
      first.set(audience, earlier ?? id);
      if (Object.hasOwn(exchange, audience)) {
        source.report(
          codes['token-endpoint/own-audience'],
          clientPath(id, 'exchange', audience),
          `client ${JSON.stringify(id)} may exchange its tokens for tokens with the same audience`,
          'leave out its own audience',
          'key',
        );
      }
    }
  }
}

function lintTargets({ draft, source }: Context, clients: readonly ClientEntry[]): void {
  const routes = draft.routes.map((route) => route?.audience ?? route?.upstream);
  const known = new Set([...routes, ...clients.flatMap(audiencesOf)]);
  for (const [id, client] of clients) {
    for (const grant of ['exchange', 'serviceTokens'] as const) {
      for (const audience of Object.keys(client[grant])) {
        if (known.has(audience)) continue;
        source.report(
          codes['token-endpoint/unknown-audience'],
          clientPath(id, grant, audience),
          `client ${JSON.stringify(id)} may get tokens for ${JSON.stringify(audience)}, which is not an audience of a route or client here`,
          null,
          'key',
        );
      }
    }
  }
}

/** The audience of a subject token is judged twice: by the issuer's own rules, and as that of the client. */
function lintSubjectIssuers(
  { draft, source }: Context,
  { subjectIssuers }: TokenEndpointConfig,
  clients: readonly ClientEntry[],
): void {
  const clientAudiences = new Set(clients.flatMap(audiencesOf));
  for (const [index, { issuer: name }] of subjectIssuers.entries()) {
    const issuer = draft.issuers.get(name);
    if (issuer === undefined) continue;
    const accepted = issuer.audience === undefined ? (draft.publicOrigin ?? []) : [issuer.audience].flat();
    if (accepted.some((audience) => clientAudiences.has(audience))) continue;
    source.report(
      codes['token-endpoint/subject-audience'],
      ['tokenEndpoint', 'subjectIssuers', index],
      `issuer ${JSON.stringify(name)} accepts no audience of a client: none of its tokens can be exchanged`,
      `add the audiences of the clients to issuers.${name}.audience`,
    );
  }
}

function lintLifetimes({ source }: Context, config: TokenEndpointConfig): void {
  for (const key of ['exchangeLifetime', 'serviceTokenLifetime'] as const) {
    if (config[key] <= LONG_LIFETIME_MS) continue;
    source.report(
      codes['token-endpoint/lifetime'],
      ['tokenEndpoint', key],
      `tokenEndpoint.${key} is over 15 minutes: a stolen token works for that long`,
      'clients can request a new one at any time',
    );
  }
}

function lintAlgorithm({ draft, source }: Context): void {
  if (draft.upstreamToken?.algorithm !== 'HS256') return;
  source.report(
    codes['token-endpoint/shared-key'],
    ['tokenEndpoint'],
    'tokenEndpoint accepts tokens that every service with the HS256 secret can forge, for any user and audience',
    'use upstreamToken.algorithm ES256',
    'key',
  );
}
