/** Codes of logins at a command line in Redis: `{prefix}c:{hash of the code}`, one key each, with its own time to live. */

import type { CodeStore } from '../../store.ts';
import type { Commands } from '../connection/commands.ts';
import type { Keys } from './keys.ts';
import { ADD_CODE, onKey, REPLACE_CODE, run, wholeMs } from './scripts.ts';

/** Codes in Redis. */
export class RedisCodes implements CodeStore {
  readonly #commands: Commands;
  readonly #keys: Keys;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async add(key: string, value: string, ttlMs: number): Promise<boolean> {
    return this.#isDone(run(ADD_CODE, this.#keys.code(key), value, wholeMs(ttlMs)));
  }

  async read(key: string): Promise<string | null> {
    const value = await this.#commands.send(onKey('code', this.#keys.code(key), 'GET'));
    return typeof value === 'string' ? value : null;
  }

  async replace(key: string, expected: string, value: string, ttlMs: number): Promise<boolean> {
    return this.#isDone(run(REPLACE_CODE, this.#keys.code(key), expected, value, wholeMs(ttlMs)));
  }

  async end(key: string): Promise<void> {
    await this.#commands.send(onKey('code', this.#keys.code(key), 'DEL'));
  }

  async #isDone(command: Parameters<Commands['send']>[0]): Promise<boolean> {
    return Number(await this.#commands.send(command)) === 1;
  }
}
