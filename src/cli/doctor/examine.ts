/** Runs every check, in the order in which a person would look. */

import type { Clocks } from '../../lib/clock.ts';
import { auditFinding, certificateFindings, configurationFindings, keyFindings } from './file-checks.ts';
import type { CheckResult, DoctorFinding } from './finding.ts';
import { driftFindings, feedFindings, keySetFindings, processClockFinding, reachFindings } from './gateway-checks.ts';
import { metricFindings } from './metric-checks.ts';
import type { Observation } from './observe.ts';
import { reasonFindings } from './reason-checks.ts';
import { remoteFindings } from './remote-checks.ts';
import { storeFindings } from './store-checks.ts';

/** All findings. */
export async function examine(seen: Observation, clocks: Clocks): Promise<readonly DoctorFinding[]> {
  const found: readonly CheckResult[] = [
    configurationFindings(seen),
    reachFindings(seen),
    driftFindings(seen),
    storeFindings(seen),
    feedFindings(seen),
    processClockFinding(seen),
    await keyFindings(seen),
    certificateFindings(seen),
    keySetFindings(seen),
    await remoteFindings(seen, clocks),
    await auditFinding(seen),
    metricFindings(seen),
    reasonFindings(seen),
  ];
  return flat(found);
}

const flat = (found: CheckResult): readonly DoctorFinding[] => {
  if (found === null) return [];
  return 'verdict' in found ? [found] : found.flatMap(flat);
};
