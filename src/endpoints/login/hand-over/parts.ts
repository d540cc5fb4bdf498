/** What the two parts of a hand-over share: one set per configuration that has a login origin. */

import type { LinkedCookies } from '../../../authentication/session/linked-cookies.ts';
import type { Requirement } from '../../../authorization/section.ts';
import type { EndpointParts } from '../../parts.ts';
import type { SessionCookie } from '../../session-cookie.ts';
import type { StartThrottle } from '../oidc/flow/start-throttle.ts';
import type { LoginTransactions } from '../oidc/flow/transactions.ts';
import type { HandOverCodes } from './hand-over-codes.ts';
import type { HandOverSeries } from './series.ts';

/** The parts. */
export interface HandOverParts {
  readonly login: EndpointParts;
  /** The origin at which people log in. */
  readonly loginOrigin: string;
  /** The other public origins. */
  readonly others: ReadonlySet<string>;
  readonly codes: HandOverCodes;
  readonly links: LinkedCookies;
  readonly transactions: LoginTransactions;
  /** Of hand-overs that begin, and of codes that are given: each takes a place in the store. */
  readonly throttle: { readonly begun: StartThrottle; readonly given: StartThrottle };
  readonly series: HandOverSeries;
  /** `require` of routes, by id. */
  readonly requirements: ReadonlyMap<string, Requirement>;
  readonly cookie: SessionCookie;
}
