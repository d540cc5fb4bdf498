/** Why recent requests failed or were refused, with the advice that `sallyport why` gives. */

import { REASONS } from '../../errors.ts';
import type { RecentReason } from '../../telemetry/recent-requests.ts';
import { ADVICE } from '../why/advice.ts';
import { type CheckResult, fine, remark, trouble } from './finding.ts';
import type { Observation } from './observe.ts';

/** Refusals are what the rules are for: only the most frequent are named. */
const MOST_REFUSALS = 5;

/** One finding for each fault, and the most frequent refusals. */
export function reasonFindings({ gateway: { status } }: Observation): CheckResult {
  if (status === null) return null;
  // Another version may know other reasons.
  const known = status.reasons.filter(({ reason }) => Object.hasOwn(REASONS, reason));
  const [faults, refusals] = [known.filter(isFault), known.filter((it) => !isFault(it))];
  if (known.length === 0) return fine('requests', 'none of the remembered ones was refused or failed');
  return [
    ...faults.map((it) =>
      trouble('warning', 'requests', described(it), ADVICE[it.reason].cause, ADVICE[it.reason].cure),
    ),
    ...refusals.slice(0, MOST_REFUSALS).map((it) => remark('requests', described(it), `sallyport why ${it.lastId}`)),
  ];
}

const isFault = ({ reason }: RecentReason): boolean => REASONS[reason].alert === true;

const described = ({ reason, count, lastAt, lastId, lastRoute }: RecentReason): string =>
  `${count} × ${REASONS[reason].status} ${reason}, the last one at ${lastAt}${lastRoute === null ? '' : ` on route ${lastRoute}`} (id ${lastId})`;
