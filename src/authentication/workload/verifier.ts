/**
 * Treats every caller on the loopback as the workload, unless it is a browser.
 *
 * A browser on the same machine is not the workload, though pages from anywhere can make it send requests here. It says
 * so in `Origin` and `Sec-Fetch-Site`, which pages cannot leave out. A page that has rebound its own name to the loopback
 * comes with that name in Host, which is not the host of any destination. Where it is (anyone who answers DNS queries
 * on a foreign network can give a page the name of a destination), the browser sends neither of the two, because plain
 * HTTP to a name is not a secure context; then its other headers reveal it.
 *
 * @see test/outbound/attack.test.ts
 */

import { Denial } from '../../errors.ts';
import { bearerToken, type CompactToken } from '../../lib/http/bearer.ts';
import type { ServicePrincipal } from '../../principal.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { CredentialVerifier } from '../kind.ts';
import { type AcceptedWorkload, WORKLOAD } from './kind.ts';

const BROWSER = new Denial('browser_forbidden', 'a browser calls: Origin, Sec-Fetch-*, or the other headers of one');
const NOT_BEARER = new Denial('token_invalid', 'Authorization is not exactly one Bearer token');

/** The verifier of the kind `workload`. */
export class WorkloadVerifier implements CredentialVerifier<AcceptedWorkload, ServicePrincipal> {
  readonly #workload: ServicePrincipal;

  /** @param subject  name of the workload */
  constructor(subject: string) {
    this.#workload = workloadPrincipal(subject, null);
  }

  /**
   * @returns the workload; where the destination exchanges a token and the call has one, with that token as its
   *   credential, which is not verified: the server that exchanges it does that. A Denial `browser_forbidden` | `token_invalid`
   */
  authenticate(
    { fields, headers, authorization }: ScreenedRequest,
    { exchangesToken }: AcceptedWorkload,
  ): ServicePrincipal | Denial {
    if (fields.origin !== null || isFromBrowser(headers)) return BROWSER;
    if (!exchangesToken || authorization === null) return this.#workload;
    const token = bearerToken(authorization);
    return token === null ? NOT_BEARER : workloadPrincipal(this.#workload.subject, token);
  }

  /** The workload does not end while it calls. */
  watch(): () => void {
    return () => {};
  }
}

/** @param compact  the token that the call carried; `null` for none, or where none is exchanged */
function workloadPrincipal(subject: string, compact: CompactToken | null): ServicePrincipal {
  return {
    kind: 'service',
    issuer: 'outbound',
    tokenIssuer: '',
    standsFor: 'service',
    session: null,
    subject,
    roles: new Set(),
    scopes: new Set(),
    claims: {},
    act: null,
    serviceAccount: null,
    credential: {
      kind: WORKLOAD,
      endsAtMs: Number.POSITIVE_INFINITY,
      streamsEndAtMs: Number.POSITIVE_INFINITY,
      presentedIssuer: null,
      sid: null,
      compact,
      claims: null,
    },
    tokens: new Map(),
  };
}

/**
 * `Sec-` cannot be set by a page (WHATWG Fetch, forbidden request-header), so it is there when a browser is. Sec-Fetch-Mode
 * alone proves nothing: Node's own fetch sends it too, and a browser never without Sec-Fetch-Site.
 *
 * Without it, all of three headers that browsers send to plain HTTP names are asked for, so that a workload is not refused
 * that passes on the language or the program of its own caller. A page can set Accept-Encoding in no browser, and the other
 * two cannot be left out.
 */
function isFromBrowser(headers: readonly string[]): boolean {
  let signs = 0;
  for (let index = 0; index < headers.length; index += 2) {
    const name = (headers[index] as string).toLowerCase();
    if (name.startsWith('sec-fetch-') && name !== 'sec-fetch-mode') return true;
    const value = headers[index + 1] as string;
    if (name === 'accept-language') signs |= 1;
    else if (name === 'user-agent' && value.startsWith('Mozilla/')) signs |= 2;
    // With `br` only to secure contexts.
    else if (name === 'accept-encoding' && value === 'gzip, deflate') signs |= 4;
  }
  return signs === 7;
}
