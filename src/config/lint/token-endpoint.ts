/**
 * Rules about the token endpoint: who its clients are, and whether what they may have makes sense.
 */

import type { KeyPath } from '../problem.ts';
import type { Config } from '../schema.ts';
import type { LintContext } from './draft.ts';

type TokenEndpointConfig = NonNullable<Config['tokenEndpoint']>;
type Client = readonly [id: string, TokenEndpointConfig['clients'][string]];

/** Longer, and taking a token back begins to matter. */
const LONG_LIFETIME_MS = 15 * 60_000;

/** @see PROBLEM_CODES for what each finding means */
export function lintTokenEndpoint(context: LintContext): void {
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

const clientPath = (id: string, ...keys: readonly (string | number)[]): KeyPath => [
  'tokenEndpoint',
  'clients',
  id,
  ...keys,
];

const audiencesOf = ([id, { audiences }]: Client): readonly string[] => audiences ?? [id];

/** A service is one client. */
function lintServices({ source }: LintContext, clients: readonly Client[]): void {
  const first = new Map<string, string>();
  for (const [id, { service }] of clients) {
    for (const [index, subject] of (service?.subjects ?? []).entries()) {
      const key = JSON.stringify([service?.issuer, subject]);
      const earlier = first.get(key);
      if (earlier === undefined) first.set(key, id);
      else
        source.report(
          'token-endpoint/duplicate-service',
          clientPath(id, 'service', 'subjects', index),
          `${JSON.stringify(subject)} is client ${JSON.stringify(earlier)} already`,
        );
    }
  }
}

function lintOwnAudiences({ source }: LintContext, clients: readonly Client[]): void {
  const first = new Map<string, string>();
  for (const client of clients) {
    const [id, { audiences, exchange }] = client;
    for (const audience of audiencesOf(client)) {
      const earlier = first.get(audience);
      if (earlier !== undefined) {
        source.report(
          'token-endpoint/shared-audience',
          clientPath(id, ...(audiences === undefined ? [] : ['audiences'])),
          `clients ${JSON.stringify(earlier)} and ${JSON.stringify(id)} both are audience ${JSON.stringify(audience)}: each can exchange what the other one received`,
          null,
          'key',
        );
      }
      first.set(audience, earlier ?? id);
      if (Object.hasOwn(exchange, audience)) {
        source.report(
          'token-endpoint/own-audience',
          clientPath(id, 'exchange', audience),
          `client ${JSON.stringify(id)} may exchange its tokens for others like them`,
          'leave its own audience out',
          'key',
        );
      }
    }
  }
}

function lintTargets({ draft, source }: LintContext, clients: readonly Client[]): void {
  const routes = draft.routes.map((route) => route?.audience ?? route?.upstream);
  const known = new Set([...routes, ...clients.flatMap(audiencesOf)]);
  for (const [id, client] of clients) {
    for (const grant of ['exchange', 'serviceTokens'] as const) {
      for (const audience of Object.keys(client[grant])) {
        if (known.has(audience)) continue;
        source.report(
          'token-endpoint/unknown-audience',
          clientPath(id, grant, audience),
          `client ${JSON.stringify(id)} may have tokens for ${JSON.stringify(audience)}, which is no audience of a route or of a client here`,
          null,
          'key',
        );
      }
    }
  }
}

/** The audience of a subject token is judged twice: by the issuer's own rules, and as that of the client. */
function lintSubjectIssuers(
  { draft, source }: LintContext,
  { subjectIssuers }: TokenEndpointConfig,
  clients: readonly Client[],
): void {
  const clientAudiences = new Set(clients.flatMap(audiencesOf));
  for (const [index, { issuer: name }] of subjectIssuers.entries()) {
    const issuer = draft.issuers.get(name);
    if (issuer === undefined) continue;
    const accepted = issuer.audience === undefined ? (draft.publicOrigin ?? []) : [issuer.audience].flat();
    if (accepted.some((audience) => clientAudiences.has(audience))) continue;
    source.report(
      'token-endpoint/subject-audience',
      ['tokenEndpoint', 'subjectIssuers', index],
      `issuer ${JSON.stringify(name)} accepts no audience that a client has: none of its tokens can be exchanged`,
      `add the audiences of the clients to issuers.${name}.audience`,
    );
  }
}

function lintLifetimes({ source }: LintContext, config: TokenEndpointConfig): void {
  for (const key of ['exchangeLifetime', 'serviceTokenLifetime'] as const) {
    if (config[key] <= LONG_LIFETIME_MS) continue;
    source.report(
      'token-endpoint/lifetime',
      ['tokenEndpoint', key],
      `tokenEndpoint.${key} is over 15 minutes: whoever gets hold of a token has it for that long`,
      'clients can ask again whenever they need one',
    );
  }
}

function lintAlgorithm({ draft, source }: LintContext): void {
  if (draft.upstreamToken?.algorithm !== 'HS256') return;
  source.report(
    'token-endpoint/shared-key',
    ['tokenEndpoint'],
    'tokenEndpoint takes tokens that every service with the HS256 secret can make itself, for whatever user and audience',
    'use upstreamToken.algorithm ES256',
    'key',
  );
}
