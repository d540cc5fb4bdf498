/**
 * The operations that have to be atomic, in Lua. Each is about the keys of one slot, so all of them work in a Cluster.
 * They are sent as text: they run rarely, and a script that is not sent by its hash cannot be missing (NOSCRIPT).
 */

import type { StoreOperation } from '../../networked/events.ts';
import { HEAD_LENGTH, LAST_SEEN_OFFSET } from '../../networked/session-format.ts';
import type { RedisCommand, Word } from '../connection/commands.ts';
import type { TwoKeys } from './keys.ts';

/** An atomic operation, in Lua. */
export interface Script {
  readonly operation: StoreOperation;
  readonly isRepeatable: boolean;
  readonly lua: string;
}

/** The command that runs a script on a key. */
export function run(script: Script, key: string, ...values: Word[]): RedisCommand {
  const { operation, isRepeatable, lua } = script;
  return { operation, key, words: ['EVAL', lua, 1, key, ...values], isRepeatable };
}

/** The command that runs a script on two keys of one slot. */
export function runOnTwo(script: Script, keys: TwoKeys, ...values: Word[]): RedisCommand {
  const { operation, isRepeatable, lua } = script;
  return { operation, key: keys[0], words: ['EVAL', lua, 2, ...keys, ...values], isRepeatable };
}

/** A command on one key that has the same effect when it is repeated. */
export const onKey = (
  operation: StoreOperation,
  key: string,
  word: string,
  ...values: readonly Word[]
): RedisCommand => ({ operation, key, words: [word, key, ...values], isRepeatable: true });

/** A time to live as Redis takes it: whole milliseconds, at least one. */
export const wholeMs = (ttlMs: number): number => Math.max(1, Math.ceil(ttlMs));

/** Writes a number without an exponent. */
const WHOLE = `
local function whole(number) return string.format('%.0f', number) end`;

/** The time of the server in milliseconds, `now`, and {@link WHOLE}. */
export const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)${WHOLE}`;

/** The time of the server that has a key, as seconds and microseconds. */
export const TIME: Script = { operation: 'heartbeat', isRepeatable: true, lua: "return redis.call('TIME')" };

/**
 * Slides a session that exists. The time to live goes first: that works even when Redis is out of memory. Values: time of
 * use (13 digits), new time to live.
 */
export const TOUCH: Script = {
  operation: 'touch',
  isRepeatable: true,
  lua: `
if redis.call('PEXPIRE', KEYS[1], ARGV[2]) == 0 then return 0 end
redis.call('SETRANGE', KEYS[1], ${LAST_SEEN_OFFSET}, ARGV[1])
return 1`,
};

/**
 * Ends a session and tells every replica, both or neither; answers with the session, without tokens. The message follows
 * the deletion, so a replica that hears it and asks finds nothing. A value of any other type is deleted as well. Keys:
 * session, lease of its tokens. Values: channel, handle.
 */
export const END: Script = {
  operation: 'end',
  isRepeatable: true,
  lua: `
local session = redis.pcall('GET', KEYS[1])
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('PUBLISH', ARGV[1], ARGV[2])
if type(session) == 'string' then return string.match(session, '^[^\\n]*') end
return false`,
};

/**
 * Changes a session that still has the expected body, and tells every replica, both or neither. Its time of last use,
 * its tokens and its time to live stay. Answers 1 when it has the new body, 0 when there is none, -1 when it has another one.
 * Values: expected body, new body, channel, message.
 */
export const UPDATE: Script = {
  operation: 'update',
  isRepeatable: true,
  lua: `
local session = redis.call('GET', KEYS[1])
if not session then return 0 end
local head, body, tokens = string.match(session, '^(' .. string.rep('.', ${HEAD_LENGTH}) .. ')([^\\n]*)(.*)$')
if body == ARGV[2] then return 1 end
if body ~= ARGV[1] then return -1 end
redis.call('SET', KEYS[1], head .. ARGV[2] .. tokens, 'KEEPTTL')
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1`,
};

/**
 * Records a revocation of tokens and tells every verifier, both or neither: a verifier that subscribes first and then
 * reads misses none. The latest end of the same revocation counts. Entries that ended more than a minute ago, since
 * clocks differ, are dropped on the way, up to 100 at a time. Values: channel, entry, when it ends, now.
 */
export const REVOKE_TOKENS: Script = {
  operation: 'revoke',
  isRepeatable: true,
  lua: `${WHOLE}
local ends, now = tonumber(ARGV[3]), tonumber(ARGV[4])
local dead = redis.call('ZRANGE', KEYS[1], '-inf', whole(now - 60000), 'BYSCORE', 'LIMIT', 0, 100)
if #dead > 0 then redis.call('ZREM', KEYS[1], unpack(dead)) end
local known = redis.call('ZSCORE', KEYS[1], ARGV[2])
if known and tonumber(known) > ends then ends = tonumber(known) end
redis.call('ZADD', KEYS[1], whole(ends), ARGV[2])
local left = whole(math.max(ends - now, 1))
if redis.call('PTTL', KEYS[1]) < tonumber(left) then redis.call('PEXPIRE', KEYS[1], left) end
redis.call('PUBLISH', ARGV[1], whole(ends) .. ' ' .. ARGV[2])
return 1`,
};

/**
 * Begins an attempt, with the arithmetic of `throttleDelayMs`. Fields: failures (c), not before (n), forgotten at (f).
 * Values: now, free attempts, longest delay, window.
 */
export const BEGIN_ATTEMPT: Script = {
  operation: 'attempt',
  isRepeatable: false,
  lua: `${WHOLE}
local now, free, longest, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local known = redis.call('HMGET', KEYS[1], 'c', 'n', 'f')
local failures, notBefore = 0, 0
if known[3] and tonumber(known[3]) > now then failures, notBefore = tonumber(known[1]), tonumber(known[2]) end
if notBefore > now then return notBefore - now end
failures = failures + 1
local delay, beyond = 0, failures - free
if beyond >= 0 then delay = math.min(1000 * 2 ^ math.min(beyond, 30), longest) end
redis.call('HSET', KEYS[1], 'c', failures, 'n', whole(now + delay), 'f', whole(now + delay + window))
redis.call('PEXPIRE', KEYS[1], whole(delay + window))
return 0`,
};

/** Takes back an attempt that was not a wrong guess. */
export const TAKE_BACK: Script = {
  operation: 'attempt',
  isRepeatable: false,
  lua: `
local failures = tonumber(redis.call('HGET', KEYS[1], 'c'))
if not failures then return 0 end
if failures <= 1 then return redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'c', failures - 1, 'n', 0)
return 1`,
};

/**
 * Uses a key. A caller whose mark is there already repeats a command whose answer was lost.
 * Values: mark, time to live.
 */
export const USE_ONCE: Script = {
  operation: 'once',
  isRepeatable: true,
  lua: `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0`,
};

/** Adds a code, unless its key has another value. Values: value, time to live. */
export const ADD_CODE: Script = {
  operation: 'code',
  isRepeatable: true,
  lua: `
local present = redis.call('GET', KEYS[1])
if present then return present == ARGV[1] and 1 or 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`,
};

/** Replaces the value of a code, if it is the expected one, or was replaced by this one already. Values: both, time to live. */
export const REPLACE_CODE: Script = {
  operation: 'code',
  isRepeatable: true,
  lua: `
local present = redis.call('GET', KEYS[1])
if present ~= ARGV[1] and present ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`,
};
