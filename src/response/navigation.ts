/**
 * Whether a person is going to a page, so that a page or a redirect answers, or a program is asking, so that a problem
 * document does. `Sec-Fetch-*` says so; for browsers without it, `Accept` does (design §5).
 */

import type { ScreenedRequest } from '../sanitize/sanitize.ts';

/**
 * Whether the client shows the answer as a page.
 *
 * The mode decides, not the destination: a service worker that passes a navigation on with `fetch(event.request)` keeps
 * the mode `navigate` and sends the destination `empty`.
 *
 * @see Fetch Metadata Request Headers §2.2, §2.3; Fetch §4.5 ("service-workers mode")
 */
export function isNavigation(request: ScreenedRequest): boolean {
  const { secFetchMode, secFetchDest, accept, isScripted } = request.fields;
  if (request.isWebSocket) return false;
  if (secFetchMode !== null) return secFetchMode === 'navigate';
  if (secFetchDest !== null) return secFetchDest === 'document';
  return !isScripted && accept !== null && /(?:^|[,\s])text\/html(?:$|[;,\s])/.test(accept);
}
