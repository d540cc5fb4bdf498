/**
 * Whether a person is going to a page, so that a page or a redirect answers, or a program is asking, so that a problem
 * document does. `Sec-Fetch-*` says so; for browsers without it, `Accept` does (design §5).
 */

import { valuesIn } from '../lib/http/field.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';

/** The headers that say it. */
type NavigationFields = Pick<ScreenedRequest['fields'], 'secFetchMode' | 'secFetchDest' | 'accept' | 'isScripted'>;

/**
 * Whether the client shows the answer as a page.
 *
 * The mode decides, not the destination: a service worker that passes a navigation on with `fetch(event.request)` keeps
 * the mode `navigate` and sends the destination `empty`.
 *
 * @see Fetch Metadata Request Headers §2.2, §2.3; Fetch §4.5 ("service-workers mode")
 */
export function isNavigation(request: ScreenedRequest): boolean {
  return !request.isWebSocket && isByPerson(request.fields);
}

/** The same for a request that was refused before it was screened: its header list decides only what the refusal looks like. */
export function isNavigationHead(rawHeaders: readonly string[]): boolean {
  const value = (wanted: string) => valuesIn(rawHeaders, wanted)[0] ?? null;
  return (
    value('upgrade') === null &&
    isByPerson({
      secFetchMode: value('sec-fetch-mode'),
      secFetchDest: value('sec-fetch-dest'),
      accept: value('accept'),
      isScripted: value('x-requested-with') === 'XMLHttpRequest' || value('hx-request') === 'true',
    })
  );
}

/** The languages that a reader accepts, read only where a page is written; `null` where the request names none. */
export function acceptLanguageOf(rawHeaders: readonly string[]): string | null {
  const values = valuesIn(rawHeaders, 'accept-language');
  return values.length === 0 ? null : values.join(',');
}

/** What a page loads to show it, as `Sec-Fetch-Dest` names it. */
const SHOWN = new Set(['image', 'style', 'script', 'font', 'audio', 'video', 'track', 'manifest']);

/** Whether a page loads the answer as a part of itself, so that neither a person nor a script sees that it is a refusal. */
export function isPartOfPage({ fields }: ScreenedRequest): boolean {
  return fields.secFetchDest !== null && SHOWN.has(fields.secFetchDest);
}

function isByPerson({ secFetchMode, secFetchDest, accept, isScripted }: NavigationFields): boolean {
  if (secFetchMode !== null) return secFetchMode === 'navigate';
  if (secFetchDest !== null) return secFetchDest === 'document';
  return !isScripted && accept !== null && /(?:^|[,\s])text\/html(?:$|[;,\s])/.test(accept);
}
