/** Rules about the authorizer: which proxies it trusts. */

import { defineCodes, warning } from '../config/findings/problem.ts';
import type { LintContext } from '../config/lint.ts';
import { coversMoreThanPrivate } from '../lib/address.ts';

/** Codes of the findings about the authorizer. */
export const codes = defineCodes({
  'authorizer/believes-everyone': warning(
    '`peers` of an authorizer includes every address, so anyone who reaches the listener can describe any request.',
  ),
});

const LISTENERS = ['authorizer', 'grpcAuthorizer'] as const;

interface AuthorizerDraft {
  readonly listeners?:
    | { readonly [L in (typeof LISTENERS)[number]]?: { readonly peers: readonly string[] } | undefined }
    | undefined;
}

/** Applies the rules. */
export function lint({ draft, source }: LintContext<AuthorizerDraft>): void {
  for (const listener of LISTENERS) {
    for (const [index, cidr] of (draft.listeners?.[listener]?.peers ?? []).entries()) {
      if (!coversMoreThanPrivate(cidr)) continue;
      source.report(
        codes['authorizer/believes-everyone'],
        ['listeners', listener, 'peers', index],
        `listeners.${listener}.peers has ${cidr}: anyone who reaches this listener can describe any request, and name any client`,
        'list the addresses of your proxies',
      );
    }
  }
}
