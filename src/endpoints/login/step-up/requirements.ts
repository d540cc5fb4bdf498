/** The routes that require a login of a kind, as far as logins are concerned. */

import type { Requirement } from '../../../authorization/section.ts';

/** Routes, as far as logins once more are concerned. */
export type RequiringRoutes = readonly { readonly id: string; readonly require?: Requirement | undefined }[];

/** What routes require, by their ids. */
export const requirementsOf = (routes: RequiringRoutes): ReadonlyMap<string, Requirement> =>
  new Map(
    routes.flatMap(({ id, require: requirement }) => (requirement === undefined ? [] : [[id, requirement] as const])),
  );
