/**
 * The redirect listener's pipeline: sends every request for a public origin there with 308, which keeps method and body.
 * The target is the canonical one, as the client spells it, and the origin comes from the configuration, so that no header
 * of a client comes back in `Location`. Refuses what `sanitize` refuses, and hosts without a public origin.
 */

import { Denial } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Pipeline } from '../pipeline.ts';
import type { RawRequest, ScreenedRequest } from '../sanitize/sanitize.ts';

const NO_PUBLIC_ORIGIN = new Denial('host_not_served', 'redirect listener: host has no public origin');

/**
 * Makes the pipeline of the redirect listener from that of the public one. Its requests count as those of the gateway's
 * own endpoints.
 */
export function redirectPipeline(front: Pipeline): Pipeline {
  const { responder, sanitizer, series } = front;
  /**
   * Treats every request as a plain one, so that the answer carries nothing that only counts over TLS (RFC 6797 §7.2).
   */
  const screen = (raw: RawRequest): ScreenedRequest | Denial => {
    const request = sanitizer.screen(raw);
    return request instanceof Denial ? request : { ...request, scheme: 'http' };
  };
  const answer = (exchange: Exchange, { publicOrigin, target }: ScreenedRequest): Denial | null => {
    if (publicOrigin === null) return NO_PUBLIC_ORIGIN;
    responder.redirect(exchange, 308, `${publicOrigin}${target.spelling}${target.query}`);
    return null;
  };
  return {
    ...front,
    sanitizer: { screen },
    endpoints: { match: () => answer },
    series: { ...series, unmatched: series.endpoints },
  };
}
