/**
 * Cross-site request forgery: an unsafe request that a cookie authenticates has to come from one of the gateway's own pages.
 *
 * `Origin` and `Sec-Fetch-Site` must agree where both are sent. A page with `Referrer-Policy: no-referrer` sends
 * `Origin: null` even to its own origin (Fetch §3.2): there the browser vouches for it with `Sec-Fetch-Site: same-origin`,
 * which no page of another origin can send. The gateway's own origin is the one in the configuration, never what the Host header
 * says. The same rule guards WebSocket handshakes: they are GETs, and no CORS preflight covers them (cross-site WebSocket
 * hijacking).
 *
 * @see test/attack/csrf.test.ts (CSRF-01 … CSRF-17, WS-02 … WS-04)
 */

import { Denial } from '../errors.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';
import type { CsrfConfig } from './section.ts';

/** The compiled section. */
export interface CsrfRules {
  /** Accept a request that says nothing about where it comes from: a program, not a browser. */
  readonly allowMissingOrigin: boolean;
  /** Other origins whose pages may send unsafe requests, canonical. */
  readonly additionalOrigins: ReadonlySet<string>;
}

/** Compiles the section. */
export const csrfRules = ({ allowMissingOrigin, additionalOrigins }: CsrfConfig): CsrfRules => ({
  allowMissingOrigin,
  additionalOrigins: new Set(additionalOrigins),
});

const FOREIGN_ORIGIN = new Denial('origin_forbidden', 'Origin is not accepted');
const FOREIGN_SITE = new Denial('origin_forbidden', 'Sec-Fetch-Site is not same-origin');
const FOREIGN_REFERER = new Denial('origin_forbidden', 'Referer is not accepted');
const NO_ORIGIN = new Denial('origin_forbidden', 'neither Origin nor Sec-Fetch-Site nor Referer');
const NO_PUBLIC_ORIGIN = new Denial('origin_forbidden', 'host has no public origin');

/** Methods that change nothing (RFC 9110 §9.2.1). HEAD has the policy of GET (CSRF-17). */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Judges where a request with a session comes from.
 *
 * @returns `null` when it is allowed
 */
export function originProblem(request: ScreenedRequest, rules: CsrfRules): Denial | null {
  if (SAFE_METHODS.has(request.method) && !request.isWebSocket) return null;
  return unsafeOriginProblem(request, rules);
}

/** The same for a request that is known to change something, whatever its method. */
export function unsafeOriginProblem(request: ScreenedRequest, rules: CsrfRules): Denial | null {
  const { origin, secFetchSite, referer } = request.fields;
  const ours = request.publicOrigin;
  if (ours === null) return NO_PUBLIC_ORIGIN;
  if (origin !== null) {
    if (origin === 'null' && secFetchSite === 'same-origin') return null;
    const known = canonicalOrigin(origin);
    if (known === null || (known !== ours && !rules.additionalOrigins.has(known))) return FOREIGN_ORIGIN;
    // An additional origin is another site or a sibling, and the browser says so.
    return secFetchSite === null || secFetchSite === 'same-origin' || known !== ours ? null : FOREIGN_SITE;
  }
  if (secFetchSite !== null) return secFetchSite === 'same-origin' ? null : FOREIGN_SITE;
  if (referer !== null) return refererOrigin(referer) === ours ? null : FOREIGN_REFERER;
  return rules.allowMissingOrigin && !request.isWebSocket ? null : NO_ORIGIN;
}

/** An origin in canonical form; `null` for anything that is not exactly one origin (`null`, a list, a path). */
function canonicalOrigin(value: string): string | null {
  if (!/^https?:\/\/[^/?#@\\,\s]+$/i.test(value) || !URL.canParse(value)) return null;
  return new URL(value).origin;
}

function refererOrigin(value: string): string | null {
  return /^https?:\/\//i.test(value) && URL.canParse(value) ? new URL(value).origin : null;
}
