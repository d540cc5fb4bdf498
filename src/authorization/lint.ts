/** Rules about `allow`: whether anybody can ever pass. */

import { compileCredential, isPublic, type WrittenCredential } from '../authentication/credential.ts';
import { issuersOf } from '../authentication/service-token/kind.ts';
import type { DraftEntries, LintContext } from '../config/lint.ts';
import { defineCodes, error, type KeyPath } from '../config/problem.ts';
import type { AllowConfig } from './section.ts';

/** Codes of the findings about `allow`. */
export const codes = defineCodes({
  'routes/allow-on-public': error('`allow` on a route with `credential: none`: no request could ever pass.'),
  'routes/service-accounts': error(
    '`allow.serviceAccounts` on a route that accepts tokens of no issuer with `kubernetes`: no request could ever pass.',
  ),
});

interface AllowDraft {
  readonly routes: readonly (Route | undefined)[];
  readonly issuers: DraftEntries<{ readonly kubernetes?: object | undefined }>;
}

interface Route {
  readonly id: string;
  readonly credential: WrittenCredential;
  readonly allow?: AllowConfig | undefined;
}

type Context = LintContext<AllowDraft>;

/** Applies the rules. */
export function lint(context: Context): void {
  lintPublic(context);
  lintServiceAccounts(context);
}

function lintPublic({ draft, source }: Context): void {
  for (const [index, route] of draft.routes.entries()) {
    if (route?.allow === undefined || !isPublic(route.credential)) continue;
    source.report(
      codes['routes/allow-on-public'],
      ['routes', index, 'allow'],
      `route ${JSON.stringify(route.id)} is public and has an allow rule, which no request can pass`,
      'give it a credential, or remove allow',
      'key',
    );
  }
}

function lintServiceAccounts({ draft, source }: Context): void {
  for (const [index, route] of draft.routes.entries()) {
    if (route?.allow === undefined) continue;
    if (issuersOf(compileCredential(route.credential)).some((name) => isCluster(draft, name))) continue;
    for (const path of serviceAccountRules(route.allow)) {
      source.report(
        codes['routes/service-accounts'],
        ['routes', index, 'allow', ...path],
        `route ${JSON.stringify(route.id)} allows ServiceAccounts, but accepts tokens of no issuer with kubernetes: no request can have one`,
        'list such an issuer in credential, or use subjects for a cluster with public keys',
        'key',
      );
    }
  }
}

/** An issuer that is not valid may be a cluster. */
function isCluster({ issuers }: AllowDraft, name: string): boolean {
  const issuer = issuers.get(name);
  return issuer === undefined || issuer.kubernetes !== undefined;
}

function serviceAccountRules(allow: AllowConfig): KeyPath[] {
  const below = (['any', 'all'] as const).flatMap((key) =>
    (allow[key] ?? []).flatMap((leaf, index) =>
      leaf.serviceAccounts === undefined ? [] : [[key, index, 'serviceAccounts']],
    ),
  );
  return allow.serviceAccounts === undefined ? below : [['serviceAccounts'], ...below];
}
