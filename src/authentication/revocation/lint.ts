/** Rules about revocation. */

import type { LintContext } from '../../config/lint.ts';
import { defineCodes, warning } from '../../config/problem.ts';
import type { RevocationConfig } from './section.ts';

/** Codes of the findings about revocation. */
export const codes = defineCodes({
  'revocation/memory': warning(
    '`revocation.outageGrace` without `store.redis`: the gateway hears of no revocation but its own, however long ago that was.',
  ),
});

interface RevocationDraft {
  readonly revocation?: RevocationConfig | undefined;
  readonly store?: { readonly redis?: object | undefined } | undefined;
}

/** Applies the rules. */
export function lint({ draft, source }: LintContext<RevocationDraft>): void {
  const { revocation, store } = draft;
  if (store === undefined || store.redis !== undefined || revocation?.outageGrace === undefined) return;
  source.report(
    codes['revocation/memory'],
    ['revocation', 'outageGrace'],
    'revocation.outageGrace has no effect without store.redis: this gateway hears of no revocations but its own',
    'set store.redis, or remove it',
    'key',
  );
}
