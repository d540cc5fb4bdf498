/** Rules about the store: which one, and what follows from it. */

import { defineCodes, error, warning } from '../config/findings/problem.ts';
import type { LintContext } from '../config/lint.ts';
import { isLoopbackHost } from '../lib/address.ts';
import { NETWORKED_CODES, namedStores, SHARED_STORE_KEYS } from './kinds.ts';
import type { StoreConfig } from './section.ts';

/** Codes of the findings about the store. */
export const codes = {
  ...defineCodes({
    'store/both': error('Both `store.memory` and `store.redis`.'),
    'store/memory': warning(
      'Sessions are kept in this process and lost when it ends. Write `store: { memory: {} }` if that is intended.',
    ),
  }),
  ...NETWORKED_CODES,
};

interface StoreDraft {
  readonly store?: StoreConfig | undefined;
  readonly listeners?: { readonly public: { readonly address: { readonly host: string } } } | undefined;
}

/** Applies the rules. */
export function lint({ draft, source }: LintContext<StoreDraft>): void {
  const { store, listeners } = draft;
  if (store === undefined) return;
  const stores = namedStores(store);
  const [first, second] = [...(store.memory === undefined ? [] : ['memory']), ...stores.map(({ kind }) => kind)];
  if (first !== undefined && second !== undefined) {
    const message = `store has both ${first} and ${second}`;
    source.report(codes['store/both'], ['store', first], message, 'keep one of them', 'key');
  }
  const isPublic = listeners !== undefined && !isLoopbackHost(listeners.public.address.host);
  if (first === undefined && isPublic) {
    source.report(
      codes['store/memory'],
      ['store'],
      'sessions are kept in this process: they are lost when it ends, and other replicas do not know them',
      `set ${SHARED_STORE_KEYS}, or write store: { memory: {} } if that is intended`,
      'key',
    );
  }
  for (const networked of stores) networked.lint(source);
}
