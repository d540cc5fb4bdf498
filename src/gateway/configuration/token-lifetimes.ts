/** The lifetimes of all tokens that a configuration lets the gateway mint or accept: one list of everything that mints. */

import type { IssuerConfig } from '../../authentication/service-token/section.ts';
import { type RefreshConfig, minted as refreshTokens } from '../../endpoints/refresh/section.ts';
import { type TokenEndpointConfig, minted as tokenEndpointTokens } from '../../endpoints/token/section.ts';
import { CLOCK_LEEWAY_MS, MAX_SESSION_TOKEN_MS, type MintedToken } from '../../lib/token-limits.ts';
import { type OutboundConfig, minted as outboundTokens } from '../../outbound/section.ts';
import { type UpstreamTokenConfig, minted as upstreamTokens } from '../../token/section.ts';

/** The sections that mint or accept tokens. */
export interface TokenSections {
  readonly upstreamToken: UpstreamTokenConfig;
  readonly refresh?: RefreshConfig | undefined;
  readonly tokenEndpoint?: TokenEndpointConfig | undefined;
  readonly outbound?: OutboundConfig | undefined;
  readonly issuers: Readonly<Record<string, IssuerConfig>>;
}

/** Every kind of token that the gateway mints. */
const mintedTokens = ({ upstreamToken, refresh, tokenEndpoint, outbound }: TokenSections): MintedToken[] => [
  ...upstreamTokens(upstreamToken),
  ...(refresh === undefined ? [] : refreshTokens(refresh)),
  ...(tokenEndpoint === undefined ? [] : tokenEndpointTokens(tokenEndpoint)),
  ...(outbound === undefined ? [] : outboundTokens(outbound)),
];

const longestMs = (tokens: readonly MintedToken[]) => Math.max(0, ...tokens.map(({ lifetimeMs }) => lifetimeMs));

/** Longest lifetimes of the tokens of other issuers, which may be gateways that share the store. */
const longestAcceptedMs = ({ issuers }: TokenSections) =>
  Math.max(0, ...Object.values(issuers).map(({ maxLifetime }) => maxLifetime));

/** @returns the longest life of a token that the gateway mints: for so long the key that signed it stays published */
export const longestSignedMs = (config: TokenSections): number => longestMs(mintedTokens(config));

/**
 * How long an ended session must be remembered, because a token of it may still be presented. Tokens of other issuers
 * count up to the cap only, since no gateway mints one that lives longer.
 */
export function longestSessionTokenMs(config: TokenSections): number {
  const ofSessions = mintedTokens(config).filter(({ isOfSession }) => isOfSession);
  return Math.min(Math.max(longestMs(ofSessions), longestAcceptedMs(config)) + CLOCK_LEEWAY_MS, MAX_SESSION_TOKEN_MS);
}

/**
 * How long a revocation is kept that does not say when the last of its tokens expires. At least as long as a session
 * token can be accepted anywhere: other verifiers of the same store may accept longer lifetimes than this gateway.
 */
export const longestTokenMs = (config: TokenSections): number =>
  Math.max(MAX_SESSION_TOKEN_MS, Math.max(longestSignedMs(config), longestAcceptedMs(config)) + CLOCK_LEEWAY_MS);
