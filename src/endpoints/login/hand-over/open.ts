/**
 * hand-over: one login for several origins. In: requests to origins other than the login origin, and the requests that they redirect to
 * it. Out: redirects between the two, and a separate session cookie on each. Fails with Denials 400, as a page with a
 * link to continue, and with 503 when the store does not answer: then no cookie changes.
 */

import type { Clock } from '../../../lib/clock.ts';
import type { CodeStore } from '../../../store/store.ts';
import { StartThrottle } from '../oidc/flow/start-throttle.ts';
import { HandOverCodes } from './hand-over-codes.ts';
import { LoginOrigin } from './login-origin.ts';
import { OtherOrigin } from './other-origin.ts';
import type { HandOverParts } from './parts.ts';

/** What it is opened with. */
interface HandOverSurroundings
  extends Pick<HandOverParts, 'login' | 'links' | 'transactions' | 'series' | 'requirements' | 'cookie'> {
  readonly codes: CodeStore;
  /** Hand-overs that may begin from one address in ten minutes, all of them possibly at once. */
  readonly startsPerAddress: number;
  readonly monotonicMs: Clock;
}

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
  { codes, startsPerAddress, monotonicMs, ...surroundings }: HandOverSurroundings,
): HandOver | null {
  if (loginOrigin === undefined) return null;
  const parts: HandOverParts = {
    ...surroundings,
    loginOrigin,
    others: new Set(publicOrigins.filter((origin) => origin !== loginOrigin)),
    codes: new HandOverCodes(codes, surroundings.login.wallMs),
    throttle: {
      begun: new StartThrottle(startsPerAddress, monotonicMs),
      given: new StartThrottle(startsPerAddress, monotonicMs),
    },
  };
  return { loginOrigin: new LoginOrigin(parts), otherOrigin: new OtherOrigin(parts) };
}
