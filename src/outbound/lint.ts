/** Rules about the outbound side: its destinations and their tokens. */

import type { KeyPath } from '../config/findings/problem.ts';
import { type DraftEntries, entryPath, type LintContext } from '../config/lint.ts';
import { reportDuplicates, reportUnknown, uses } from '../config/names.ts';
import { isLoopbackHost } from '../lib/address.ts';
import { patternShape } from '../routing/coverage.ts';
import { changedHeaders, lintRewrite } from '../routing/lint.ts';
import { routePatterns } from '../routing/route.ts';
import { asRoute } from './destination.ts';
import { codes, type DestinationConfig, type OutboundConfig } from './section.ts';

interface OutboundDraft {
  readonly outbound?: OutboundConfig | undefined;
  readonly upstreams: DraftEntries<object>;
  readonly upstreamToken?: { readonly algorithm: string; readonly keys?: object | undefined } | undefined;
}

type Context = LintContext<OutboundDraft>;

/** Applies the rules. */
export function lint(context: Context): void {
  lintNames(context);
  const destinations = context.draft.outbound?.destinations ?? [];
  for (const [index, destination] of destinations.entries()) {
    const path = ['outbound', 'destinations', index];
    lintHosts(context, destination, path);
    lintHeaderRules(context, destination, path);
    lintAuthorizationServer(context, destination, path);
    lintSigningKey(context, destination, path);
    lintRewrite(context, asRoute(destination), path);
  }
  lintDuplicates(context, destinations);
}

function lintNames(context: Context): void {
  const upstreams = uses(context, ['outbound', 'destinations'], ['upstream']);
  const known = [...context.draft.upstreams.keys()];
  reportUnknown(context, upstreams, known, codes['outbound/unknown-upstream'], 'upstream', 'upstreams');
  const ids = uses(context, ['outbound', 'destinations'], ['id']);
  const all = [...uses(context, ['routes'], ['id']), ...ids];
  reportDuplicates(context, all, codes['outbound/duplicate-id'], 'id', ids);
}

function lintHosts(context: Context, { id, match }: DestinationConfig, path: KeyPath): void {
  for (const [index, host] of (match.host ?? []).entries()) {
    if (host !== '*') continue;
    context.source.report(
      codes['outbound/any-host'],
      entryPath(context, [...path, 'match', 'host'], index),
      `destination ${JSON.stringify(id)} is for any host: a web page could reach it under a name of its own`,
      'name the hosts that the workload calls',
    );
  }
}

function lintHeaderRules({ source }: Context, { id, requestHeaders }: DestinationConfig, path: KeyPath): void {
  for (const [name, at] of changedHeaders(requestHeaders, [...path, 'requestHeaders'])) {
    if (name.toLowerCase() !== 'authorization') continue;
    const message = `${name} carries the token of destination ${JSON.stringify(id)}: a header rule must not touch it`;
    source.report(codes['outbound/token-overwritten'], at, message, 'remove the rule', 'key');
  }
}

function lintAuthorizationServer({ source }: Context, { id, token }: DestinationConfig, path: KeyPath): void {
  const kind = token.exchange === undefined ? 'clientCredentials' : 'exchange';
  const server = token[kind];
  if (server === undefined || server.insecureHttp) return;
  const { protocol, hostname } = new URL(server.tokenUrl);
  if (protocol === 'https:' || isLoopbackHost(hostname)) return;
  source.report(
    codes['outbound/plain-http'],
    [...path, 'token', kind, 'tokenUrl'],
    `destination ${JSON.stringify(id)} gets its tokens over plain http from ${hostname}: anyone on the network path can read them`,
    'use https, or write insecureHttp: true if something else encrypts it',
  );
}

/** Tokens that the gateway signs for a destination are verified elsewhere. */
function lintSigningKey({ draft, source }: Context, { id, token }: DestinationConfig, path: KeyPath): void {
  const { upstreamToken } = draft;
  const signs = token.service !== undefined || token.exchange?.whenMissing === 'service';
  if (
    !signs ||
    upstreamToken === undefined ||
    upstreamToken.keys !== undefined ||
    upstreamToken.algorithm === 'HS256'
  ) {
    return;
  }
  source.report(
    codes['outbound/memory-key'],
    [...path, 'token'],
    `destination ${JSON.stringify(id)} gets service tokens signed by a key that is lost when this process ends`,
    'set upstreamToken.keys.directory, so that the destinations can know its JWKS',
    'key',
  );
}

function lintDuplicates({ source }: Context, destinations: readonly DestinationConfig[]): void {
  const first = new Map<string, string>();
  for (const [index, destination] of destinations.entries()) {
    const methods = destination.match.methods ?? ['any'];
    const claims = routePatterns(asRoute(destination), []).flatMap((pattern) =>
      methods.map((method) => `${method} ${patternShape(pattern)}`),
    );
    const taken = claims.find((claim) => first.has(claim));
    for (const claim of claims) first.set(claim, first.get(claim) ?? destination.id);
    if (taken === undefined) continue;
    const other = JSON.stringify(first.get(taken));
    source.report(
      codes['outbound/duplicate'],
      ['outbound', 'destinations', index, 'match'],
      `destination ${JSON.stringify(destination.id)} has the same host, path and method as ${other}`,
      null,
      'key',
    );
  }
}
