/** Runs every check, in the order in which one would look. */

import type { Clocks } from '../../lib/clock.ts';
import { auditFindings, certificateFindings, configurationFindings, keyFindings } from './file-checks.ts';
import type { DoctorFinding } from './finding.ts';
import { driftFindings, feedFindings, keySetFindings, processClockFindings, reachFindings } from './gateway-checks.ts';
import { metricFindings } from './metric-checks.ts';
import type { Observation } from './observe.ts';
import { reasonFindings } from './reason-checks.ts';
import { remoteFindings } from './remote-checks.ts';
import { storeFindings } from './store-checks.ts';

/** All findings. */
export async function examine(seen: Observation, clocks: Clocks): Promise<readonly DoctorFinding[]> {
  return [
    ...configurationFindings(seen),
    ...reachFindings(seen),
    ...driftFindings(seen),
    ...storeFindings(seen),
    ...feedFindings(seen),
    ...processClockFindings(seen),
    ...(await keyFindings(seen)),
    ...certificateFindings(seen),
    ...keySetFindings(seen),
    ...(await remoteFindings(seen, clocks)),
    ...(await auditFindings(seen)),
    ...metricFindings(seen),
    ...reasonFindings(seen),
  ];
}
