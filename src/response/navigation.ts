/**
 * Whether a request is a person going to a page, so that a page or a redirect answers it, or a program, so that a
 * problem document does. `Sec-Fetch-*` says so; browsers without it are told by `Accept` (design §5).
 */

import type { ScreenedRequest } from '../sanitize/sanitize.ts';

/** Whether the client shows what it gets as a page. */
export function isNavigation(request: ScreenedRequest): boolean {
  const { secFetchMode, secFetchDest, accept } = request.fields;
  if (request.isWebSocket) return false;
  if (secFetchMode !== null || secFetchDest !== null) return secFetchMode === 'navigate' && secFetchDest !== 'empty';
  return accept !== null && /(?:^|[,\s])text\/html(?:$|[;,\s])/.test(accept);
}
