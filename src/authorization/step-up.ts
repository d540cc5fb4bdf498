/**
 * The `require` rule of a route: how, and how recently, the caller must have authenticated. A caller who has not gets a
 * challenge that says what is needed (RFC 9470), and can log in again.
 */

import { Denial } from '../errors.ts';
import { stepUpChallenge } from '../lib/http/challenge.ts';
import { type Authentication, authenticationOf, type KnownPrincipal } from '../principal.ts';
import { compileList } from './rule.ts';
import type { Requirement } from './section.ts';

/** What an authentication lacks; `null` when it is enough. */
type Lack = 'acr' | 'amr' | 'age' | null;

/** How far an `auth_time` may lie ahead: the clocks of providers differ from ours. */
const MAX_AHEAD_MS = 60_000;

/**
 * Whether an authentication meets a requirement.
 *
 * @param nowMs  wall clock
 */
export function lackOf(requirement: Requirement, { acr, amr, authTimeMs }: Authentication, nowMs: number): Lack {
  const { acr: wanted, amr: means, maxAge: maxAgeMs } = requirement;
  if (wanted !== undefined && (acr === null || !wanted.includes(acr))) return 'acr';
  if (means !== undefined && !compileList(means)(new Set(amr))) return 'amr';
  if (maxAgeMs === undefined) return null;
  // A time that is not known, or lies ahead, says nothing about how recent it is.
  if (authTimeMs === null || authTimeMs - nowMs > MAX_AHEAD_MS) return 'age';
  return nowMs - authTimeMs > maxAgeMs ? 'age' : null;
}

/** What goes into an authorization request (OpenID Connect Core §3.1.2.1), and into a challenge. */
export function askedFor({ acr, maxAge: maxAgeMs }: Requirement): {
  readonly acrValues: string | null;
  readonly maxAgeSec: number | null;
} {
  return {
    acrValues: acr?.join(' ') ?? null,
    maxAgeSec: maxAgeMs === undefined ? null : Math.floor(maxAgeMs / 1_000),
  };
}

/** Judges who calls; `null` when their authentication is enough, else a Denial `step_up_required` with its challenge. */
export type RequirementRule = (principal: KnownPrincipal, nowMs: number) => Denial | null;

/** Compiles a rule. */
export function compileRequirement(requirement: Requirement): RequirementRule {
  const byCookie = denialsOf(requirement, 'Session');
  const byToken = denialsOf(requirement, 'Bearer');
  return (principal, nowMs) => {
    const lack = lackOf(requirement, authenticationOf(principal), nowMs);
    if (lack === null) return null;
    return (principal.credential.kind.isAmbient ? byCookie : byToken)[lack];
  };
}

function denialsOf(requirement: Requirement, scheme: 'Bearer' | 'Session'): Record<NonNullable<Lack>, Denial> {
  const denial = (note: string, description: string) =>
    new Denial('step_up_required', note, [
      'WWW-Authenticate',
      stepUpChallenge(scheme, { ...askedFor(requirement), description }),
    ]);
  return {
    acr: denial('acr is not one that the route requires', 'A different authentication level is required'),
    amr: denial('amr lacks what the route requires', `amr must contain ${describeMeans(requirement.amr)}`),
    age: denial('the login is older than the route accepts', 'More recent authentication is required'),
  };
}

/** In words, because challenges have no parameter for them. */
function describeMeans(means: Requirement['amr']): string {
  if (means === undefined) return '';
  return 'all' in means ? means.all.join(' and ') : ('any' in means ? means.any : means).join(' or ');
}
