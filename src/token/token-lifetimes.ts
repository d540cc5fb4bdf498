/** How long a token can live that is signed here: so long its key is published. */

import type { Config } from '../config/schema.ts';

/** The longest life of a token that a configuration lets us sign, of whatever kind. */
export function longestSignedMs({ upstreamToken, refresh, tokenEndpoint, outbound }: Config): number {
  const outboundMs = (outbound?.destinations ?? []).map(({ token }) => token.service?.lifetime ?? 0);
  return Math.max(
    upstreamToken.lifetime,
    refresh?.accessToken.lifetime ?? 0,
    tokenEndpoint?.exchangeLifetime ?? 0,
    tokenEndpoint?.serviceTokenLifetime ?? 0,
    ...outboundMs,
  );
}
