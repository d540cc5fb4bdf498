/**
 * Sessions in Redis:
 *
 *   {prefix}s:{handle}            the session in its written form; lives until its idle or absolute timeout
 *   {prefix}u:{hash of subject}   the index of a subject: handles, as 32 bytes, by second of login
 *   {prefix}i:{shard}             the index of logins at identity providers (provider-index.ts)
 *
 * A session and its indices are in different slots of a Cluster, so nothing changes them at once. Instead, at every moment and after
 * every failure, a usable session is in its indices. An index entry without a session does no harm.
 */

import type { SessionHandle } from '../../jwt/names.ts';
import type { Clock } from '../../lib/clock.ts';
import type { RecentEnds } from '../networked/recent-ends.ts';
import { decodeSession, encodeSession, HEAD_LENGTH, writtenTime } from '../networked/session-format.ts';
import { type SessionRecord, subjectAtProvider } from '../session-record.ts';
import type { EndedAtProvider, SessionChanges, SessionStore, SessionUpdate } from '../store.ts';
import type { Commands, RedisCommand, Word } from './commands.ts';
import { updatedMessage } from './feed.ts';
import type { Keys } from './keys.ts';
import { ProviderIndex } from './provider-index.ts';
import { END, INDEX, MARK_ENDED, run, runOnTwo, TOUCH, UPDATE } from './scripts.ts';

/** An index entry without a session is a login in progress, unless it is older than this. */
const LOGIN_TAKES_AT_MOST_MS = 600_000;

/** What this replica is told at once. */
interface SessionNews {
  readonly onEnded: (handle: SessionHandle) => void;
  readonly onUpdated: (handle: SessionHandle) => void;
}

/** The sessions of one store. */
export class RedisSessions implements SessionStore {
  readonly #commands: Commands;
  readonly #keys: Keys;
  readonly #ended: RecentEnds;
  readonly #providerIndex: ProviderIndex;
  readonly #news: SessionNews;
  readonly #recordEnd: (handle: SessionHandle) => Promise<void>;
  readonly #wallMs: Clock;

  /**
   * @param news       told of what was done here, before it is reported
   * @param recordEnd  records the end for verifiers that connect later; never rejects
   */
  constructor(
    commands: Commands,
    keys: Keys,
    ended: RecentEnds,
    news: SessionNews,
    recordEnd: (handle: SessionHandle) => Promise<void>,
    wallMs: Clock,
  ) {
    this.#commands = commands;
    this.#keys = keys;
    this.#ended = ended;
    this.#providerIndex = new ProviderIndex(commands, keys, () => Math.floor(wallMs() / 1_000));
    this.#news = news;
    this.#recordEnd = recordEnd;
    this.#wallMs = wallMs;
  }

  /**
   * Writes the indices, then the session, then reads the indices again: "log out everywhere" in the meantime, or a logout
   * at the provider, has marked or removed the entry, and this session ends with the others.
   */
  async create(record: SessionRecord, ttlMs: number): Promise<void> {
    const { handle, createdAtMs } = record;
    const index = this.#keys.index(record.subject);
    const loginSec = Math.floor(createdAtMs / 1_000);
    const lifetimeMs = Math.max(1, record.expiresAtMs - createdAtMs);
    await this.#commands.send(run(INDEX, index, toBytes(handle), loginSec, lifetimeMs));
    try {
      if (!(await this.#providerIndex.add(record))) return void (await this.end(handle));
      const session = this.#keys.session(handle);
      await this.#commands.send(command('create', session, 'SET', encodeSession(record), 'PX', ttlMs));
      const [indexedAs, isIndexed] = await Promise.all([
        this.#commands.send(command('index', index, 'ZSCORE', toBytes(handle))),
        this.#providerIndex.has(record),
      ]);
      if (Number(indexedAs) !== loginSec || !isIndexed) await this.end(handle);
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
    const keys = this.#keys.sessionAndTokens(handle);
    return (await this.#commands.send(runOnTwo(TOUCH, keys, writtenTime(lastSeenAtMs), ttlMs))) === 1;
  }

  /** What it is found by at its provider is added before, and what it is no longer found by is removed after. */
  async update(handle: SessionHandle, changes: SessionChanges, expectedVersion: number): Promise<SessionUpdate> {
    for (;;) {
      const text = this.#ended.has(handle) ? null : await this.#readText(handle);
      const record = text === null ? null : decodeSession(handle, text);
      if (text === null || record === null) return { outcome: 'ended' };
      const { user, login } = changes;
      const updated = { ...record, user, login, version: expectedVersion + 1 };
      const [present, body] = [text.slice(HEAD_LENGTH), encodeSession(updated).slice(HEAD_LENGTH)];
      // A change that is there already is this one, made before.
      if (record.version !== expectedVersion && present !== body) return { outcome: 'outdated', record };
      const isIndexed = await this.#providerIndex.add(updated);
      const answer = isIndexed ? await this.#exchange(handle, present, body) : ENDED;
      // Read again: between the two, its logout at the provider may have marked it.
      if (answer === CHANGED && (await this.#providerIndex.has(updated))) {
        this.#news.onUpdated(handle);
        await this.#providerIndex.remove(record, updated).catch(() => {});
        return { outcome: 'updated', record: updated };
      }
      if (answer !== OTHERWISE) {
        await this.end(handle);
        await this.#providerIndex.remove(updated).catch(() => {});
        return { outcome: 'ended' };
      }
      await this.#providerIndex.remove(updated, record).catch(() => {});
    }
  }

  async end(handle: SessionHandle): Promise<SessionRecord | null> {
    const ended = await this.#end(handle);
    // The session has ended, which is what counts. A leftover index entry is removed when the index is next read.
    if (ended !== null) {
      const unindexed = [this.#unindex(ended.subject, [handle]), this.#providerIndex.remove(ended)];
      await Promise.all(unindexed).catch(() => {});
    }
    return ended;
  }

  /**
   * Marks the index entries, ends the sessions, then removes the entries: after a failure, repeating it finds and ends
   * the remaining sessions.
   */
  async endAll(subject: string): Promise<readonly SessionHandle[]> {
    const marked = await this.#commands.send({ ...run(MARK_ENDED, this.#keys.index(subject)), isBinary: true });
    const handles = bytes(marked).map(toHandle);
    const ended = await this.#endEach(handles);
    await this.#unindex(subject, handles);
    await Promise.all(ended.map((record) => this.#providerIndex.remove(record))).catch(() => {});
    return ended.map((record) => record.handle);
  }

  async endByProvider(provider: string, which: EndedAtProvider): Promise<readonly SessionHandle[]> {
    const end = async (handles: readonly SessionHandle[]) => {
      const ended = await this.#endEach(handles);
      const unindexed = ended.map(async (record) => {
        await this.#unindex(record.subject, [record.handle]);
        await this.#providerIndex.remove(record);
      });
      await Promise.all(unindexed).catch(() => {});
      return ended.map((record) => record.handle);
    };
    if ('sid' in which) return this.#providerIndex.endBySid(provider, which.sid, end);
    const ended = await Promise.all([
      this.endAll(subjectAtProvider(provider, which.subject)),
      this.#providerIndex.endByUser(provider, which.subject, end),
    ]);
    return ended.flat();
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
    const text = await this.#readText(handle);
    return text === null ? null : decodeSession(handle, text);
  }

  async #readText(handle: SessionHandle): Promise<string | null> {
    const text = await this.#commands.send(command('read', this.#keys.session(handle), 'GET'));
    return typeof text === 'string' ? text : null;
  }

  async #exchange(handle: SessionHandle, present: string, body: string): Promise<unknown> {
    const words = [present, body, this.#keys.revocations, updatedMessage(handle)];
    return this.#commands.send(run(UPDATE, this.#keys.session(handle), ...words));
  }

  /**
   * Ends sessions; all of them, also when some fail.
   *
   * @returns those that were there
   * @throws DependencyFault `store_unavailable` when one of them could not be ended
   */
  async #endEach(handles: readonly SessionHandle[]): Promise<readonly SessionRecord[]> {
    const results = await Promise.allSettled(handles.map((handle) => this.#end(handle)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const ended = results.map((result) => (result.status === 'fulfilled' ? result.value : null));
    return ended.filter((record) => record !== null);
  }

  async #end(handle: SessionHandle): Promise<SessionRecord | null> {
    const { revocations } = this.#keys;
    // In parallel, since it is about another key: a second round trip would double the wait.
    const recorded = this.#recordEnd(handle);
    const text = await this.#commands.send(runOnTwo(END, this.#keys.sessionAndTokens(handle), revocations, handle));
    this.#ended.note(handle);
    this.#news.onEnded(handle);
    await recorded;
    return typeof text === 'string' ? decodeSession(handle, text) : null;
  }

  async #unindex(subject: string, handles: readonly SessionHandle[]): Promise<void> {
    if (handles.length === 0) return;
    await this.#commands.send(command('index', this.#keys.index(subject), 'ZREM', ...handles.map(toBytes)));
  }
}

/** The answers of {@link UPDATE}: it has the new body; there is no session; it has another body than was expected. */
const [CHANGED, ENDED, OTHERWISE] = [1, 0, -1];

/** A command of Redis on one key; those that are used here can all be repeated. */
function command(operation: RedisCommand['operation'], key: string, word: string, ...values: Word[]): RedisCommand {
  return { operation, key, words: [word, key, ...values], isRepeatable: true };
}

const bytes = (reply: unknown): Buffer[] => (Array.isArray(reply) ? reply.filter(Buffer.isBuffer) : []);

/** Handles in the index are bytes: 11 fewer than as text, and there is one for every session. */
const toBytes = (handle: SessionHandle): Buffer => Buffer.from(handle, 'base64url');
const toHandle = (entry: Buffer): SessionHandle => entry.toString('base64url') as SessionHandle;
