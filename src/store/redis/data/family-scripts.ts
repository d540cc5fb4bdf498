/**
 * The atomic operations on a family of refresh tokens. A family is one key, a hash:
 *
 *   s  handle of its session          c  digest of the current token     t  when the current token replaced the previous
 *   k  b (browser) or n (native)      p  digest of the previous token    x  seed of the request that found a reuse:
 *   g  generation                     n  seed that derives c from p         the family has ended
 *
 * Times are those of the server's own clock, so gateways whose clocks differ cannot mistake a retry for a theft.
 */

import { NOW, type Script } from './scripts.ts';

/** Begins a family. Values: session, kind, digest of the first token, time to live. */
export const BEGIN_FAMILY: Script = {
  operation: 'refresh',
  isRepeatable: true,
  lua: `
redis.call('HSET', KEYS[1], 's', ARGV[1], 'k', ARGV[2], 'g', 0, 'c', ARGV[3], 't', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1`,
};

/** Reads a family: the time, then its fields; `false` when there is none. */
export const READ_FAMILY: Script = {
  operation: 'refresh',
  isRepeatable: true,
  lua: `${NOW}
local family = redis.call('HMGET', KEYS[1], 's', 'k', 'g', 'c', 'p', 'n', 't', 'x')
if not family[1] then return false end
return { whole(now), family[1], family[2], family[3], family[4], family[5], family[6], family[7], family[8] }`,
};

/**
 * Replaces the current token with the proposed successor, or says why not, by the rules of `judge`.
 *
 * It recognizes its own proposal, so a repeated command gets the same answer. Run too late, when the caller has given
 * up, it changes nothing: a server that was paused must not replace a token after its client was told to try again, and
 * a gateway that was paused must not write an old decision (REF-04).
 *
 * Values: generation and digest presented; seed and digest proposed; grace; time after which nothing is done.
 */
export const ROTATE_FAMILY: Script = {
  operation: 'refresh',
  isRepeatable: true,
  lua: `${NOW}
local family = redis.call('HMGET', KEYS[1], 'g', 'c', 'p', 'n', 't', 'x')
if not family[1] then return { 'unknown' } end
if family[6] then return { family[6] == ARGV[3] and 'reused' or 'ended' } end
if family[3] == ARGV[2] and family[4] == ARGV[3] then return { 'rotated', ARGV[3] } end
if now > tonumber(ARGV[6]) then return { 'late' } end
local generation, age, grace = tonumber(family[1]), now - tonumber(family[5]), tonumber(ARGV[5])
if family[2] == ARGV[2] then
  if family[3] and age >= 0 and age < grace then return { 'kept' } end
  redis.call('HSET', KEYS[1], 'g', generation + 1, 'c', ARGV[4], 'p', ARGV[2], 'n', ARGV[3], 't', whole(now))
  return { 'rotated', ARGV[3] }
end
if family[3] == ARGV[2] then
  if age <= grace then return { 'replayed', family[4] } end
elseif tonumber(ARGV[1]) >= generation - 1 then
  return { 'unknown' }
end
redis.call('HSET', KEYS[1], 'x', ARGV[3])
return { 'reused' }`,
};
