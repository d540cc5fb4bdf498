/**
 * The credential of the outbound side: to be the workload on this loopback. The containers of a Pod share it, and nobody
 * else reaches it: connections from elsewhere are closed before they say anything (`listener/public-listener.ts`).
 *
 * A browser on the same machine is not the workload, though pages from anywhere can make it send requests here. It says
 * so in `Origin` and `Sec-Fetch-Site`, which pages cannot leave out. A page that has rebound its own name to the loopback
 * comes with that name in Host, which is none of a destination.
 *
 * @see test/outbound/attack.test.ts
 */

import { Denial } from '../errors.ts';
import { bearerToken } from '../lib/bearer.ts';
import type { ServicePrincipal } from '../principal.ts';
import type { CredentialRule } from '../routing/route.ts';
import type { RawRequest, Sanitizer, ScreenedRequest } from '../sanitize/sanitize.ts';

const BROWSER = new Denial('browser_forbidden', 'a browser calls: Origin or Sec-Fetch-*');
const NOT_ORIGIN_FORM = new Denial('request_malformed', 'outbound request target is not origin-form');
const NOT_BEARER = new Denial('token_invalid', 'Authorization is not exactly one Bearer token');

/** Reads requests as `sanitize` does, and refuses what is meant for a forward proxy. */
export class OutboundSanitizer {
  readonly #sanitizer: Sanitizer;

  constructor(sanitizer: Sanitizer) {
    this.#sanitizer = sanitizer;
  }

  /** The one reading of a request, or a Denial. `CONNECT` has been refused before, by the listener. */
  screen(raw: RawRequest): ScreenedRequest | Denial {
    return raw.target.charCodeAt(0) === 0x2f ? this.#sanitizer.screen(raw) : NOT_ORIGIN_FORM;
  }
}

/** Takes whoever is there for the workload, unless it is a browser. */
export class WorkloadAuthenticator {
  readonly #workload: ServicePrincipal;

  /** @param subject  name of the workload */
  constructor(subject: string) {
    this.#workload = {
      kind: 'service',
      issuer: 'outbound',
      subject,
      actor: null,
      serviceAccount: null,
      roles: new Set(),
      scopes: new Set(),
      claims: {},
      credential: '',
      tokens: new Map(),
    };
  }

  /**
   * Finds out who calls.
   *
   * @param rule  names an issuer where the destination takes a bearer token to exchange
   * @returns the workload; where a token is exchanged, with that token as its credential, which is not verified: that is
   *   up to whoever exchanges it
   */
  authenticate({ fields, headers, authorization }: ScreenedRequest, rule: CredentialRule): ServicePrincipal | Denial {
    if (fields.origin !== null || isFromBrowser(headers)) return BROWSER;
    if (rule.issuers.size === 0 || authorization === null) return this.#workload;
    const credential = bearerToken(authorization);
    return credential === null ? NOT_BEARER : { ...this.#workload, credential };
  }
}

/**
 * `Sec-` cannot be set by a page (WHATWG Fetch, forbidden request-header), so it is there when a browser is. Sec-Fetch-Mode
 * by itself says nothing: Node's own fetch sends it too, and a browser never without Sec-Fetch-Site.
 */
function isFromBrowser(headers: readonly string[]): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    const name = (headers[index] as string).toLowerCase();
    if (name.startsWith('sec-fetch-') && name !== 'sec-fetch-mode') return true;
  }
  return false;
}
