/** Opens the store that the configuration names, and counts and logs what it reports. */

import type { Clocks } from '../lib/clock.ts';
import type { Logger } from '../telemetry/log.ts';
import { namedStores } from './kinds.ts';
import { createMemoryStore } from './memory/store.ts';
import type { StoreErrorReason, StoreEvents, StoreOperation } from './networked/events.ts';
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
  return networked.open(clocks, new StoreReports(`store.${networked.kind}`, log, series));
}

/** The size of the embedded store when the configuration does not name it. */
const DEFAULT_MAX_SESSIONS = 100_000;

/** Counts and logs what a networked store reports. */
class StoreReports implements StoreEvents {
  readonly #key: string;
  readonly #log: Logger;
  readonly #series: StoreSeries;

  constructor(key: string, log: Logger, series: StoreSeries) {
    this.#key = key;
    this.#log = log;
    this.#series = series;
  }

  onAnswered(operation: StoreOperation, durationMs: number): void {
    this.#series.answered(operation, durationMs);
  }

  onError(reason: StoreErrorReason): void {
    this.#series.failed(reason);
  }

  onAvailable(): void {
    this.#series.up(true);
    this.#log.info('session store available');
  }

  onUnavailable(why: string): void {
    this.#series.up(false);
    this.#log.error({ why }, 'session store unavailable');
  }

  onWarning(what: string): void {
    this.#log.warn(`${this.#key}: ${what}`);
  }
}
