/** Keys in Redis that can be used once: `{prefix}o:{hash of key}`, which holds the mark of its use. */

import { randomHex } from '../../../lib/crypto/random-hex.ts';
import type { OnceStore } from '../../store.ts';
import type { Commands } from '../connection/commands.ts';
import type { Keys } from './keys.ts';
import { run, USE_ONCE, wholeMs } from './scripts.ts';

/** One-time keys in Redis. Each use has its own mark, so that the command can be sent again. */
export class RedisOnce implements OnceStore {
  readonly #commands: Commands;
  readonly #keys: Keys;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async use(key: string, ttlMs: number): Promise<boolean> {
    const command = run(USE_ONCE, this.#keys.once(key), randomHex(32), wholeMs(ttlMs));
    return Number(await this.#commands.send(command)) === 1;
  }
}
