/** What a store in another process has to bring with it. */

import type { Codes } from '../../config/findings/problem.ts';
import type { ConfigSource } from '../../config/text/source.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { Store } from '../store.ts';
import type { StoreEvents } from './events.ts';

/** What an inspection of a store found. Texts are in fixed words, without secrets. */
export interface StoreInspection {
  readonly description: string;
  /** Why the gateway cannot work with it; `null` when it can. */
  readonly problem: string | null;
  /** Name and version of the server; `null` when it does not say. */
  readonly version: string | null;
  /** The median of several questions; `null` when it does not answer. */
  readonly roundTripMs: number | null;
  /** Its clock minus that of this process; `null` when it does not say. */
  readonly clockAheadMs: number | null;
  /** Memory in use by the server that has most, and its limit (0: none), in bytes; `null` when it does not say. */
  readonly memory: { readonly usedBytes: number; readonly maxBytes: number } | null;
  /** What works but should be otherwise. */
  readonly warnings: readonly string[];
}

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
  /** Looks at it from outside, for `sallyport doctor`. Never rejects. Writes the same test records to it as `open`. */
  readonly inspect: (section: Section, clocks: Clocks) => Promise<StoreInspection>;
}
