/** Rules about revocation. */

import { defineCodes, warning } from '../../config/findings/problem.ts';
import type { LintContext } from '../../config/lint.ts';
import { isShared, SHARED_STORE_KEYS } from '../../store/kinds.ts';
import type { StoreConfig } from '../../store/section.ts';
import type { RevocationConfig } from './section.ts';

/** Codes of the findings about revocation. */
export const codes = defineCodes({
  'revocation/memory': warning(
    '`revocation.outageGrace` without `store.redis`: the gateway learns of no revocations but its own, so the key has no effect.',
  ),
});

interface RevocationDraft {
  readonly revocation?: RevocationConfig | undefined;
  readonly store?: StoreConfig | undefined;
}

/** Applies the rules. */
export function lint({ draft, source }: LintContext<RevocationDraft>): void {
  const { revocation, store } = draft;
  if (store === undefined || isShared(store) || revocation?.outageGrace === undefined) return;
  source.report(
    codes['revocation/memory'],
    ['revocation', 'outageGrace'],
    `revocation.outageGrace has no effect without ${SHARED_STORE_KEYS}: this gateway learns of no revocations but its own`,
    `set ${SHARED_STORE_KEYS}, or remove it`,
    'key',
  );
}
