/** Rules about the store: which one, and what follows from it. */

import type { LintContext } from '../config/lint.ts';
import { defineCodes, error, warning } from '../config/problem.ts';
import { isLoopbackHost } from '../lib/address.ts';
import { lint as lintRedis } from './redis/lint.ts';
import type { StoreConfig } from './section.ts';

/** Codes of the findings about the store. */
export const codes = defineCodes({
  'store/both': error('Both `store.memory` and `store.redis`.'),
  'store/memory': warning(
    'Sessions are kept in this process and lost when it ends. Write `store: { memory: {} }` if that is meant.',
  ),
});

interface StoreDraft {
  readonly store?: StoreConfig | undefined;
  readonly listeners?: { readonly public: { readonly address: { readonly host: string } } } | undefined;
}

/** Applies the rules. */
export function lint({ draft, source }: LintContext<StoreDraft>): void {
  const { store, listeners } = draft;
  if (store === undefined) return;
  const { memory, redis } = store;
  if (memory !== undefined && redis !== undefined) {
    source.report(
      codes['store/both'],
      ['store', 'memory'],
      'store has both memory and redis',
      'keep one of them',
      'key',
    );
  }
  const isPublic = listeners !== undefined && !isLoopbackHost(listeners.public.address.host);
  if (redis === undefined && memory === undefined && isPublic) {
    source.report(
      codes['store/memory'],
      ['store'],
      'sessions are kept in this process: lost when it ends, unknown to other replicas',
      'set store.redis, or write store: { memory: {} } if that is meant',
      'key',
    );
  }
  if (redis !== undefined) lintRedis(redis, source);
}
