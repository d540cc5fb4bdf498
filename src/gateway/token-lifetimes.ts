/** The lifetimes of all tokens that a configuration lets the gateway mint or accept: one list of everything that mints. */

import type { IssuerConfig } from '../authentication/service-token/section.ts';
import { type RefreshConfig, minted as refreshTokens } from '../endpoints/refresh/section.ts';
import { type TokenEndpointConfig, minted as tokenEndpointTokens } from '../endpoints/token/section.ts';
import * as limits from '../lib/token-limits.ts';
import { type OutboundConfig, minted as outboundTokens } from '../outbound/section.ts';
import { type UpstreamTokenConfig, minted as upstreamTokens } from '../token/section.ts';

/** The sections by which tokens are minted or accepted. */
export interface TokenSections {
  readonly upstreamToken: UpstreamTokenConfig;
  readonly refresh?: RefreshConfig | undefined;
  readonly tokenEndpoint?: TokenEndpointConfig | undefined;
  readonly outbound?: OutboundConfig | undefined;
  readonly issuers: Readonly<Record<string, IssuerConfig>>;
}

/** Every kind of token that the gateway mints. */
const mintedTokens = ({ upstreamToken, refresh, tokenEndpoint, outbound }: TokenSections): limits.MintedToken[] => [
  ...upstreamTokens(upstreamToken),
  ...(refresh === undefined ? [] : refreshTokens(refresh)),
  ...(tokenEndpoint === undefined ? [] : tokenEndpointTokens(tokenEndpoint)),
  ...(outbound === undefined ? [] : outboundTokens(outbound)),
];

const acceptedMs = ({ issuers }: TokenSections) => Object.values(issuers).map(({ maxLifetime }) => maxLifetime);

/** @see limits.longestMintedMs */
export const longestSignedMs = (config: TokenSections): number => limits.longestMintedMs(mintedTokens(config));

/** @see limits.longestSessionTokenMs */
export const longestSessionTokenMs = (config: TokenSections): number =>
  limits.longestSessionTokenMs(mintedTokens(config), acceptedMs(config));

/** @see limits.longestTokenMs */
export const longestTokenMs = (config: TokenSections): number =>
  limits.longestTokenMs(mintedTokens(config), acceptedMs(config));
