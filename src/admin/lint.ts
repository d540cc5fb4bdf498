/** Rules about the admin listener. */

import { defineCodes, warning } from '../config/findings/problem.ts';
import type { LintContext } from '../config/lint.ts';
import { isLoopbackHost } from '../lib/address.ts';
import type { AdminListenerConfig } from './section.ts';

/** Codes of the findings about the admin listener. */
export const codes = defineCodes({
  'admin/no-token': warning('The admin listener can be reached from elsewhere and has no token: its API answers 403.'),
});

interface AdminDraft {
  readonly listeners?: { readonly admin: AdminListenerConfig } | undefined;
}

/** Applies the rules. */
export function lint({ draft, source }: LintContext<AdminDraft>): void {
  if (draft.listeners === undefined) return;
  const { admin } = draft.listeners;
  if (admin.tokenFile === undefined && !isLoopbackHost(admin.address.host)) {
    source.report(
      codes['admin/no-token'],
      ['listeners', 'admin', 'address'],
      'listeners.admin can be reached from elsewhere and has no tokenFile: its API answers every request with 403',
      'set listeners.admin.tokenFile',
    );
  }
}
