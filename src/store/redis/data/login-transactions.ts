/**
 * Logins under way in Redis, in 64 shards, each of which keeps 2,048 at most:
 *
 *   {prefix}l:{shard}             a sorted set of names, by the microsecond at which each expires
 *   {prefix}{{prefix}l:{shard}}   a hash: the value of each name, and the ids of each browser, the oldest first; by its
 *                                 braces in the same slot of a Cluster
 *
 * A name is the hash of the browser followed by that of the id. The browser decides on the shard, so that everything
 * about one login is atomic, in one slot and within a fixed number of entries. Times are those of the server.
 */

import { hash } from 'node:crypto';
import type { LoginTransactionLimits, LoginTransactionStore } from '../../store.ts';
import type { Commands } from '../connection/commands.ts';
import type { Keys } from './keys.ts';
import { runOnTwo, type Script, wholeMs } from './scripts.ts';

const SHARDS = 64;
/** The most logins under way in one shard; in one Redis, over all browsers, 64 times as many: 131,072. */
export const MAX_TRANSACTIONS_PER_SHARD = 2_048;

/** Half of a name, in base64url: 96 bits. */
const HASH_LENGTH = 16;

/** The server's time in microseconds, and how a transaction is removed. */
const COMMON = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function forget(name)
  redis.call('ZREM', KEYS[1], name)
  redis.call('HDEL', KEYS[2], name)
  local browser, id = string.sub(name, 1, ${HASH_LENGTH}), string.sub(name, ${HASH_LENGTH + 1})
  local ids = redis.call('HGET', KEYS[2], browser) or ''
  local at = string.find(ids, id, 1, true)
  if not at then return end
  ids = string.sub(ids, 1, at - 1) .. string.sub(ids, at + ${HASH_LENGTH})
  if ids == '' then redis.call('HDEL', KEYS[2], browser) else redis.call('HSET', KEYS[2], browser, ids) end
end`;

/**
 * Adds a transaction; removes the oldest of its browser and of the shard that are too many, and some that have expired.
 * Values: name, value, time to live in milliseconds, most of a browser, most of a shard.
 */
const ADD: Script = {
  operation: 'login',
  isRepeatable: true,
  lua: `${COMMON}
local name, ttl, mostOwn, most = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local browser = string.sub(name, 1, ${HASH_LENGTH})
forget(name)
local ids = (redis.call('HGET', KEYS[2], browser) or '') .. string.sub(name, ${HASH_LENGTH + 1})
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ttl * 1000), name)
redis.call('HSET', KEYS[2], name, ARGV[2], browser, ids)
for at = 1, #ids - ${HASH_LENGTH} * mostOwn, ${HASH_LENGTH} do
  forget(browser .. string.sub(ids, at, at + ${HASH_LENGTH - 1}))
end
for _ = 1, 20 do
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  if tonumber(oldest[2]) > now and redis.call('ZCARD', KEYS[1]) <= most then break end
  forget(oldest[1])
end
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, ttl) end
end
return 1`,
};

/** Takes a transaction. Not repeatable: a caller whose answer is lost has to begin another one. Value: name. */
const TAKE: Script = {
  operation: 'login',
  isRepeatable: false,
  lua: `${COMMON}
local ends, value = redis.call('ZSCORE', KEYS[1], ARGV[1]), redis.call('HGET', KEYS[2], ARGV[1])
forget(ARGV[1])
if ends and tonumber(ends) > now then return value end
return false`,
};

/** The logins under way of one store. */
export class RedisLoginTransactions implements LoginTransactionStore {
  readonly #commands: Commands;
  readonly #keys: Keys;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async add(browser: string, id: string, value: string, limits: LoginTransactionLimits): Promise<void> {
    const { keys, name } = this.#placeOf(browser, id);
    const words = [name, value, wholeMs(limits.ttlMs), limits.maxPerBrowser, MAX_TRANSACTIONS_PER_SHARD];
    await this.#commands.send(runOnTwo(ADD, keys, ...words));
  }

  async take(browser: string, id: string): Promise<string | null> {
    const { keys, name } = this.#placeOf(browser, id);
    const value = await this.#commands.send(runOnTwo(TAKE, keys, name));
    return typeof value === 'string' ? value : null;
  }

  #placeOf(browser: string, id: string) {
    const digest = hash('sha256', browser, 'buffer');
    const name =
      digest.toString('base64url').slice(0, HASH_LENGTH) + hash('sha256', id, 'base64url').slice(0, HASH_LENGTH);
    // A byte that is not in the name, so that the names of a shard are spread as those of all.
    return { keys: this.#keys.loginTransactions((digest[31] ?? 0) % SHARDS), name };
  }
}
