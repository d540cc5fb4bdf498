/** Where routes name what a kind of credential is configured with, for the rules of each kind. */

import type { LintContext } from '../config/lint.ts';
import { type Use, uses } from '../config/names.ts';
import { valueAt } from '../config/report.ts';

/**
 * The names that routes list for a kind of credential, as they are written, valid or not.
 *
 * @param key  of the kind: `service` finds those in `credential: { service: […] }` and in `credential: [session, { service: […] }]`
 */
export function credentialUses(context: Pick<LintContext<unknown>, 'source'>, key: string): Use[] {
  const routes = valueAt(context.source.value, ['routes']);
  if (!Array.isArray(routes)) return [];
  return routes.flatMap((_, index) => {
    const path = ['routes', index, 'credential'];
    const written = valueAt(context.source.value, path);
    const entries = Array.isArray(written) ? written.map((_entry, position) => [...path, position]) : [path];
    return entries.flatMap((entry) => uses(context, [...entry, key], []));
  });
}
