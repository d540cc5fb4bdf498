/** The tokens of destinations for `sallyport explain`, which requests none: those that others issue, in words. */

import type { Permit } from '../authorization/permit.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import type { TokenSource } from '../token/token-source.ts';
import type { DestinationConfig } from './section.ts';

/** Tokens that the gateway signs itself as they are; a text in angle brackets stands for every other. It is never sent. */
export class DescribedTokens implements TokenSource {
  readonly #destinations: readonly DestinationConfig[];
  readonly #firstIndex: number;
  readonly #signed: TokenSource;

  /**
   * @param firstIndex  of the destinations among the routes
   * @param signed      the source of the tokens that the gateway signs
   */
  constructor(destinations: readonly DestinationConfig[], firstIndex: number, signed: TokenSource) {
    this.#destinations = destinations;
    this.#firstIndex = firstIndex;
    this.#signed = signed;
  }

  forPermit(permit: Permit): ReturnType<TokenSource['forPermit']> {
    const destination = this.#destinations[permit.route.index - this.#firstIndex];
    if (destination === undefined) throw new TypeError('not a destination');
    const words = wordsFor(destination.token, permit);
    return words === null ? this.#signed.forPermit(permit) : (`<${words}>` as CompactToken);
  }
}

/** `null` where the gateway signs the token. */
function wordsFor(token: DestinationConfig['token'], { principal, route }: Permit): string | null {
  const { service, kubernetes, clientCredentials, exchange } = token;
  if (kubernetes !== undefined) return 'the projected ServiceAccount token';
  if (clientCredentials !== undefined) return `an access token of ${clientCredentials.tokenUrl}`;
  const isCarried = (principal.credential?.compact ?? null) !== null;
  if (exchange !== undefined && isCarried)
    return `the token of the call, exchanged at ${exchange.tokenUrl} for ${route.audience}`;
  // A call without a token is refused, or goes out with one that the gateway signs for itself.
  if (service !== undefined || exchange !== undefined) return null;
  throw new TypeError('a destination has exactly one kind of token');
}
