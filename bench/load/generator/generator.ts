/** The load generator: a process of its own, so that it can have a core of its own. Runs one load at a time. */

import type { Load, Outcome } from './load.ts';
import { openLoop } from './open-loop.ts';
import { wrk } from './wrk.ts';

process.once('disconnect', () => process.exit());
process.on('message', (load: Load) => {
  void run(load).then(
    (outcome) => process.send?.({ outcome }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.send?.({ ready: true });

/** The closed loop needs a package that is installed only for it. */
async function run(load: Load): Promise<Outcome> {
  if (load.rate !== null) return openLoop(load, load.rate);
  if (load.tool === 'wrk') return wrk(load);
  const { closedLoop } = await import('./closed-loop.ts');
  return closedLoop(load);
}
