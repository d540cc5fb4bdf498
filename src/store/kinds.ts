/**
 * The stores that several gateways can share: the one list in which a new store is named. Its key is in `section.ts`;
 * everything else is in its own folder.
 */

import type { ConfigSource } from '../config/text/source.ts';
import type { Clocks } from '../lib/clock.ts';
import type { StoreEvents } from './networked/events.ts';
import type { NetworkedStore, StoreInspection } from './networked/kind.ts';
import { REDIS } from './redis/kind.ts';
import type { StoreConfig } from './section.ts';
import type { Store } from './store.ts';

/** A key of the section that names a store in another process. */
type Kind = Exclude<keyof StoreConfig, 'memory'>;

type Sections = { readonly [K in Kind]-?: NonNullable<StoreConfig[K]> };

/** The compiler asks for a row for each key of the section. */
const STORES: { readonly [K in Kind]: NetworkedStore<Sections[K]> } = { redis: REDIS };

/** Codes of the findings about the sections of these stores. */
export const NETWORKED_CODES = { ...REDIS.codes };

const KINDS = Object.keys(STORES) as readonly Kind[];

/** The keys of these stores, for messages: `store.redis`. */
export const SHARED_STORE_KEYS = KINDS.map((kind) => `store.${kind}`).join(' or ');

/** A store in another process that a configuration names: what {@link NetworkedStore} has, for its section. */
interface NamedStore {
  readonly kind: string;
  readonly lint: (source: ConfigSource) => void;
  readonly checkFiles: () => Promise<void>;
  readonly open: (clocks: Clocks, events: StoreEvents) => Promise<Store>;
  readonly inspect: (clocks: Clocks) => Promise<StoreInspection>;
}

/** The stores in other processes that a section names: one at most, if the section is valid. */
export const namedStores = (config: StoreConfig): readonly NamedStore[] =>
  KINDS.map((kind) => named(kind, config)).filter((store) => store !== null);

function named<K extends Kind>(kind: K, config: StoreConfig): NamedStore | null {
  const section = config[kind] as Sections[K] | undefined;
  if (section === undefined) return null;
  const store: NetworkedStore<Sections[K]> = STORES[kind];
  return {
    kind,
    lint: (source) => store.lint(section, source),
    checkFiles: () => store.checkFiles(section),
    open: (clocks, events) => store.open(section, clocks, events),
    inspect: (clocks) => store.inspect(section, clocks),
  };
}

/** Whether several processes can share the store: all but the embedded one can. */
export const isShared = (config: StoreConfig): boolean => namedStores(config).length > 0;
