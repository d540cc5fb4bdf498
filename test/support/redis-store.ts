/** A Redis store, as a gateway opens it, and what it reported. */

import { DependencyFault } from '../../src/errors.ts';
import { type Clocks, systemClocks } from '../../src/lib/clock.ts';
import type { RedisConfig } from '../../src/store/redis/section.ts';
import { openRedisStore } from '../../src/store/redis/store.ts';
import type { Store } from '../../src/store/store.ts';
import { until } from './until.ts';

/** Everything that a store reported, in order. */
export class StoreLog {
  readonly lines: string[] = [];
  readonly operations: string[] = [];
  readonly errors: string[] = [];

  readonly events = {
    onAnswered: (operation: string) => void this.operations.push(operation),
    onError: (reason: string) => void this.errors.push(reason),
    onAvailable: () => void this.lines.push('available'),
    onUnavailable: (why: string) => void this.lines.push(`unavailable: ${why}`),
    onWarning: (what: string) => void this.lines.push(`warning: ${what}`),
  };
}

/**
 * `store.redis` of a configuration, with its defaults except for longer timeouts, since a busy machine delays Redis as
 * well. Tests of a Redis that does not answer use {@link IMPATIENT}.
 */
export function redisConfig(url: string, overrides: Partial<RedisConfig> = {}): RedisConfig {
  return { url, keyPrefix: 'sallyport:', connectTimeout: 10_000, commandTimeout: 10_000, ...overrides };
}

/** For tests of a Redis that does not answer. Such a test wraps the commands of its setup in {@link answered}. */
export const IMPATIENT = { connectTimeout: 1_000, commandTimeout: 500 };

/** Repeats a command until the store answers: an impatient store gives up on a Redis that is merely delayed. */
export async function answered<T>(command: () => Promise<T>): Promise<T> {
  const none = Symbol();
  let answer: T | typeof none = none;
  await until(async () => {
    answer = await command().catch((fault: unknown) => {
      if (fault instanceof DependencyFault) return none;
      throw fault;
    });
    return answer !== none;
  }, 'the store answers');
  return answer as T;
}

export interface OpenOptions {
  readonly config?: Partial<RedisConfig>;
  readonly clocks?: Clocks;
  readonly log?: StoreLog;
}

/** A store that `await using` closes. */
export type DisposableStore = Store & AsyncDisposable;

export async function openStore(url: string, options: OpenOptions = {}): Promise<DisposableStore> {
  const { config, clocks = systemClocks, log = new StoreLog() } = options;
  const store = await openRedisStore(redisConfig(url, config), clocks, log.events);
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

/** The stores of two replicas on one Redis of any kind; disposing of them also ends the Redis. */
export async function openReplicas(server: { readonly url: string } & AsyncDisposable) {
  const open = () => openStore(server.url);
  const replicas = await Promise.all([open(), open()]);
  return {
    replicas,
    [Symbol.asyncDispose]: async () => {
      for (const store of replicas) await store.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
