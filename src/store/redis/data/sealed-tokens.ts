/**
 * Sealed tokens of identity providers in Redis. They follow their session in the same value, because a key of their own
 * would cost 150 bytes for each session:
 *
 *   {session}⏎{version}|{when they were written}|{tokens}
 *
 * So they live as long as the session, whatever happens. `{prefix}{{prefix}s:{handle}}`, in the slot of the session, has the
 * lease while there is one: `{until}|{owner}`; without an owner while nobody may have it.
 *
 * Times are milliseconds of the server's own clock.
 */

import type { SessionHandle } from '../../../jwt/names.ts';
import type { SealedTokenStore, SealedTokens, TokenLease, TokenReplacement } from '../../sealed-tokens.ts';
import type { Commands, Word } from '../connection/commands.ts';
import type { Keys } from './keys.ts';
import { NOW, runOnTwo, type Script } from './scripts.ts';

/** Each is about two keys: the session, and the lease of its tokens. */
const script = (lua: string): Script => ({
  operation: 'sealed',
  isRepeatable: true,
  lua: `${NOW}

local session, rest = string.match(redis.call('GET', KEYS[1]) or '', '^([^\\n]*)\\n?(.*)$')
local version, writtenAt, tokens = string.match(rest, '^(%d+)|(%d+)|(.*)$')
local function write(newVersion, newTokens)
  local value = session .. '\\n' .. whole(newVersion) .. '|' .. whole(now) .. '|' .. newTokens
  redis.call('SET', KEYS[1], value, 'KEEPTTL')
end

local leasedUntil, owner = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+)|(.*)$')
local function lease(newOwner, forMs)
  local left = math.max(redis.call('PTTL', KEYS[1]), forMs)
  redis.call('SET', KEYS[2], whole(now + forMs) .. '|' .. newOwner, 'PX', whole(left))
end
${lua}`,
});

/** Values: tokens. */
const PUT = script(`
if session == '' then return 0 end
write((version or 0) + 1, ARGV[1])
redis.call('DEL', KEYS[2])
return 1`);

const GET = script(`
if not version then return false end
return { version, tokens, whole(now - writtenAt) }`);

/** Values: expected version, tokens. */
const REPLACE = script(`
if not version then return 'ended' end
local expected = tonumber(ARGV[1])
if version == whole(expected + 1) and tokens == ARGV[2] then return 'replaced' end
if version ~= whole(expected) then return 'outdated' end
write(expected + 1, ARGV[2])
return 'replaced'`);

/** Values: owner, time to live. */
const LEASE = script(`
if not version then return false end
if owner and owner ~= ARGV[1] and tonumber(leasedUntil) > now then
  return { 'held', whole(leasedUntil - now), version }
end
lease(ARGV[1], ARGV[2])
return { 'leased', version, tokens, whole(now - writtenAt) }`);

/** Values: owner, time to live. */
const RENEW = script(`
if not version or owner ~= ARGV[1] then return 0 end
lease(ARGV[1], ARGV[2])
return 1`);

/** Values: owner, for how long nobody gets it. */
const RELEASE = script(`
if not version or owner ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > 0 then lease('', ARGV[2]) else redis.call('DEL', KEYS[2]) end
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
    return (await this.#run(PUT, handle, toBytes(value))) === 1;
  }

  async get(handle: SessionHandle): Promise<SealedTokens | null> {
    return readingOf(await this.#run(GET, handle));
  }

  async replace(handle: SessionHandle, expectedVersion: number, value: string): Promise<TokenReplacement> {
    const outcome = String(await this.#run(REPLACE, handle, expectedVersion, toBytes(value)));
    return outcome === 'replaced' || outcome === 'outdated' ? outcome : 'ended';
  }

  async lease(handle: SessionHandle, owner: string, ttlMs: number): Promise<TokenLease | null> {
    const reply = await this.#run(LEASE, handle, owner, Math.ceil(ttlMs));
    if (!Array.isArray(reply)) return null;
    const [outcome, ...rest] = reply as unknown[];
    if (String(outcome) === 'held') return { outcome: 'held', leftMs: Number(rest[0]), version: Number(rest[1]) };
    const tokens = readingOf(rest);
    return tokens === null ? null : { outcome: 'leased', tokens };
  }

  async renew(handle: SessionHandle, owner: string, ttlMs: number): Promise<boolean> {
    return (await this.#run(RENEW, handle, owner, Math.ceil(ttlMs))) === 1;
  }

  async release(handle: SessionHandle, owner: string, pauseMs = 0): Promise<void> {
    await this.#run(RELEASE, handle, owner, Math.ceil(pauseMs));
  }

  /** Strings of the answer are bytes. */
  #run(what: Script, handle: SessionHandle, ...values: Word[]): Promise<unknown> {
    const command = runOnTwo(what, this.#keys.sessionAndLease(handle), ...values);
    return this.#commands.send({ ...command, isBinary: true });
  }
}

function readingOf(reply: unknown): SealedTokens | null {
  if (!Array.isArray(reply)) return null;
  const [version, bytes, ageMs] = reply as unknown[];
  if (!Buffer.isBuffer(bytes)) return null;
  return { value: fromBytes(bytes), version: Number(version), ageMs: Math.max(0, Number(ageMs)) };
}

/** What the first byte of written tokens says about the others. */
const [IS_BASE64URL, IS_TEXT] = [Buffer.from('b'), Buffer.from('t')];

/** What is base64url, as sealed tokens are, is kept as the bytes that it stands for: that is a quarter less. */
function toBytes(value: string): Buffer {
  const bytes = Buffer.from(value, 'base64url');
  return bytes.toString('base64url') === value
    ? Buffer.concat([IS_BASE64URL, bytes])
    : Buffer.concat([IS_TEXT, Buffer.from(value)]);
}

function fromBytes(bytes: Buffer): string {
  const isBase64url = bytes[0] === IS_BASE64URL[0];
  return bytes.subarray(1).toString(isBase64url ? 'base64url' : 'utf8');
}
