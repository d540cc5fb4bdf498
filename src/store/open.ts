/** Opens the store that the configuration names, and counts and logs what it reports. */

import type { Clocks } from '../lib/clock.ts';
import type { Logger } from '../telemetry/log.ts';
import { namedStores } from './kinds.ts';
import { createMemoryStore } from './memory/store.ts';
import type { StoreConfig } from './section.ts';
import type { StoreSeries } from './series.ts';
import type { Store } from './store.ts';

interface StoreSurroundings {
  readonly clocks: Clocks;
  readonly log: Logger;
  readonly series: StoreSeries;
}

/**
 * Opens the store. A store that cannot be reached yet is opened nevertheless: it answers later, and until then the
 * gateway is not ready.
 *
 * @throws ConfigFault when the store refuses the gateway, or a file that the configuration names cannot be used
 */
export async function openStore(config: StoreConfig, { clocks, log, series }: StoreSurroundings): Promise<Store> {
  const [networked] = namedStores(config);
  if (networked === undefined) {
    series.up(true);
    return createMemoryStore(config.memory?.maxSessions ?? DEFAULT_MAX_SESSIONS, clocks);
  }
  series.up(false);
  series.expectCommands();
  return networked.open(clocks, {
    onAnswered: (operation, durationMs) => series.answered(operation, durationMs),
    onError: (reason) => series.failed(reason),
    onAvailable: () => {
      series.up(true);
      log.info('session store available');
    },
    onUnavailable: (why) => {
      series.up(false);
      log.error({ why }, 'session store unavailable');
    },
    onWarning: (what) => log.warn(`store.${networked.kind}: ${what}`),
  });
}

/** The size of the embedded store when the configuration does not name it. */
const DEFAULT_MAX_SESSIONS = 100_000;
