/** How long a token can live that a gateway makes or accepts: so long its revocation has to be known. */

import { LONGEST_SESSION_TOKEN_MS } from '../../store/store.ts';

/** The sections by which tokens are made or accepted, as far as their lifetimes go; milliseconds. */
interface TokenSections {
  readonly upstreamToken: { readonly lifetime: number };
  readonly refresh?: { readonly accessToken: { readonly lifetime: number } } | undefined;
  readonly tokenEndpoint?: { readonly exchangeLifetime: number; readonly serviceTokenLifetime: number } | undefined;
  readonly issuers: Readonly<Record<string, { readonly maxLifetime: number }>>;
}

/** Twice the largest `clockSkew`: a token may be from the future by it, and outlive its `exp` by it. */
export const CLOCK_LEEWAY_MS = 2 * 300_000;

/**
 * The longest life of a token that stands for a session: made here, or accepted here from somebody who may have made it.
 * The latter counts for an hour at most, since no Sallyport makes one that lives longer.
 */
export function longestSessionTokenMs(config: TokenSections): number {
  const { upstreamToken, refresh, tokenEndpoint } = config;
  const made = [upstreamToken.lifetime, refresh?.accessToken.lifetime ?? 0, tokenEndpoint?.exchangeLifetime ?? 0];
  return Math.min(Math.max(...made, ...acceptedMs(config)) + CLOCK_LEEWAY_MS, LONGEST_SESSION_TOKEN_MS);
}

/**
 * For how long a revocation is kept that does not say when the last of its tokens expires. An hour at least: other
 * verifiers of the same store may accept tokens that live longer than those that are accepted here.
 */
export function longestTokenMs(config: TokenSections): number {
  const made = [config.tokenEndpoint?.serviceTokenLifetime ?? 0];
  return Math.max(LONGEST_SESSION_TOKEN_MS, Math.max(...made, ...acceptedMs(config)) + CLOCK_LEEWAY_MS);
}

const acceptedMs = ({ issuers }: TokenSections): number[] =>
  Object.values(issuers).map(({ maxLifetime }) => maxLifetime);
