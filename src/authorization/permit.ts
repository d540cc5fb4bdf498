/**
 * The proof that a request was authorized. Minting and forwarding take a Permit and nothing else, so a forward that
 * skips authorization does not compile (test/authorization/permit.test.ts).
 */

import type { Principal } from '../principal.ts';
import type { Route } from '../routing/route.ts';

/** Who may make a request, and the route that it takes. */
export class Permit {
  readonly principal: Principal;
  readonly route: Route;
  /** Makes the class nominal: an object literal of the same shape is not a Permit. Types only. */
  declare protected readonly granted: true;

  private constructor(principal: Principal, route: Route) {
    this.principal = principal;
    this.route = route;
  }

  /** Only `authorize` calls this (test/architecture.test.ts). */
  static grant(principal: Principal, route: Route): Permit {
    return new Permit(principal, route);
  }
}
