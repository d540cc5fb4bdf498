/** Loaded into a gateway before it starts (`--import`): lets the benchmark begin and end a profile of it. */

import { Session } from 'node:inspector/promises';

const SAMPLING_INTERVAL_US = 200;
/** A sample for each of so many allocated bytes, on average. */
const SAMPLING_INTERVAL_BYTES = 8_192;

const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.setSamplingInterval', { interval: SAMPLING_INTERVAL_US });

const PROFILES = {
  time: {
    begin: () => session.post('Profiler.start'),
    end: () => session.post('Profiler.stop'),
  },
  // Without these two options, only what is still in memory at the end is counted.
  allocations: {
    begin: () =>
      session.post('HeapProfiler.startSampling', {
        samplingInterval: SAMPLING_INTERVAL_BYTES,
        includeObjectsCollectedByMajorGC: true,
        includeObjectsCollectedByMinorGC: true,
      }),
    end: () => session.post('HeapProfiler.stopSampling'),
  },
};

/** What the benchmark asks for. */
export interface ProfileRequest {
  readonly of: keyof typeof PROFILES;
  readonly step: 'begin' | 'end';
}

process.on('message', ({ of, step }: ProfileRequest) => {
  void PROFILES[of][step]().then((answer) => process.send?.(answer));
});
