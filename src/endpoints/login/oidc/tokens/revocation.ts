/**
 * Revokes the tokens of sessions that their users have ended (RFC 7009), in the background: the logout does not wait for the provider.
 * Revokes the refresh token, and with it, at most providers, the tokens issued for it; without one, the access token.
 */

import { DependencyFault } from '../../../../errors.ts';
import type { Logger } from '../../../../telemetry/log.ts';
import { protocolLibrary } from '../client-configuration.ts';
import type { IdentityProvider } from '../provider.ts';
import { transportFault } from '../transport.ts';
import type { ProviderTokens } from './provider-tokens.ts';
import type { ProviderTokenSeries } from './series.ts';

interface TokenRevokerParts {
  readonly series: ProviderTokenSeries;
  readonly log: Logger;
}

/** Tells providers which tokens are no longer needed. */
export class TokenRevoker {
  readonly #parts: TokenRevokerParts;

  constructor(parts: TokenRevokerParts) {
    this.#parts = parts;
  }

  /** Revokes tokens, where their provider supports that. Returns at once. */
  revoke(provider: IdentityProvider, { refreshToken, accessToken }: ProviderTokens): void {
    const token = refreshToken ?? accessToken;
    if (token === null || provider.knownMetadata?.revocationEndpoint == null) return;
    const hint = refreshToken === null ? 'access_token' : 'refresh_token';
    provider.finishing(this.#revoke(provider, token, hint));
  }

  async #revoke(provider: IdentityProvider, token: string, hint: string): Promise<void> {
    const { series, log } = this.#parts;
    try {
      const library = await protocolLibrary();
      await library.tokenRevocation(await provider.configuration('revocation'), token, { token_type_hint: hint });
      series.revocations.inc({ provider: provider.name, outcome: 'revoked' });
    } catch (thrown) {
      series.revocations.inc({ provider: provider.name, outcome: 'failed' });
      const fault = thrown instanceof DependencyFault ? thrown : transportFault(thrown);
      const problem = fault?.message ?? 'it refuses to';
      log.warn({ provider: provider.name, problem }, 'identity provider did not revoke a token after a logout');
    }
  }
}
