/** A step-up: what it asks the provider for, and whether what comes back is enough. */

import { z } from 'zod';
import type { Requirement } from '../../../../authorization/section.ts';
import { askedFor, lackOf } from '../../../../authorization/step-up.ts';
import { Denial } from '../../../../errors.ts';
import type { ProviderLogin } from '../../../../store/session-record.ts';

const values = z.array(z.string());

/** As a login transaction keeps it. */
export const stepUpSchema = z.strictObject({
  /** Id of the route. */
  route: z.string(),
  /** Of the session, which stays that of the same user. */
  subject: z.string(),
  /** `require` of the route when the login began, with the age in milliseconds. */
  requirement: z.strictObject({
    acr: values.optional(),
    amr: z.union([values, z.strictObject({ any: values }), z.strictObject({ all: values })]).optional(),
    maxAge: z.number().optional(),
  }),
});

/** What a step-up has to show. */
export type WantedStepUp = Readonly<z.output<typeof stepUpSchema>>;

/**
 * Parameters of the authorization request (OpenID Connect Core §3.1.2.1). No parameter asks for means of authentication: there,
 * a new login is asked for, in which the user may choose others.
 */
export function stepUpParameters({ requirement }: { readonly requirement: Requirement }): Record<string, string> {
  const { acrValues, maxAgeSec } = askedFor(requirement);
  return {
    ...(acrValues !== null && { acr_values: acrValues }),
    ...(maxAgeSec !== null && { max_age: String(maxAgeSec) }),
    ...(acrValues === null && maxAgeSec === null && { prompt: 'login' }),
  };
}

const OTHER_ACCOUNT = new Denial('step_up_other_account', 'the provider names another user than that of the session');
const INSUFFICIENT = {
  acr: new Denial('step_up_insufficient', 'ID token: acr is missing, or not one that was asked for'),
  amr: new Denial('step_up_insufficient', 'ID token: amr lacks what the route requires'),
  age: new Denial('step_up_insufficient', 'ID token: auth_time is missing, too old, or ahead'),
};

/**
 * Why a login is not the one that was wanted; `null` when it is. It is judged exactly as the route is going to judge it, so
 * that nobody is sent back and forth: what the route would refuse ends here, on a page.
 *
 * @param subject  whom the provider names, as the subject of a session
 * @param nowMs    wall clock
 */
export function stepUpProblem(
  wanted: WantedStepUp,
  subject: string,
  login: ProviderLogin,
  nowMs: number,
): Denial | null {
  if (subject !== wanted.subject) return OTHER_ACCOUNT;
  const lack = lackOf(wanted.requirement, login, nowMs);
  return lack === null ? null : INSUFFICIENT[lack];
}
