/**
 * Families of refresh tokens in Redis: `{prefix}r:{handle}`, one key each, which lives until the absolute end of its
 * session. See `family-scripts.ts` for its fields.
 */

import { isSessionHandle } from '../../../jwt/names.ts';
import type { Clock } from '../../../lib/clock.ts';
import type {
  NewRefreshFamily,
  PresentedRefreshToken,
  ProposedSuccessor,
  RefreshClient,
  RefreshFamilyReading,
  Rotation,
} from '../../refresh-family.ts';
import type { RefreshFamilies } from '../../store.ts';
import type { Commands } from '../connection/commands.ts';
import { unavailable } from '../connection/faults.ts';
import { BEGIN_FAMILY, READ_FAMILY, ROTATE_FAMILY } from './family-scripts.ts';
import type { Keys } from './keys.ts';
import { onKey, run } from './scripts.ts';

/** The letter that is written for each kind of client. */
const CLIENT_LETTERS: Readonly<Record<RefreshClient, string>> = { browser: 'b', native: 'n' };

/** Families of refresh tokens in Redis. */
export class RedisFamilies implements RefreshFamilies {
  readonly #commands: Commands;
  readonly #keys: Keys;
  readonly #commandTimeoutMs: number;
  readonly #monotonicMs: Clock;

  constructor(commands: Commands, keys: Keys, commandTimeoutMs: number, monotonicMs: Clock) {
    this.#commands = commands;
    this.#keys = keys;
    this.#commandTimeoutMs = commandTimeoutMs;
    this.#monotonicMs = monotonicMs;
  }

  async begin({ handle, session, client, current }: NewRefreshFamily, ttlMs: number): Promise<void> {
    const key = this.#keys.family(handle);
    await this.#commands.send(run(BEGIN_FAMILY, key, session, CLIENT_LETTERS[client], current, ttlMs));
  }

  async read(handle: string): Promise<RefreshFamilyReading | null> {
    const reply = texts(await this.#commands.send(run(READ_FAMILY, this.#keys.family(handle))));
    const [asOfMs, session, letter, generation, current, previous, seed, rotatedAtMs, endedBy] = reply;
    if (asOfMs == null || session == null || current == null || !isSessionHandle(session)) return null;
    return {
      family: {
        handle,
        session,
        client: letter === CLIENT_LETTERS.browser ? 'browser' : 'native',
        generation: Number(generation),
        current,
        previous: previous ?? null,
        seed: seed ?? null,
        rotatedAtMs: Number(rotatedAtMs),
        isEnded: endedBy != null,
      },
      asOfMs: Number(asOfMs),
      arrivedAtMs: this.#monotonicMs(),
    };
  }

  /**
   * Redis does nothing after this call has given up, nor after the grace since the reading. That moment is calculated
   * from the reading, in the server's own time.
   */
  async rotate(
    { family, asOfMs, arrivedAtMs }: RefreshFamilyReading,
    { generation, digest }: PresentedRefreshToken,
    proposed: ProposedSuccessor,
    graceMs: number,
  ): Promise<Rotation> {
    const sinceReadingMs = this.#monotonicMs() - arrivedAtMs;
    const notAfterMs = asOfMs + Math.floor(Math.min(sinceReadingMs + this.#commandTimeoutMs, graceMs));
    const words = [generation, digest, proposed.seed, proposed.digest, graceMs, notAfterMs];
    const rotate = run(ROTATE_FAMILY, this.#keys.family(family.handle), ...words);
    const [outcome, seed] = texts(await this.#commands.send(rotate));
    if ((outcome === 'rotated' || outcome === 'replayed') && seed != null) return { outcome, seed };
    if (outcome === 'kept' || outcome === 'reused' || outcome === 'ended' || outcome === 'unknown') return { outcome };
    throw unavailable('Redis took too long to rotate a refresh token');
  }

  async end(handle: string): Promise<void> {
    await this.#commands.send(onKey('refresh', this.#keys.family(handle), 'DEL'));
  }
}

/** The elements of a reply; `null` for what is not a string. */
const texts = (reply: unknown): (string | null)[] =>
  Array.isArray(reply) ? reply.map((item) => (typeof item === 'string' ? item : null)) : [];
