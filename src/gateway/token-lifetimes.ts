/** The lifetimes of all tokens that a configuration lets the gateway mint or accept: one list of everything that mints. */

import { minted as refreshTokens } from '../endpoints/refresh/section.ts';
import { minted as tokenEndpointTokens } from '../endpoints/token/section.ts';
import * as limits from '../lib/token-limits.ts';
import { minted as outboundTokens } from '../outbound/section.ts';
import { minted as upstreamTokens } from '../token/section.ts';
import type { Config } from './configuration.ts';

/** Every kind of token that the gateway mints. */
export const mintedTokens = ({ upstreamToken, refresh, tokenEndpoint, outbound }: Config): limits.MintedToken[] => [
  ...upstreamTokens(upstreamToken),
  ...(refresh === undefined ? [] : refreshTokens(refresh)),
  ...(tokenEndpoint === undefined ? [] : tokenEndpointTokens(tokenEndpoint)),
  ...(outbound === undefined ? [] : outboundTokens(outbound)),
];

const acceptedMs = ({ issuers }: Config) => Object.values(issuers).map(({ maxLifetime }) => maxLifetime);

/** @see limits.longestMintedMs */
export const longestSignedMs = (config: Config): number => limits.longestMintedMs(mintedTokens(config));

/** @see limits.longestSessionTokenMs */
export const longestSessionTokenMs = (config: Config): number =>
  limits.longestSessionTokenMs(mintedTokens(config), acceptedMs(config));

/** @see limits.longestTokenMs */
export const longestTokenMs = (config: Config): number =>
  limits.longestTokenMs(mintedTokens(config), acceptedMs(config));
