/** Loaded into a gateway before it starts (`--import`): lets the benchmark begin and end a CPU profile. */

import { Session } from 'node:inspector/promises';

const SAMPLING_INTERVAL_US = 200;

const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.setSamplingInterval', { interval: SAMPLING_INTERVAL_US });

process.on('message', (message) => {
  if (message === 'begin') void session.post('Profiler.start').then(() => process.send?.({}));
  else void session.post('Profiler.stop').then(({ profile }) => process.send?.({ profile }));
});
