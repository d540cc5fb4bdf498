/** What a store in another process has to bring with it. */

import type { Codes } from '../../config/problem.ts';
import type { ConfigSource } from '../../config/source.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { Store } from '../store.ts';
import type { StoreEvents } from './events.ts';

/** A kind of store in another process. One constant per folder, named in `../kinds.ts`. */
export interface NetworkedStore<Section> {
  /** Codes of the findings about its section. */
  readonly codes: Codes;
  /** Applies the rules between its keys. */
  readonly lint: (section: Section, source: ConfigSource) => void;
  /**
   * Reads the files that its section names, and does nothing else.
   *
   * @throws ConfigFault when one of them cannot be used
   */
  readonly checkFiles: (section: Section) => Promise<void>;
  /**
   * Opens the store, also when it cannot be reached yet.
   *
   * @throws ConfigFault when it refuses the gateway, or a named file cannot be used
   */
  readonly open: (section: Section, clocks: Clocks, events: StoreEvents) => Promise<Store>;
}
