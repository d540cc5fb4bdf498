/**
 * hand-over: one login for several origins. In: requests to origins other than the login origin, and the requests that they redirect to
 * it. Out: redirects between the two, and a separate session cookie on each. Fails with Denials 400, as a page that leads on, and with
 * 503 when the store does not answer: then no cookie changes.
 */

import type { LinkedCookies } from '../../../authentication/session/linked-cookies.ts';
import type { Clocks } from '../../../lib/clock.ts';
import type { CodeStore } from '../../../store/store.ts';
import type { LoginParts } from '../login-parts.ts';
import { StartThrottle } from '../oidc/flow/start-throttle.ts';
import type { LoginTransactions } from '../oidc/flow/transactions.ts';
import type { SessionCookie } from '../session-cookie.ts';
import { type RequiringRoutes, requirementsOf } from '../step-up/requirements.ts';
import { HandOverCodes } from './hand-over-codes.ts';
import { LoginOrigin } from './login-origin.ts';
import { OtherOrigin } from './other-origin.ts';
import type { HandOverParts } from './parts.ts';
import type { HandOverSeries } from './series.ts';

/** What it is opened with. */
interface HandOverSurroundings {
  readonly login: LoginParts;
  readonly codes: CodeStore;
  readonly links: LinkedCookies;
  readonly transactions: LoginTransactions;
  /** Hand-overs that may begin from one address in ten minutes, all of them possibly at once. */
  readonly startsPerAddress: number;
  readonly series: HandOverSeries;
  readonly routes: RequiringRoutes;
  readonly cookie: SessionCookie;
  readonly clocks: Clocks;
}

const STARTS_WINDOW_MS = 600_000;

/** How one login serves several origins. */
export interface HandOver {
  readonly loginOrigin: LoginOrigin;
  readonly otherOrigin: OtherOrigin;
}

/**
 * Opens it.
 *
 * @param loginOrigin  the origin at which people log in; `undefined` where each has logins of its own
 * @returns `null` where each origin has logins of its own
 */
export function openHandOver(
  loginOrigin: string | undefined,
  publicOrigins: readonly string[],
  { codes, startsPerAddress, routes, clocks, ...surroundings }: HandOverSurroundings,
): HandOver | null {
  if (loginOrigin === undefined) return null;
  const { wallMs, monotonicMs } = clocks;
  const rates = { burst: startsPerAddress, windowMs: STARTS_WINDOW_MS };
  const parts: HandOverParts = {
    ...surroundings,
    loginOrigin,
    others: new Set(publicOrigins.filter((origin) => origin !== loginOrigin)),
    codes: new HandOverCodes(codes, wallMs),
    throttle: { begun: new StartThrottle(rates, monotonicMs), given: new StartThrottle(rates, monotonicMs) },
    requirements: requirementsOf(routes),
    isCookieStrict: surroundings.cookie.sameSite === 'strict',
    wallMs,
  };
  return { loginOrigin: new LoginOrigin(parts), otherOrigin: new OtherOrigin(parts) };
}
