/** The load generator: a process of its own, so that it can have a core of its own. Runs one load at a time. */

import { closedLoop } from './closed-loop.ts';
import type { Load } from './load.ts';
import { openLoop } from './open-loop.ts';

process.once('disconnect', () => process.exit());
process.on('message', (load: Load) => {
  void (load.rate === null ? closedLoop(load) : openLoop(load, load.rate)).then(
    (outcome) => process.send?.({ outcome }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.send?.({ ready: true });
