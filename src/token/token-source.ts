/**
 * What the token stage is asked for: in front of a service the upstream token (`upstream-token.ts`), on the outbound side
 * the token that the destination accepts (`src/outbound/`).
 */

import type { Permit } from '../authorization/permit.ts';
import type { Denial } from '../errors.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import type { Principal } from '../principal.ts';

/** Gives the token that goes with a permitted request. */
export interface TokenSource {
  /**
   * The token to send with a permitted request. Answers at once, without a promise, when nothing has to be waited for.
   *
   * @returns a bearer token; `null` when the request carries none; a Denial when its principal may have none
   * @throws DependencyFault when it is unavailable now
   */
  forPermit(permit: Permit): CompactToken | null | Denial | Promise<CompactToken | null | Denial>;
  /**
   * Notes that the receiver of a token has answered with 401, so that it is not sent again. Left out where tokens are not
   * kept for long enough to go bad.
   *
   * @returns whether another one can be asked for
   */
  refused?(permit: Permit, token: CompactToken): boolean;
}

/** A request, as far as its session cookie is concerned. */
export interface CookieRequest {
  /** Its value; a Denial where it has two readings; `null` where there is none. */
  readonly sessionCookie: string | Denial | null;
  readonly publicOrigin: string | null;
}

/** Gives the access token of the identity provider that has opened the session of a request. */
export interface ProviderTokenSource {
  /**
   * The token to send. Answers at once, without a promise, when nothing has to be waited for.
   *
   * @returns `null` where the session has none; a Denial when it has ended
   * @throws DependencyFault when it is unavailable now, as a rejection
   */
  forRequest(
    principal: Principal,
    request: CookieRequest,
  ): CompactToken | null | Denial | Promise<CompactToken | null | Denial>;
}
