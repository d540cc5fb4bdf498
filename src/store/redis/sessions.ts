/**
 * Sessions in Redis:
 *
 *   {prefix}s:{handle}            the session in its written form; lives until its idle or absolute timeout
 *   {prefix}u:{hash of subject}   the index of a subject: handles, as 32 bytes, by second of login
 *
 * The two are in different slots of a Cluster, so nothing changes both at once. Instead, at every moment and after
 * every failure, a usable session is in its index. An index entry without a session does no harm.
 */

import type { SessionHandle } from '../../jwt/names.ts';
import type { Clock } from '../../lib/clock.ts';
import type { RecentEnds } from '../networked/recent-ends.ts';
import { decodeSession, encodeSession, writtenTime } from '../networked/session-format.ts';
import type { SessionRecord } from '../session-record.ts';
import type { SessionStore } from '../store.ts';
import type { Commands, RedisCommand, Word } from './commands.ts';
import type { Keys } from './keys.ts';
import { END, INDEX, MARK_ENDED, run, TOUCH } from './scripts.ts';

/** An index entry without a session is a login in progress, unless it is older than this. */
const LOGIN_TAKES_AT_MOST_MS = 600_000;

/** The sessions of one store. */
export class RedisSessions implements SessionStore {
  readonly #commands: Commands;
  readonly #keys: Keys;
  readonly #ended: RecentEnds;
  readonly #onEnded: (handle: SessionHandle) => void;
  readonly #recordEnd: (handle: SessionHandle) => Promise<void>;
  readonly #wallMs: Clock;

  /**
   * @param onEnded    called when a session was ended here, before its end is reported
   * @param recordEnd  records the end for verifiers that connect later; never rejects
   */
  constructor(
    commands: Commands,
    keys: Keys,
    ended: RecentEnds,
    onEnded: (handle: SessionHandle) => void,
    recordEnd: (handle: SessionHandle) => Promise<void>,
    wallMs: Clock,
  ) {
    this.#commands = commands;
    this.#keys = keys;
    this.#ended = ended;
    this.#onEnded = onEnded;
    this.#recordEnd = recordEnd;
    this.#wallMs = wallMs;
  }

  /**
   * Writes the index, then the session, then reads the index again: "log out everywhere" in the meantime has marked or
   * removed the entry, and this session ends with the others.
   */
  async create(record: SessionRecord, ttlMs: number): Promise<void> {
    const { handle, createdAtMs } = record;
    const index = this.#keys.index(record.subject);
    const loginSec = Math.floor(createdAtMs / 1_000);
    const lifetimeMs = Math.max(1, record.expiresAtMs - createdAtMs);
    await this.#commands.send(run(INDEX, index, toBytes(handle), loginSec, lifetimeMs));
    try {
      const session = this.#keys.session(handle);
      await this.#commands.send(command('create', session, 'SET', encodeSession(record), 'PX', ttlMs));
      const indexedAs = await this.#commands.send(command('index', index, 'ZSCORE', toBytes(handle)));
      if (Number(indexedAs) !== loginSec) await this.end(handle);
    } catch (fault) {
      // No one gets its id. If the session was written nevertheless, it ends here or by its time to live.
      this.end(handle).catch(() => {});
      throw fault;
    }
  }

  async read(handle: SessionHandle): Promise<SessionRecord | null> {
    const record = await this.#readRaw(handle);
    if (record === null || !this.#ended.has(handle)) return record;
    this.end(handle).catch(() => {});
    return null;
  }

  async touch(handle: SessionHandle, lastSeenAtMs: number, ttlMs: number): Promise<boolean> {
    if (this.#ended.has(handle)) return false;
    const session = this.#keys.session(handle);
    return (await this.#commands.send(run(TOUCH, session, writtenTime(lastSeenAtMs), ttlMs))) === 1;
  }

  async end(handle: SessionHandle): Promise<SessionRecord | null> {
    const ended = await this.#end(handle);
    // The session has ended, which is what counts. A leftover index entry is removed when the index is next read.
    if (ended !== null) await this.#unindex(ended.subject, [handle]).catch(() => {});
    return ended;
  }

  /**
   * Marks the index entries, ends the sessions, then removes the entries: after a failure, repeating it finds and ends
   * the remaining sessions.
   */
  async endAll(subject: string): Promise<readonly SessionHandle[]> {
    const marked = await this.#commands.send({ ...run(MARK_ENDED, this.#keys.index(subject)), isBinary: true });
    const handles = bytes(marked).map(toHandle);
    const results = await Promise.allSettled(handles.map((handle) => this.#end(handle)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    await this.#unindex(subject, handles);
    return handles.filter((_, i) => results[i]?.status === 'fulfilled' && results[i].value !== null);
  }

  async list(subject: string): Promise<readonly SessionRecord[]> {
    const index = this.#keys.index(subject);
    const range = command('index', index, 'ZRANGE', 0, -1, 'WITHSCORES');
    const entries = bytes(await this.#commands.send({ ...range, isBinary: true }));
    const handles = entries.filter((_, i) => i % 2 === 0).map(toHandle);
    const records = await Promise.all(handles.map((handle) => this.read(handle)));
    const bygoneSec = (this.#wallMs() - LOGIN_TAKES_AT_MOST_MS) / 1_000;
    const bygone = handles.filter((_, i) => records[i] === null && Number(entries[2 * i + 1]) < bygoneSec);
    await this.#unindex(subject, bygone);
    return records
      .filter((record) => record !== null)
      .filter((record) => record.subject === subject)
      .toSorted((a, b) => a.createdAtMs - b.createdAtMs);
  }

  /** Ends sessions again that ended recently, since a promoted primary may have missed it. */
  async endAgain(handles: readonly SessionHandle[]): Promise<void> {
    for (const handle of handles) await this.#end(handle);
  }

  async #readRaw(handle: SessionHandle): Promise<SessionRecord | null> {
    const text = await this.#commands.send(command('read', this.#keys.session(handle), 'GET'));
    return typeof text === 'string' ? decodeSession(handle, text) : null;
  }

  async #end(handle: SessionHandle): Promise<SessionRecord | null> {
    const { revocations } = this.#keys;
    // In parallel, since it is about another key: a second round trip would double the wait.
    const recorded = this.#recordEnd(handle);
    const text = await this.#commands.send(run(END, this.#keys.session(handle), revocations, handle));
    this.#ended.note(handle);
    this.#onEnded(handle);
    await recorded;
    return typeof text === 'string' ? decodeSession(handle, text) : null;
  }

  async #unindex(subject: string, handles: readonly SessionHandle[]): Promise<void> {
    if (handles.length === 0) return;
    await this.#commands.send(command('index', this.#keys.index(subject), 'ZREM', ...handles.map(toBytes)));
  }
}

/** A command of Redis on one key; those that are used here can all be repeated. */
function command(operation: RedisCommand['operation'], key: string, word: string, ...values: Word[]): RedisCommand {
  return { operation, key, words: [word, key, ...values], isRepeatable: true };
}

const bytes = (reply: unknown): Buffer[] => (Array.isArray(reply) ? reply.filter(Buffer.isBuffer) : []);

/** Handles in the index are bytes: 11 fewer than as text, and there is one for every session. */
const toBytes = (handle: SessionHandle): Buffer => Buffer.from(handle, 'base64url');
const toHandle = (entry: Buffer): SessionHandle => entry.toString('base64url') as SessionHandle;
