/** Rules about issuers: how their keys travel, how long they are used, and whether anything accepts their tokens. */

import { defineCodes, error, type KeyPath } from '../../config/findings/problem.ts';
import type { DraftEntries, LintContext } from '../../config/lint.ts';
import { reportUnknown, reportUnused, uses, usesByName } from '../../config/names.ts';
import { isLoopbackHost } from '../../lib/address.ts';
import { credentialUses } from '../lint.ts';
import type { IssuerConfig } from './section.ts';

/** Codes of the findings about issuers. */
export const codes = defineCodes({
  'routes/unknown-issuer': error('A route names an issuer that is not in `issuers`.'),
  'issuers/plain-http': error(
    'Keys of an issuer are fetched over plain http from a host other than this machine: anyone who can change the response can forge tokens.',
  ),
  'issuers/max-stale': error(
    '`maxStale` of an issuer is not longer than the time between two fetches: its last good keys would expire before they are fetched again.',
  ),
});

type Context = LintContext<{ readonly issuers: DraftEntries<IssuerConfig> }>;

/** Applies the rules. */
export function lint(context: Context): void {
  lintUses(context);
  for (const [name, issuer] of context.draft.issuers) {
    if (issuer === undefined) continue;
    lintAddresses(context, name, issuer);
    lintStaleness(context, name, issuer);
  }
}

function lintUses(context: Context): void {
  const listed = credentialUses(context, 'service');
  const known = [...context.draft.issuers.keys()];
  reportUnknown(context, listed, known, codes['routes/unknown-issuer'], 'issuer', 'issuers');
  const users = [
    ...listed,
    ...uses(context, ['login', 'trustedBackends'], ['service', 'issuer']),
    ...usesByName(context, ['tokenEndpoint', 'clients'], ['service', 'issuer']),
    ...uses(context, ['tokenEndpoint', 'subjectIssuers'], ['issuer']),
  ];
  reportUnused(context, 'issuers', known, users, 'nothing accepts its tokens');
}

/** An error, where plain http to an upstream is a warning: anyone who can alter the response can forge tokens. */
function lintAddresses({ source }: Context, name: string, issuer: IssuerConfig): void {
  if (issuer.fetch.insecureHttp) return;
  const { jwksUrl, discovery, spiffe, kubernetes } = issuer;
  const addresses: readonly (readonly [KeyPath, string | undefined])[] = [
    [['jwksUrl'], jwksUrl],
    [['discovery'], discovery],
    [['spiffe', 'bundleUrl'], spiffe?.bundleUrl],
    [['kubernetes', 'apiServer'], kubernetes?.apiServer],
  ];
  for (const [path, address] of addresses) {
    const url = address === undefined ? null : new URL(address);
    if (url === null || url.protocol === 'https:' || isLoopbackHost(url.hostname)) continue;
    source.report(
      codes['issuers/plain-http'],
      ['issuers', name, ...path],
      `the keys of issuer ${JSON.stringify(name)} are fetched over plain http from ${url.hostname}: anyone who can change the response can forge tokens`,
      'use https, or write fetch: { insecureHttp: true } if something else encrypts it',
    );
  }
}

function lintStaleness({ source }: Context, name: string, { fetch }: IssuerConfig): void {
  if (fetch.maxStale >= fetch.refreshEvery * 1.1) return;
  source.report(
    codes['issuers/max-stale'],
    ['issuers', name, 'fetch', 'maxStale'],
    `issuers.${name}.fetch.maxStale is not longer than refreshEvery: its tokens would get 503 before the keys are fetched again`,
  );
}
