/** Verifies service tokens: the {@link ServiceTokens} of a configuration in the place that the authenticator has for them. */

import type { Denial } from '../../errors.ts';
import type { ServicePrincipal } from '../../principal.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { CredentialVerifier } from '../kind.ts';
import type { WatchedRevocations } from '../revocation/revoked-tokens.ts';
import type { AcceptedServiceTokens } from './kind.ts';
import type { ServiceTokens } from './service-tokens.ts';

/** The verifier of the kind `service`. */
export class ServiceTokenVerifier implements CredentialVerifier<AcceptedServiceTokens, ServicePrincipal> {
  readonly #tokens: ServiceTokens;
  readonly #revoked: WatchedRevocations;

  constructor(tokens: ServiceTokens, revoked: WatchedRevocations) {
    this.#tokens = tokens;
    this.#revoked = revoked;
  }

  /**
   * @returns the service, or a Denial `token_invalid`
   * @throws DependencyFault `jwks_unavailable` | `store_unavailable`, as a rejection or directly
   */
  authenticate(
    { authorization }: ScreenedRequest,
    { issuers }: AcceptedServiceTokens,
  ): ServicePrincipal | Denial | Promise<ServicePrincipal | Denial> {
    return this.#tokens.authenticate(authorization ?? '', issuers);
  }

  /** Calls back when the token is revoked. */
  watch({ claims }: ServicePrincipal, onEnd: () => void): () => void {
    return this.#revoked.watch(claims, onEnd);
  }

  /** A token ends at its time, however much it is used. */
  noteUse(): void {}
}
