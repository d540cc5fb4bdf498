/**
 * authorization: principal × route in, a Permit out, or a Denial: 403, or 401 where another login would help.
 *
 * Decides from the principal and the canonical request only, never from a header that an upstream would see, a query
 * or a client address. Never waits, never throws.
 */

import type { CredentialRule } from '../authentication/kinds.ts';
import { Denial } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Principal } from '../principal.ts';
import type { Route } from '../routing/route.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';
import { type CsrfRules, originProblem } from './csrf.ts';
import { Permit } from './permit.ts';
import { compileRule, plainSubjectsOf, type Rule } from './rule.ts';
import type { AllowConfig, Requirement } from './section.ts';
import { compileRequirement, type RequirementRule } from './step-up.ts';

const FORBIDDEN = {
  role: new Denial('route_forbidden', 'principal lacks the role'),
  subject: new Denial('route_forbidden', 'subject is not listed'),
  claim: new Denial('route_forbidden', 'claim does not have the value'),
  scope: new Denial('scope_insufficient', 'token lacks the scope'),
} as const;
const ANONYMOUS_FORBIDDEN = new Denial('credential_missing', 'route has an allow rule and the request is anonymous');
const ANONYMOUS_LOGIN = new Denial('credential_missing', 'route requires a login and the request is anonymous');

/** A route, as far as its rules depend on it. */
interface AllowingRoute {
  readonly allow?: AllowConfig | undefined;
  readonly require?: Requirement | undefined;
  readonly credential: CredentialRule;
}

/** The stage, compiled from one configuration. */
export class Authorizer {
  /** By route index; `null` where the route allows every principal. */
  readonly #rules: readonly (Rule | null)[];
  /** By route index; `null` where the route takes every login. */
  readonly #requirements: readonly (RequirementRule | null)[];
  readonly #csrf: CsrfRules;
  readonly #wallMs: Clock;

  /** @param routes  their rules, by route index; a route beyond the list allows every principal */
  constructor(routes: readonly AllowingRoute[], csrf: CsrfRules, wallMs: Clock) {
    this.#rules = routes.map(({ allow, credential }) =>
      allow === undefined ? null : compileRule(allow, plainSubjectsOf(credential)),
    );
    this.#requirements = routes.map((route) =>
      route.require === undefined ? null : compileRequirement(route.require),
    );
    this.#csrf = csrf;
    this.#wallMs = wallMs;
  }

  /**
   * Decides whether a principal may make a request on a route.
   *
   * @returns a Permit, or a Denial `route_forbidden` | `scope_insufficient` | `origin_forbidden` | `credential_missing` |
   *   `step_up_required`
   */
  authorize(principal: Principal, route: Route, request: ScreenedRequest): Permit | Denial {
    const { credential } = principal;
    if (credential?.kind.isAmbient === true && route.checksOrigin) {
      const problem = originProblem(request, this.#csrf);
      if (problem !== null) return problem;
    }
    const rule = this.#rules[route.index] ?? null;
    if (rule !== null) {
      if (principal.credential === null) return ANONYMOUS_FORBIDDEN;
      const failed = rule(principal);
      if (failed !== null) return FORBIDDEN[failed];
    }
    // Last, so that no one is asked to log in again for something that is forbidden anyway.
    const requirement = this.#requirements[route.index] ?? null;
    if (requirement !== null) {
      if (principal.credential === null) return ANONYMOUS_LOGIN;
      const unmet = requirement(principal, this.#wallMs());
      if (unmet !== null) return unmet;
    }
    return Permit.grant(principal, route);
  }
}
