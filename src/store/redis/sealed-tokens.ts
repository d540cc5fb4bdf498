/**
 * Sealed tokens of identity providers in Redis: `{prefix}{{prefix}s:{handle}}`, in the slot of their session, with the
 * same time to live. A hash:
 *
 *   v  version                       o  who has the lease; empty while nobody may have it
 *   t  the sealed tokens             u  until when
 *   a  when they were written
 *
 * Times are milliseconds of the server's own clock.
 */

import type { SessionHandle } from '../../jwt/names.ts';
import type { SealedTokenStore, SealedTokens, TokenLease, TokenReplacement } from '../sealed-tokens.ts';
import type { Commands, Word } from './commands.ts';
import type { Keys } from './keys.ts';
import { runOnTwo, type Script } from './scripts.ts';

/** Each is about two keys: the session, and its tokens. */
const script = (lua: string): Script => ({
  operation: 'sealed',
  isRepeatable: true,
  lua: `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number) return string.format('%.0f', number) end
${lua}`,
});

/** Values: tokens. */
const PUT = script(`
local left = redis.call('PTTL', KEYS[1])
if left <= 0 then return 0 end
local version = (tonumber(redis.call('HGET', KEYS[2], 'v')) or 0) + 1
redis.call('HSET', KEYS[2], 'v', version, 't', ARGV[1], 'a', whole(now))
redis.call('HDEL', KEYS[2], 'o', 'u')
redis.call('PEXPIRE', KEYS[2], left)
return 1`);

const GET = script(`
local found = redis.call('HMGET', KEYS[2], 'v', 't', 'a')
if not found[1] then return false end
return { found[1], found[2], whole(now - found[3]) }`);

/** Values: expected version, tokens. */
const REPLACE = script(`
local found, expected = redis.call('HMGET', KEYS[2], 'v', 't'), tonumber(ARGV[1])
if not found[1] then return 'ended' end
local version = tonumber(found[1])
if version == expected + 1 and found[2] == ARGV[2] then return 'replaced' end
if version ~= expected then return 'outdated' end
redis.call('HSET', KEYS[2], 'v', expected + 1, 't', ARGV[2], 'a', whole(now))
return 'replaced'`);

/** Values: owner, time to live. */
const LEASE = script(`
local found = redis.call('HMGET', KEYS[2], 'v', 't', 'a', 'o', 'u')
if not found[1] then return false end
if found[4] and found[4] ~= ARGV[1] and tonumber(found[5]) > now then
  return { 'held', whole(found[5] - now), found[1] }
end
redis.call('HSET', KEYS[2], 'o', ARGV[1], 'u', whole(now + ARGV[2]))
return { 'leased', found[1], found[2], whole(now - found[3]) }`);

/** Values: owner, time to live. */
const RENEW = script(`
if redis.call('HGET', KEYS[2], 'o') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], 'u', whole(now + ARGV[2]))
return 1`);

/** Values: owner, for how long nobody gets it. */
const RELEASE = script(`
if redis.call('HGET', KEYS[2], 'o') ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > 0 then redis.call('HSET', KEYS[2], 'o', '', 'u', whole(now + ARGV[2]))
else redis.call('HDEL', KEYS[2], 'o', 'u') end
return 1`);

/** The sealed tokens of one store. */
export class RedisSealedTokens implements SealedTokenStore {
  readonly #commands: Commands;
  readonly #keys: Keys;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async put(handle: SessionHandle, value: string): Promise<boolean> {
    return (await this.#run(PUT, handle, value)) === 1;
  }

  async get(handle: SessionHandle): Promise<SealedTokens | null> {
    return readingOf(await this.#run(GET, handle));
  }

  async replace(handle: SessionHandle, expectedVersion: number, value: string): Promise<TokenReplacement> {
    const outcome = await this.#run(REPLACE, handle, expectedVersion, value);
    return outcome === 'replaced' || outcome === 'outdated' ? outcome : 'ended';
  }

  async lease(handle: SessionHandle, owner: string, ttlMs: number): Promise<TokenLease | null> {
    const reply = await this.#run(LEASE, handle, owner, Math.ceil(ttlMs));
    if (!Array.isArray(reply)) return null;
    const [outcome, ...rest] = reply as unknown[];
    if (outcome === 'held') return { outcome, leftMs: Number(rest[0]), version: Number(rest[1]) };
    const tokens = readingOf(rest);
    return tokens === null ? null : { outcome: 'leased', tokens };
  }

  async renew(handle: SessionHandle, owner: string, ttlMs: number): Promise<boolean> {
    return (await this.#run(RENEW, handle, owner, Math.ceil(ttlMs))) === 1;
  }

  async release(handle: SessionHandle, owner: string, pauseMs = 0): Promise<void> {
    await this.#run(RELEASE, handle, owner, Math.ceil(pauseMs));
  }

  #run(what: Script, handle: SessionHandle, ...values: Word[]): Promise<unknown> {
    return this.#commands.send(runOnTwo(what, this.#keys.sessionAndTokens(handle), ...values));
  }
}

function readingOf(reply: unknown): SealedTokens | null {
  if (!Array.isArray(reply)) return null;
  const [version, value, ageMs] = reply as unknown[];
  return typeof value === 'string' ? { value, version: Number(version), ageMs: Math.max(0, Number(ageMs)) } : null;
}
