/**
 * authentication: exactly one credential in, a principal out, or a Denial 400 or 401, or a fault 503.
 *
 * Which credentials count is the route's business; what is presented beyond that is not looked at. Answers at once,
 * without a promise, when the credential is cached and trusted.
 */

import { Denial } from '../errors.ts';
import { ANONYMOUS, type Principal } from '../principal.ts';
import type { CredentialRule } from '../routing/route.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';
import type { ServiceTokens } from './service-token/service-tokens.ts';
import type { Sessions } from './session/sessions.ts';

const CONFLICT = new Denial('credential_conflict', 'session cookie and Authorization header together');
const MISSING = new Denial('credential_missing', 'no credential that the route accepts');

export class Authenticator {
  readonly #sessions: Sessions;
  readonly #serviceTokens: ServiceTokens;

  constructor(sessions: Sessions, serviceTokens: ServiceTokens) {
    this.#sessions = sessions;
    this.#serviceTokens = serviceTokens;
  }

  /**
   * Finds out who makes a request.
   *
   * @param rule  what the route accepts; on a public route nothing is looked at
   * @returns a principal, or a Denial: `credential_conflict`, `credential_missing`, `session_*`, `token_invalid`
   * @throws DependencyFault `store_unavailable` | `jwks_unavailable`, as a rejection
   */
  authenticate(request: ScreenedRequest, rule: CredentialRule): Principal | Denial | Promise<Principal | Denial> {
    if (rule.session === 'no' && rule.issuers.size === 0) return ANONYMOUS;
    const { sessionCookie, authorization } = request;
    if (sessionCookie !== null && authorization !== null) return CONFLICT;

    if (sessionCookie !== null && rule.session !== 'no') {
      const found = sessionCookie instanceof Denial ? sessionCookie : this.#sessions.authenticate(sessionCookie);
      return rule.session === 'optional' ? orAnonymous(found) : found;
    }
    if (authorization !== null && rule.issuers.size > 0) {
      return this.#serviceTokens.authenticate(authorization, rule.issuers);
    }
    return rule.session === 'optional' ? ANONYMOUS : MISSING;
  }
}

/** Where a session is optional, one that does not hold is none. A store that cannot be asked is still a fault. */
function orAnonymous(found: Principal | Denial | Promise<Principal | Denial>): Principal | Promise<Principal> {
  if (found instanceof Promise) return found.then((value) => (value instanceof Denial ? ANONYMOUS : value));
  return found instanceof Denial ? ANONYMOUS : found;
}
