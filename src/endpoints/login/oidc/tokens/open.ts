/** Opens the uses of identity providers' tokens: revalidation, access tokens, revocation. */

import type { SessionCookies } from '../../../../authentication/session/session-cookies.ts';
import type { IdentityProvider } from '../provider.ts';
import { ProviderAccessTokens } from './access-tokens.ts';
import { type RenewalParts, TokenRenewal } from './renewal.ts';
import { Revalidation } from './revalidation.ts';

/** The uses of the tokens of one configuration's providers. */
export interface ProviderTokenUses {
  readonly providers: readonly IdentityProvider[];
  /** `null` where no provider is asked again. */
  readonly revalidation: Revalidation | null;
  /** `null` where no route sends any. */
  readonly accessTokens: ProviderAccessTokens | null;
}

interface ProviderTokenParts extends RenewalParts {
  readonly sessionCookies: SessionCookies;
}

/** @param previous  reused if the providers are the same, so that what is known about sessions is kept */
export function openProviderTokens(
  providers: readonly IdentityProvider[],
  parts: ProviderTokenParts,
  previous: ProviderTokenUses | null,
): ProviderTokenUses {
  const { clocks, log, series, sessionCookies } = parts;
  const known = previous?.providers ?? [];
  if (previous !== null && known.length === providers.length && providers.every((it, at) => it === known[at]))
    return previous;
  series.expect(providers.filter(({ kept }) => kept.refresh).map(({ name }) => name));
  const renewal = new TokenRenewal(parts);
  const revalidates = providers.some(({ settings }) => settings.revalidateEveryMs !== null);
  return {
    providers,
    revalidation: revalidates ? new Revalidation(providers, { renewal, clocks, log }) : null,
    accessTokens: providers.some(({ kept }) => kept.access)
      ? new ProviderAccessTokens(providers, { renewal, sessionCookies, clocks })
      : null,
  };
}
