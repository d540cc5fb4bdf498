/** Rules about processes: what several of them have to share. */

import { defineCodes, error } from '../config/findings/problem.ts';
import type { LintContext } from '../config/lint.ts';
import { isShared, SHARED_STORE_KEYS } from '../store/kinds.ts';
import type { StoreConfig } from '../store/section.ts';

/** Codes of the findings about processes. */
export const codes = defineCodes({
  'workers/store': error('Several processes need a store that all of them share: `store.redis`.'),
  'workers/signing-key': error(
    'Several processes need signing keys that all of them share: `upstreamToken.keys.directory`, or HS256 with a secret file.',
  ),
});

interface WorkersDraft {
  readonly workers?: number | 'auto' | undefined;
  readonly store?: StoreConfig | undefined;
  readonly upstreamToken?: { readonly algorithm: string; readonly keys?: object | undefined } | undefined;
}

/** Applies the rules. `auto` is one process with the embedded store, whatever the machine has. */
export function lint({ draft, source }: LintContext<WorkersDraft>): void {
  const { workers, store, upstreamToken } = draft;
  const hasSharedStore = store !== undefined && isShared(store);
  const areSeveral = workers === 'auto' ? hasSharedStore : workers !== undefined && workers > 1;
  if (!areSeveral) return;
  if (store !== undefined && !hasSharedStore) {
    source.report(
      codes['workers/store'],
      ['workers'],
      `more than one worker needs ${SHARED_STORE_KEYS}`,
      `set ${SHARED_STORE_KEYS}, or workers: 1`,
    );
  }
  if (upstreamToken !== undefined && upstreamToken.keys === undefined && upstreamToken.algorithm !== 'HS256') {
    source.report(
      codes['workers/signing-key'],
      ['workers'],
      'more than one worker needs upstreamToken.keys',
      'set upstreamToken.keys.directory',
    );
  }
}
