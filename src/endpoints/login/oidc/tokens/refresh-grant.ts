/**
 * Asks an identity provider again, by refresh token (RFC 6749 §6, OpenID Connect Core §12): whether the grant of a session is still
 * valid, and which claims its user has now.
 */

import type { TokenEndpointResponse } from 'openid-client';
import type { Denial } from '../../../../errors.ts';
import { protocolLibrary } from '../client-configuration.ts';
import type { IdentityProvider } from '../provider.ts';
import { refusalOf } from '../refusals.ts';

/** The result of a refresh. */
export interface RefreshAnswer {
  /**
   * The new refresh token, where the provider issued one. Known even if the rest of the answer is unusable, because the previous token
   * no longer works.
   */
  readonly successor: string | null;
  /** A Denial when the answer breaks a rule, and `GRANT_REFUSED` when the provider no longer knows the grant. */
  readonly result: TokenEndpointResponse | Denial;
}

/**
 * Redeems a refresh token.
 *
 * @throws DependencyFault `provider_unavailable`, as a rejection: no answer, or one that is about this client
 */
export async function redeemRefreshToken(provider: IdentityProvider, refreshToken: string): Promise<RefreshAnswer> {
  const library = await protocolLibrary();
  const send = provider.fetchFor('refresh');
  let successor: string | null = null;
  const configuration = await provider.configuration('refresh', async (url, options) => {
    const response = await send(url, options);
    successor = await refreshTokenIn(response.clone());
    return response;
  });
  try {
    return { result: await library.refreshTokenGrant(configuration, refreshToken), successor };
  } catch (thrown) {
    return { result: refusalOf(thrown, library, provider), successor };
  }
}

async function refreshTokenIn(response: Response): Promise<string | null> {
  if (response.status !== 200) return null;
  const body = (await response.json().catch(() => null)) as { readonly refresh_token?: unknown } | null;
  return typeof body?.refresh_token === 'string' && body.refresh_token !== '' ? body.refresh_token : null;
}
