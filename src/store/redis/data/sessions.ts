/**
 * Sessions in Redis:
 *
 *   {prefix}s:{handle}   the session in its written form; lives until its idle or absolute timeout. On a line of their own after
 *                        it, the sealed tokens of its identity provider (sealed-tokens.ts): JSON has no line breaks
 *   {prefix}i:{shard}    the index: by subject, and by what a provider ends sessions by (session-index.ts)
 *
 * A session and its index entries are in different slots of a Cluster, so nothing changes them at once. Instead, at every moment and
 * after every failure, a usable session is in the index. An entry without a session does no harm.
 */

import type { SessionHandle } from '../../../jwt/names.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { RecentEnds } from '../../networked/recent-ends.ts';
import { decodeSession, encodeSession, HEAD_LENGTH, writtenTime } from '../../networked/session-format.ts';
import { nameOfSid, nameOfSubject, nameOfUser } from '../../session-names.ts';
import type { SessionNews } from '../../session-news.ts';
import { type SessionRecord, subjectAtProvider } from '../../session-record.ts';
import type { EndedAtProvider, SessionChanges, SessionStore, SessionUpdate } from '../../store.ts';
import type { Commands } from '../connection/commands.ts';
import type { ServerClock } from '../connection/server-clock.ts';
import { updatedMessage } from '../feed.ts';
import type { Keys } from './keys.ts';
import { END, onKey, run, runOnTwo, TOUCH, UPDATE } from './scripts.ts';
import { SessionIndex } from './session-index.ts';

/** How much of a value is read at first: sessions are shorter, as a rule. Tokens, which can be longer, are not read. */
const READ_BYTES = 1_024;

/** The sessions of one store. */
export class RedisSessions implements SessionStore {
  readonly #commands: Commands;
  readonly #keys: Keys;
  readonly #ended: RecentEnds;
  readonly #index: SessionIndex;
  readonly #clock: Pick<ServerClock, 'aheadMs'>;
  readonly #news: SessionNews;
  readonly #recordEnd: (handle: SessionHandle) => Promise<void>;

  /**
   * @param news       hears of what was done here at once, without a round trip through Redis
   * @param recordEnd  records the end for verifiers that connect later; never rejects
   */
  constructor(
    commands: Commands,
    keys: Keys,
    ended: RecentEnds,
    news: SessionNews,
    recordEnd: (handle: SessionHandle) => Promise<void>,
    wallMs: Clock,
    clock: Pick<ServerClock, 'aheadMs'>,
  ) {
    this.#commands = commands;
    this.#keys = keys;
    this.#ended = ended;
    this.#clock = clock;
    this.#index = new SessionIndex(commands, keys, () => Math.floor((wallMs() + clock.aheadMs()) / 1_000));
    this.#news = news;
    this.#recordEnd = recordEnd;
  }

  /**
   * Writes the index, then the session, then reads the index again: "log out everywhere" in the meantime, or a logout at
   * the provider, has marked or removed an entry, and this session ends with the others.
   */
  async create(opened: SessionRecord, ttlMs: number): Promise<void> {
    const record = moved(opened, this.#clock.aheadMs());
    const { handle } = record;
    if (!(await this.#index.add(record))) return void (await this.end(handle));
    try {
      await this.#commands.send(onKey('create', this.#keys.session(handle), 'SET', encodeSession(record), 'PX', ttlMs));
      if (!(await this.#index.has(record))) await this.end(handle);
    } catch (fault) {
      // No one gets its id. If the session was written nevertheless, it ends here or by its time to live.
      this.end(handle).catch(() => {});
      throw fault;
    }
  }

  async read(handle: SessionHandle): Promise<SessionRecord | null> {
    const text = await this.#readText(handle);
    const record = text === null ? null : this.#decode(handle, text);
    if (record === null || !this.#ended.has(handle)) return record;
    this.end(handle).catch(() => {});
    return null;
  }

  async touch(handle: SessionHandle, lastSeenAtMs: number, ttlMs: number): Promise<boolean> {
    if (this.#ended.has(handle)) return false;
    const touched = run(TOUCH, this.#keys.session(handle), writtenTime(lastSeenAtMs + this.#clock.aheadMs()), ttlMs);
    return (await this.#commands.send(touched)) === 1;
  }

  /** Its new names are added to the index before the change, and its old ones removed after it. */
  async update(handle: SessionHandle, changes: SessionChanges, expectedVersion: number): Promise<SessionUpdate> {
    for (;;) {
      const text = this.#ended.has(handle) ? null : await this.#readText(handle);
      const written = text === null ? null : decodeSession(handle, text);
      if (text === null || written === null) return { outcome: 'ended' };
      const aheadMs = this.#clock.aheadMs();
      const record = moved(written, -aheadMs);
      const { user, login } = changes;
      const updated = { ...record, user, login, version: expectedVersion + 1 };
      const toWrite = moved(updated, aheadMs);
      const [present, body] = [text.slice(HEAD_LENGTH), encodeSession(toWrite).slice(HEAD_LENGTH)];
      // A change that is there already is this one, made before.
      if (record.version !== expectedVersion && present !== body) return { outcome: 'outdated', record };
      const isIndexed = await this.#index.add(toWrite, record);
      const answer = isIndexed ? await this.#exchange(handle, present, body) : ENDED;
      // Read again: between the two, its logout at the provider may have marked it.
      if (answer === CHANGED && (await this.#index.has(updated, record))) {
        this.#news.deliverUpdate(handle);
        await this.#index.remove(record, updated).catch(() => {});
        return { outcome: 'updated', record: updated };
      }
      if (answer !== OTHERWISE) {
        await this.end(handle);
        await this.#index.remove(updated).catch(() => {});
        return { outcome: 'ended' };
      }
      await this.#index.remove(updated, record).catch(() => {});
    }
  }

  async end(handle: SessionHandle): Promise<SessionRecord | null> {
    const ended = await this.#end(handle);
    // The session has ended, which is what counts. A leftover entry is forgotten at its absolute end.
    if (ended !== null) await this.#index.remove(ended).catch(() => {});
    return ended;
  }

  /**
   * Marks the index entries, ends the sessions, then removes the entries: after a failure, repeating it finds and ends
   * the remaining sessions.
   */
  async endAll(subject: string): Promise<readonly SessionHandle[]> {
    return this.#index.end(nameOfSubject(subject), this.#endIndexed);
  }

  async endByProvider(provider: string, which: EndedAtProvider): Promise<readonly SessionHandle[]> {
    if ('sid' in which) return this.#index.endSid(nameOfSid(provider, which.sid), this.#endIndexed);
    const ended = await Promise.all([
      this.endAll(subjectAtProvider(provider, which.subject)),
      this.#index.end(nameOfUser(provider, which.subject), this.#endIndexed),
    ]);
    return ended.flat();
  }

  async list(subject: string): Promise<readonly SessionRecord[]> {
    const handles = await this.#index.find(subject);
    const records = await Promise.all(handles.map((handle) => this.read(handle)));
    return records
      .filter((record) => record !== null)
      .filter((record) => record.subject === subject)
      .toSorted((a, b) => a.createdAtMs - b.createdAtMs);
  }

  /** Ends sessions again that ended recently, since a promoted primary may have missed it. */
  async endAgain(handles: readonly SessionHandle[]): Promise<void> {
    for (const handle of handles) await this.#end(handle);
  }

  #decode(handle: SessionHandle, text: string): SessionRecord | null {
    const record = decodeSession(handle, text);
    return record === null ? null : moved(record, -this.#clock.aheadMs());
  }

  /** The written form. Of the tokens behind it, the least is read. */
  async #readText(handle: SessionHandle): Promise<string | null> {
    const key = this.#keys.session(handle);
    const start = String(await this.#commands.send(onKey('read', key, 'GETRANGE', 0, READ_BYTES - 1)));
    if (start === '') return null;
    if (start.includes('\n') || Buffer.byteLength(start) < READ_BYTES) return firstLine(start);
    const text = await this.#commands.send(onKey('read', key, 'GET'));
    return typeof text === 'string' ? firstLine(text) : null;
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
  readonly #endIndexed = async (handles: readonly SessionHandle[]): Promise<readonly SessionHandle[]> => {
    const results = await Promise.allSettled(handles.map((handle) => this.end(handle)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return handles.filter((_, at) => {
      const result = results[at];
      return result?.status === 'fulfilled' && result.value !== null;
    });
  };

  async #end(handle: SessionHandle): Promise<SessionRecord | null> {
    const { revocations } = this.#keys;
    // In parallel, since it is about another key: a second round trip would double the wait.
    const recorded = this.#recordEnd(handle);
    const text = await this.#commands.send(runOnTwo(END, this.#keys.sessionAndLease(handle), revocations, handle));
    this.#ended.note(handle);
    this.#news.deliver(handle);
    await recorded;
    return typeof text === 'string' ? this.#decode(handle, text) : null;
  }
}

/** The answers of {@link UPDATE}: it has the new body; there is no session; it has another body than was expected. */
const [CHANGED, ENDED, OTHERWISE] = [1, 0, -1];

function firstLine(text: string): string {
  const end = text.indexOf('\n');
  return end < 0 ? text : text.slice(0, end);
}

/** A session, with its times in those of another clock. @param byMs  how far that one is ahead */
function moved(record: SessionRecord, byMs: number): SessionRecord {
  if (byMs === 0) return record;
  const { createdAtMs, expiresAtMs, lastSeenAtMs, login } = record;
  const authTimeMs = login?.authTimeMs ?? null;
  return {
    ...record,
    createdAtMs: createdAtMs + byMs,
    expiresAtMs: expiresAtMs + byMs,
    lastSeenAtMs: lastSeenAtMs + byMs,
    login: login === null || authTimeMs === null ? login : { ...login, authTimeMs: authTimeMs + byMs },
  };
}
