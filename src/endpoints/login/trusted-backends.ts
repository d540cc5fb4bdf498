/**
 * Backends that may open sessions for users whom they have authenticated: clients, by the rules of the token endpoint,
 * with a secret (HTTP Basic) or a service token. A cookie is never looked at.
 */

import { Clients, type KnownClient } from '../../authentication/client/clients.ts';
import { FailedAttempts } from '../../authentication/client/failed-attempts.ts';
import { presentedCredential } from '../../authentication/client/presented-credential.ts';
import type { ServiceTokens } from '../../authentication/service-token/service-tokens.ts';
import { Denial } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { AttemptStore } from '../../store/store.ts';
import type { LoginConfig } from './section.ts';

interface TrustedBackendParts {
  readonly serviceTokens: ServiceTokens;
  readonly attempts: AttemptStore;
  readonly wallMs: Clock;
}

/** A session is opened by a JSON body: the credential is in the header, never in a form. */
const NO_FORM: ReadonlyMap<string, string> = new Map();

/** The trusted backends of a configuration. */
export class TrustedBackends {
  readonly #clients: Clients;

  /** @param backends  with their secrets read */
  constructor(
    backends: readonly KnownClient[],
    { throttle }: Pick<LoginConfig, 'throttle'>,
    { serviceTokens, attempts, wallMs }: TrustedBackendParts,
  ) {
    const { freeAttemptsPerAccount: freeAttempts, maxDelay: maxDelayMs, window: windowMs } = throttle;
    const rule = { freeAttempts, maxDelayMs, windowMs };
    const failedAttempts = new FailedAttempts('backend', attempts, rule, wallMs);
    this.#clients = new Clients(backends, { serviceTokens, assertions: null, failedAttempts });
  }

  /**
   * Finds out which backend makes a request.
   *
   * @returns its id, or a Denial `client_unauthorized` | `rate_limited`
   * @throws DependencyFault `store_unavailable` | `jwks_unavailable`, as a rejection
   */
  async authenticate({ authorization, clientAddress }: ScreenedRequest): Promise<string | Denial> {
    const presented = presentedCredential(authorization, NO_FORM);
    return presented instanceof Denial ? presented : this.#clients.authenticate(presented, clientAddress);
  }
}
