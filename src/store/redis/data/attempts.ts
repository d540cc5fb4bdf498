/** Failed attempts in Redis: `{prefix}a:{hash of key}`, a hash. See {@link BEGIN_ATTEMPT} for its fields. */

import type { AttemptStore, ThrottleRule } from '../../store.ts';
import type { Commands } from '../connection/commands.ts';
import type { ServerClock } from '../connection/server-clock.ts';
import type { Keys } from './keys.ts';
import { BEGIN_ATTEMPT, onKey, run, TAKE_BACK } from './scripts.ts';

/** Failed attempts in Redis. An attempt whose answer is lost counts as failed. */
export class RedisAttempts implements AttemptStore {
  readonly #commands: Commands;
  readonly #keys: Keys;
  readonly #clock: Pick<ServerClock, 'aheadMs'>;

  constructor(commands: Commands, keys: Keys, clock: Pick<ServerClock, 'aheadMs'>) {
    this.#commands = commands;
    this.#keys = keys;
    this.#clock = clock;
  }

  async begin(key: string, rule: ThrottleRule, nowMs: number): Promise<number> {
    const words = [nowMs + this.#clock.aheadMs(), rule.freeAttempts, rule.maxDelayMs, rule.windowMs];
    return Number(await this.#commands.send(run(BEGIN_ATTEMPT, this.#keys.attempts(key), ...words)));
  }

  async succeeded(key: string): Promise<void> {
    await this.#commands.send(onKey('attempt', this.#keys.attempts(key), 'DEL'));
  }

  async takeBack(key: string): Promise<void> {
    await this.#commands.send(run(TAKE_BACK, this.#keys.attempts(key)));
  }
}
