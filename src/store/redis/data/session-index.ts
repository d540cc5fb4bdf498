/**
 * Which sessions a subject has, and which an identity provider can end: `{prefix}i:{shard}`, 32,768 sorted sets. An entry is
 * 8 bytes of the hash of a name of the session (its subject; its `sid` or its user at the provider), then the 32 bytes of
 * its handle, or `ended`. The score is the second at which the entry can be forgotten, negative once it is marked as ended.
 *
 * A set of its own for each name would cost 190 bytes for each session; one that is shared costs about 60 for each name, as long as it
 * has no more than 128 entries and Redis keeps it compact: up to some two million logins within an absolute timeout.
 *
 * The user at the provider has an entry only when the subject of the session does not say who it is.
 */

import { hash } from 'node:crypto';
import type { SessionHandle } from '../../../jwt/names.ts';
import { nameOfSubject, namesOf, OVERTAKEN_WITHIN_MS } from '../../session-names.ts';
import type { SessionRecord } from '../../session-record.ts';
import type { Commands } from '../connection/commands.ts';
import type { Keys } from './keys.ts';
import { onKey, run, type Script } from './scripts.ts';

const SHARDS = 32_768;
const NAME_BYTES = 8;
const ENDED = Buffer.from('ended');

/**
 * Adds an entry, unless its logout has overtaken it; drops some that can be forgotten. An entry that is there stays as it
 * is, so that a repeated command does not remove a mark. Values: entry, entry of an ended `sid`, when it can be
 * forgotten, now, both in seconds.
 */
const ADD: Script = {
  operation: 'index',
  isRepeatable: true,
  lua: `
local ends, now = tonumber(ARGV[3]), tonumber(ARGV[4])
local dead = redis.call('ZRANGE', KEYS[1], -now, now, 'BYSCORE', 'LIMIT', 0, 100)
if #dead > 0 then redis.call('ZREM', KEYS[1], unpack(dead)) end
local overtaken = redis.call('ZSCORE', KEYS[1], ARGV[2])
if overtaken and tonumber(overtaken) > now then return 0 end
redis.call('ZADD', KEYS[1], 'NX', ends, ARGV[1])
local left = (ends - now) * 1000
if redis.call('PTTL', KEYS[1]) < left then redis.call('PEXPIRE', KEYS[1], left) end
return 1`,
};

/** The entries of a name, whose value it is, that have handles. */
const entriesOf = (then: string): string => `
local handles = {}
for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(entry, 1, ${NAME_BYTES}) == ARGV[1] and #entry == ${NAME_BYTES + 32} then
    handles[#handles + 1] = string.sub(entry, ${NAME_BYTES + 1})
    ${then}
  end
end`;

/** Answers with the handles of a name, also of those that are marked as ended. */
const FIND: Script = { operation: 'index', isRepeatable: true, lua: `${entriesOf('')}\nreturn handles` };

/**
 * Marks the entries of a name, and answers with their handles. A login that is in progress finds the mark. Values: name;
 * then, for a `sid`, its entry as ended, when that can be forgotten, in how many milliseconds that is.
 */
const MARK: Script = {
  operation: 'index',
  isRepeatable: true,
  lua: `
${entriesOf(`redis.call('ZADD', KEYS[1], 'XX', -math.abs(redis.call('ZSCORE', KEYS[1], entry)), entry)`)}
if ARGV[2] then
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
end
return handles`,
};

/** A name of a session, and the shard that has it. */
interface IndexedName {
  readonly key: string;
  readonly name: Buffer;
}

/** The index of one store. */
export class SessionIndex {
  readonly #commands: Commands;
  readonly #keys: Keys;
  readonly #nowSec: () => number;

  constructor(commands: Commands, keys: Keys, nowSec: () => number) {
    this.#commands = commands;
    this.#keys = keys;
    this.#nowSec = nowSec;
  }

  /**
   * Adds a session before it can be read; one that is there already, as {@link present}, only under its new names.
   *
   * @returns `false` when its logout has overtaken it
   */
  async add(record: SessionRecord, present: SessionRecord | null = null): Promise<boolean> {
    const added = this.#placesOf(record, present).map(({ key, name }) => {
      const words = [entryOf(name, record.handle), Buffer.concat([name, ENDED]), endsSec(record), this.#nowSec()];
      return this.#commands.send(run(ADD, key, ...words));
    });
    return (await Promise.all(added)).every((answer) => answer === 1);
  }

  /** Whether what was added with the same parameters is still there, and not marked as ended. */
  async has(record: SessionRecord, present: SessionRecord | null = null): Promise<boolean> {
    const scores = this.#placesOf(record, present).map(({ key, name }) =>
      this.#commands.send(onKey('index', key, 'ZSCORE', entryOf(name, record.handle))),
    );
    return (await Promise.all(scores)).every((score) => Number(score) > 0);
  }

  /** Removes a session, but not under the names of {@link except}. */
  async remove(record: SessionRecord, except: SessionRecord | null = null): Promise<void> {
    const places = this.#placesOf(record, except);
    await Promise.all(places.map((place) => this.#removeFrom(place, [record.handle])));
  }

  /**
   * The sessions of a subject, and entries of sessions that have expired, or that are not written yet. The entry of one
   * that has expired stays until its absolute end.
   */
  async find(subject: string): Promise<readonly SessionHandle[]> {
    const { key, name } = this.#place(nameOfSubject(subject));
    return handlesOf(await this.#commands.send({ ...run(FIND, key, name), isBinary: true }));
  }

  /**
   * Marks the sessions of a name as ended, with those whose login is in progress; `end` ends each. After a failure,
   * repeating it finds the remaining ones.
   */
  async end(name: string, end: End): Promise<readonly SessionHandle[]> {
    return this.#end(this.#place(name), end);
  }

  /** The same for the name of a `sid`, with those whose login is yet to come. */
  async endSid(name: string, end: End): Promise<readonly SessionHandle[]> {
    const place = this.#place(name);
    const endedUntilSec = this.#nowSec() + OVERTAKEN_WITHIN_MS / 1_000;
    return this.#end(place, end, Buffer.concat([place.name, ENDED]), endedUntilSec, OVERTAKEN_WITHIN_MS);
  }

  async #end(place: IndexedName, end: End, ...ofSid: (Buffer | number)[]): Promise<readonly SessionHandle[]> {
    const mark = run(MARK, place.key, place.name, ...ofSid);
    const handles = handlesOf(await this.#commands.send({ ...mark, isBinary: true }));
    const ended = await end(handles);
    await this.#removeFrom(place, handles);
    return ended;
  }

  async #removeFrom({ key, name }: IndexedName, handles: readonly SessionHandle[]): Promise<void> {
    if (handles.length === 0) return;
    const entries = handles.map((handle) => entryOf(name, handle));
    await this.#commands.send(onKey('index', key, 'ZREM', ...entries));
  }

  /** Where a session is found, without the places of another record. */
  #placesOf(record: SessionRecord, except: SessionRecord | null): IndexedName[] {
    const others = except === null ? [] : namesOf(except);
    const names = namesOf(record).filter((name) => !others.includes(name));
    return names.map((name) => this.#place(name));
  }

  #place(name: string): IndexedName {
    const digest = hash('sha256', name, 'buffer');
    return {
      key: this.#keys.sessionIndex(digest.readUInt16BE(NAME_BYTES) % SHARDS),
      name: digest.subarray(0, NAME_BYTES),
    };
  }
}

/** Ends sessions; returns the handles of those that were there. */
type End = (handles: readonly SessionHandle[]) => Promise<readonly SessionHandle[]>;

const entryOf = (name: Buffer, handle: SessionHandle): Buffer =>
  Buffer.concat([name, Buffer.from(handle, 'base64url')]);

const handlesOf = (reply: unknown): SessionHandle[] =>
  (Array.isArray(reply) ? reply.filter(Buffer.isBuffer) : []).map(
    (handle) => handle.toString('base64url') as SessionHandle,
  );

const endsSec = ({ expiresAtMs }: SessionRecord): number => Math.ceil(expiresAtMs / 1_000);
