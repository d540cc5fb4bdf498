/** Failed attempts in Redis: `{prefix}a:{hash of key}`, a hash. See {@link BEGIN_ATTEMPT} for its fields. */

import type { AttemptStore, ThrottleRule } from '../../store.ts';
import type { Commands } from '../connection/commands.ts';
import type { ServerClock } from '../connection/server-clock.ts';
import type { Keys } from './keys.ts';
import { BEGIN_ATTEMPT, run, TAKE_BACK } from './scripts.ts';

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
    const { freeAttempts, maxDelayMs, windowMs } = rule;
    const attempt = run(
      BEGIN_ATTEMPT,
      this.#keys.attempts(key),
      nowMs + this.#clock.aheadMs(),
      freeAttempts,
      maxDelayMs,
      windowMs,
    );
    return Number(await this.#commands.send(attempt));
  }

  async succeeded(key: string): Promise<void> {
    const attempts = this.#keys.attempts(key);
    await this.#commands.send({
      operation: 'attempt',
      key: attempts,
      words: ['DEL', attempts],
      isRepeatable: true,
    });
  }

  async takeBack(key: string): Promise<void> {
    await this.#commands.send(run(TAKE_BACK, this.#keys.attempts(key)));
  }
}
