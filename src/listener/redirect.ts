/**
 * What the redirect listener answers: every request for a public origin is sent there with 308, which keeps method and
 * body. The target is the canonical one and the origin comes from the configuration, so that nothing a client sends in
 * a header comes back in `Location`.
 */

import { Denial } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Pipeline } from '../pipeline.ts';

const NO_PUBLIC_ORIGIN = new Denial('host_not_served', 'redirect listener: host has no public origin');

/** Answers an exchange of the redirect listener. Refuses what `sanitize` refuses, and hosts without a public origin. */
export function answerWithRedirect(exchange: Exchange, { sanitizer, responder }: Pipeline): void {
  exchange.isOwnEndpoint = true;
  const request = sanitizer.screen(exchange);
  if (request instanceof Denial) {
    responder.denial(exchange, request);
    return;
  }
  // Nothing that only counts over TLS is said here (RFC 6797 §7.2).
  exchange.screened = { ...request, scheme: 'http' };
  if (request.publicOrigin === null) {
    responder.denial(exchange, NO_PUBLIC_ORIGIN);
    return;
  }
  const { path, query } = request.target;
  responder.redirect(exchange, 308, `${request.publicOrigin}${path}${query}`);
}
