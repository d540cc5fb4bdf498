/** Guards the admin listener: its operations need the token, and web pages reach neither them nor the metrics. */

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { DenialReason } from '../errors.ts';
import type { AdminListenerConfig } from './section.ts';
import type { AdminToken } from './token-file.ts';

const HOST_PATTERN = /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]*[a-z0-9_-])\.?(?::\d{0,5})?$/;

/** Lets requests through that present the admin token and were sent to a name of the admin listener. */
export class AdminGuard {
  readonly #token: AdminToken | null;
  readonly #allowedHosts: ReadonlySet<string>;

  /** @param token  `null`: every request is refused */
  constructor({ address, allowedHosts }: AdminListenerConfig, token: AdminToken | null) {
    this.#token = token;
    this.#allowedHosts = new Set(['localhost', address.host.toLowerCase(), ...allowedHosts]);
  }

  /**
   * Checks a request to an endpoint that is guarded.
   *
   * A web page on an operator's machine can reach this listener, by DNS rebinding even under the page's own name. So a
   * Host that is not allowed is refused: to everybody where the token is needed, and to browsers where it is not, because
   * Prometheus scrapes by the name of a service. An IP address is allowed: no page has rebound a name when there is none.
   * Where the token is needed, an `Origin` is refused, too (CSRF-15).
   *
   * A browser remembers the password of the pages and sends it along with whatever asks for them. So it counts on the pages
   * only, which change nothing, and there only for what opens a page: no frame, no script and no image of another site.
   *
   * @returns why it is refused, or `null`
   */
  refusal({ headers }: IncomingMessage, guard: 'host' | 'token' | 'page'): DenialReason | null {
    const host = HOST_PATTERN.exec(headers.host?.toLowerCase() ?? '')?.[1];
    if (host === undefined) return 'host_not_served';
    if (!this.#isAllowed(host) && (guard !== 'host' || isFromBrowser(headers))) return 'host_not_served';
    if (guard === 'host') return null;
    if (headers.origin !== undefined || (guard === 'page' && isEmbedded(headers))) return 'origin_forbidden';
    if (this.#token === null) return 'admin_disabled';
    return this.#token.isPresentedBy(headers.authorization, guard === 'page') ? null : 'client_unauthorized';
  }

  #isAllowed(host: string): boolean {
    return isIP(host.replace(/^\[|\]$/g, '')) !== 0 || this.#allowedHosts.has(host);
  }
}

/** Whether something other than a person who opens the page asks for it (Fetch Metadata; missing on plain http names). */
function isEmbedded(headers: IncomingHttpHeaders): boolean {
  const [site, mode, destination] = ['site', 'mode', 'dest'].map((what) => headers[`sec-fetch-${what}`]);
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  return mode !== 'navigate' || destination !== 'document';
}

/** Sent by browsers and not by what scrapes metrics; a page can change some of them, and leave out a few. */
const OF_BROWSERS = ['origin', 'referer', 'cookie', 'accept-language', 'upgrade-insecure-requests', 'dnt'];

/**
 * Whether a request may come from a web page. Every browser offers `deflate`, and no page can change its Accept-Encoding
 * (Fetch §4.6, forbidden request-header); the other signs stand in for a proxy that changed it. Sec-Fetch-* and Sec-CH-*
 * are missing on plain http names, which are the ones that can be rebound. Prometheus and its relatives offer gzip only.
 */
function isFromBrowser(headers: IncomingHttpHeaders): boolean {
  return (
    /\bdeflate\b/i.test(String(headers['accept-encoding'] ?? '')) ||
    /\bmozilla\//i.test(headers['user-agent'] ?? '') ||
    OF_BROWSERS.some((name) => headers[name] !== undefined) ||
    Object.keys(headers).some((name) => name.startsWith('sec-'))
  );
}
