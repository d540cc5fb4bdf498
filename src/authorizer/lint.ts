/** Rules about the authorizer: whom it believes. */

import type { LintContext } from '../config/lint.ts';
import { defineCodes, warning } from '../config/problem.ts';
import { coversMoreThanPrivate } from '../lib/address.ts';

/** Codes of the findings about the authorizer. */
export const codes = defineCodes({
  'authorizer/believes-everyone': warning(
    '`listeners.authorizer.peers` includes every address, so anyone who reaches the listener can describe any request.',
  ),
});

interface AuthorizerDraft {
  readonly listeners?: { readonly authorizer?: { readonly peers: readonly string[] } | undefined } | undefined;
}

/** Applies the rules. */
export function lint({ draft, source }: LintContext<AuthorizerDraft>): void {
  for (const [index, cidr] of (draft.listeners?.authorizer?.peers ?? []).entries()) {
    if (!coversMoreThanPrivate(cidr)) continue;
    source.report(
      codes['authorizer/believes-everyone'],
      ['listeners', 'authorizer', 'peers', index],
      `listeners.authorizer.peers has ${cidr}: anyone who reaches this listener can describe any request, and name any client`,
      'list the addresses of your proxies',
    );
  }
}
