/** The authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3), as logins send it and `sallyport check oidc` tries it. */

import { pkceChallenge } from '../../../../lib/crypto/pkce.ts';
import type { ProviderMetadata } from '../metadata.ts';
import type { IdentityProvider } from '../provider.ts';
import { providerUnavailable } from '../transport.ts';
import type { LoginSecrets } from './transactions.ts';

/** Its parameters. @param more  of this request, in place of those of the configuration */
export const authorizationParameters = (
  { settings, keys }: IdentityProvider,
  redirectUri: string,
  { state, nonce, verifier }: LoginSecrets,
  more: Readonly<Record<string, string>>,
): Record<string, string> => ({
  ...settings.authorizationParameters,
  ...more,
  response_type: 'code',
  redirect_uri: redirectUri,
  ...(settings.scopes.length > 0 && { scope: settings.scopes.join(' ') }),
  state,
  code_challenge: pkceChallenge(verifier),
  code_challenge_method: 'S256',
  ...(keys.isFetched && { nonce }),
  ...(settings.responseMode === 'formPost' && { response_mode: 'form_post' }),
});

/**
 * Whether it is pushed (RFC 9126).
 *
 * @throws DependencyFault `provider_unavailable` where the configuration asks for that, and the provider does not offer it
 */
export function isPushed(
  { settings: { pushedAuthorizationRequests: setting } }: IdentityProvider,
  { pushedAuthorizationEndpoint, requiresPushedRequests }: ProviderMetadata,
): boolean {
  if (pushedAuthorizationEndpoint !== null) return setting !== 'never' || requiresPushedRequests;
  if (setting === 'always')
    throw providerUnavailable('it does not offer pushed authorization requests, which are asked for');
  return false;
}
