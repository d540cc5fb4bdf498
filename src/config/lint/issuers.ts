/**
 * Rules about issuers: how their keys travel, how long they are used, and whether a route can have what it asks for.
 */

import { isLoopbackHost } from '../../lib/address.ts';
import type { KeyPath } from '../problem.ts';
import type { AllowConfig, CredentialConfig, IssuerConfig } from '../schema.ts';
import type { LintContext } from './draft.ts';

/** @see PROBLEM_CODES for what each finding means */
export function lintIssuers(context: LintContext): void {
  for (const [name, issuer] of context.draft.issuers) {
    if (issuer === undefined) continue;
    lintAddresses(context, name, issuer);
    lintStaleness(context, name, issuer);
  }
  lintServiceAccounts(context);
}

/** Whoever can change the answer can make tokens: this is an error, where plain http to an upstream is a warning. */
function lintAddresses({ source }: LintContext, name: string, issuer: IssuerConfig): void {
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
      'issuers/plain-http',
      ['issuers', name, ...path],
      `the keys of issuer ${JSON.stringify(name)} are fetched by plain http from ${url.hostname}: whoever can change the answer can make tokens`,
      'use https, or write fetch: { insecureHttp: true } if something else encrypts it',
    );
  }
}

function lintStaleness({ source }: LintContext, name: string, { fetch }: IssuerConfig): void {
  if (fetch.maxStale >= fetch.refreshEvery * 1.1) return;
  source.report(
    'issuers/max-stale',
    ['issuers', name, 'fetch', 'maxStale'],
    `issuers.${name}.fetch.maxStale is not longer than refreshEvery: its tokens would get 503 before the keys are fetched again`,
  );
}

function lintServiceAccounts({ draft, source }: LintContext): void {
  for (const [index, route] of draft.routes.entries()) {
    if (route?.allow === undefined || acceptedIssuers(route.credential).some((name) => isCluster(draft, name)))
      continue;
    for (const path of serviceAccountRules(route.allow)) {
      source.report(
        'routes/service-accounts',
        ['routes', index, 'allow', ...path],
        `route ${JSON.stringify(route.id)} allows ServiceAccounts, but accepts the tokens of no issuer with kubernetes: nobody has one`,
        'list such an issuer in credential, or use subjects for a cluster whose keys are at a public address',
        'key',
      );
    }
  }
}

/** An issuer that is not valid may be a cluster. */
function isCluster({ issuers }: LintContext['draft'], name: string): boolean {
  const issuer = issuers.get(name);
  return issuer === undefined || issuer.kubernetes !== undefined;
}

function acceptedIssuers(credential: CredentialConfig): readonly string[] {
  if (typeof credential === 'string') return [];
  if (Array.isArray(credential)) return credential[1].service;
  return 'service' in credential ? credential.service : [];
}

function serviceAccountRules(allow: AllowConfig): KeyPath[] {
  const below = (['any', 'all'] as const).flatMap((key) =>
    (allow[key] ?? []).flatMap((leaf, index) =>
      leaf.serviceAccounts === undefined ? [] : [[key, index, 'serviceAccounts']],
    ),
  );
  return allow.serviceAccounts === undefined ? below : [['serviceAccounts'], ...below];
}
