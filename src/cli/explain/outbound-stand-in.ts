/**
 * What `explain --outbound` puts in the place of what lies outside: no authorization server is asked and no file is read,
 * so for tokens that somebody else gives out there is only a word. Service tokens are made as the gateway makes them.
 */

import type { Permit } from '../../authorization/permit.ts';
import type { CompactToken } from '../../lib/bearer.ts';
import type { OutboundConfig } from '../../outbound/section.ts';
import type { TokenSource } from '../../token/token-source.ts';

/** The section without its files: there are none where `explain` runs. */
export function withoutOutboundFiles(outbound: OutboundConfig | undefined): OutboundConfig | undefined {
  if (outbound === undefined) return undefined;
  const none = {
    clientSecretFile: undefined,
    privateKeyFile: undefined,
    assertionFile: undefined,
    caFile: undefined,
  };
  return {
    ...outbound,
    destinations: outbound.destinations.map((destination) => {
      const { clientCredentials, exchange, ...token } = destination.token;
      return {
        ...destination,
        token: {
          ...token,
          ...(clientCredentials !== undefined && { clientCredentials: { ...clientCredentials, ...none } }),
          ...(exchange !== undefined && { exchange: { ...exchange, ...none } }),
        },
      };
    }),
  };
}

/** Tokens of destinations: those of the gateway itself as they are, those of others in words. */
export class StandInTokens implements TokenSource {
  readonly #outbound: OutboundConfig;
  readonly #firstIndex: number;
  readonly #real: TokenSource;

  /** @param firstIndex  of the destinations among the routes */
  constructor(outbound: OutboundConfig, firstIndex: number, real: TokenSource) {
    this.#outbound = outbound;
    this.#firstIndex = firstIndex;
    this.#real = real;
  }

  forPermit(permit: Permit): ReturnType<TokenSource['forPermit']> {
    const { principal, route } = permit;
    const token = this.#outbound.destinations[route.index - this.#firstIndex]?.token;
    if (token?.kubernetes !== undefined) return inWords('the projected ServiceAccount token');
    if (token?.clientCredentials !== undefined)
      return inWords(`an access token of ${token.clientCredentials.tokenUrl}`);
    const isCarried = (principal.credential?.compact ?? null) !== null;
    if (token?.exchange !== undefined && isCarried) {
      return inWords(`the token of the call, exchanged at ${token.exchange.tokenUrl} for ${route.audience}`);
    }
    return this.#real.forPermit(permit);
  }
}

/** Stands for a token that somebody else would give out. It is shown, never sent. */
const inWords = (text: string) => `<${text}>` as CompactToken;
