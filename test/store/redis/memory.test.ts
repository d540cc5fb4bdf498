import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { SessionRecord } from '../../../src/store/session-record.ts';
import { RedisServer } from '../../support/redis.ts';
import { openStore } from '../../support/redis-store.ts';
import { newRecord } from '../contract.ts';

/**
 * As many as the index has shards. The shards themselves, 4 MB, exist before, as with a million sessions; and the hash
 * tables of Redis double in between, so that the share of each session in them is that of a million.
 */
const SESSIONS = 32_768;
const BATCH = 1_000;
const TTL_MS = 1_800_000;

/**
 * Adds entries to each shard, except as many as the first batch has sessions: their keys together fill a hash table.
 */
const FILL_SHARDS = `
local digits = '0123456789abcdefghijklmnopqrstuvwxyz'
for number = ${BATCH}, ${SESSIONS} - 1 do
  local shard, left = '', number
  repeat
    local digit = left % 36
    shard, left = string.sub(digits, digit + 1, digit + 1) .. shard, (left - digit) / 36
  until left == 0
  for entry = 1, 4 do redis.call('ZADD', 'sallyport:i:' .. shard, 4000000000, string.rep(entry, 40)) end
  redis.call('PEXPIRE', 'sallyport:i:' .. shard, ${TTL_MS})
end`;

async function opened() {
  const redis = await RedisServer.start();
  const store = await openStore(redis.url);
  await redis.cli('EVAL', FILL_SHARDS, '0');
  const open = async (provider: string | null, count: number) => {
    const records = Array.from({ length: count }, () => realisticRecord(provider));
    await Promise.all(records.map((record) => store.sessions.create(record, TTL_MS)));
    return records;
  };
  return {
    open,
    seal: ({ handle }: SessionRecord, tokens: Buffer) => store.sealedTokens.put(handle, tokens.toString('base64url')),
    usedBytes: async () => Number(/^used_memory:(\d+)/m.exec(await redis.cli('INFO', 'memory'))?.[1]),
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await redis[Symbol.asyncDispose]();
    },
  };
}

test.each([
  ['a password', null, 450],
  ['a provider', 'corporate', 600],
])(
  'a session by %s takes a few hundred bytes of Redis, including its index entries',
  async (_, provider, most) => {
    await using store = await opened();
    // Buffers of the connection and the scripts exist once, however many sessions there are.
    await store.open(provider, BATCH);
    const beforeBytes = await store.usedBytes();
    const records: SessionRecord[] = [];
    while (records.length < SESSIONS - 2 * BATCH) records.push(...(await store.open(provider, BATCH)));
    const bytesEach = async (tokenBytes = 0) => ((await store.usedBytes()) - beforeBytes - tokenBytes) / records.length;
    console.log(`${(await bytesEach()).toFixed(0)} bytes of Redis per session`);
    expect(await bytesEach()).toBeLessThanOrEqual(most);
    if (provider === null) return;

    let tokenBytes = 0;
    for (let at = 0; at < records.length; at += BATCH) {
      const sealed = records.slice(at, at + BATCH).map((record) => {
        const tokens = randomBytes(randomInt(500, 3_000));
        tokenBytes += allocatedBytes(tokens.length);
        return store.seal(record, tokens);
      });
      await Promise.all(sealed);
    }
    console.log(`${(await bytesEach(tokenBytes)).toFixed(0)} bytes of Redis per session besides its tokens`);
    expect(await bytesEach(tokenBytes)).toBeLessThanOrEqual(most);
  },
  600_000,
);

test('a session is read without its tokens', async () => {
  await using redis = await RedisServer.start();
  await using store = await openStore(redis.url);
  const record = realisticRecord('corporate');
  await store.sessions.create(record, TTL_MS);
  await store.sealedTokens.put(record.handle, randomBytes(1_000_000).toString('base64url'));
  const sentBytes = async () => Number(/^total_net_output_bytes:(\d+)/m.exec(await redis.cli('INFO', 'stats'))?.[1]);
  const beforeBytes = await sentBytes();
  expect(await store.sessions.read(record.handle)).toEqual(record);
  expect((await sentBytes()) - beforeBytes).toBeLessThan(500_000);
});

const NAMES = [
  'Li Wei',
  'Alice Example',
  'Maximilian Mustermann',
  'Ana Sofia García Hernández',
  'Olu Ade',
  'Jan Novák',
];
const ROLES = [['customer'], ['customer', 'beta-tester'], ['employee', 'orders:read', 'orders:write']];
const DEVICES = [
  'Safari on iPhone, 203.0.113.7',
  'Chrome on Windows, 203.0.113.127',
  'Firefox on Linux, 2001:db8:12:34::5',
];

/** What the allocator of Redis uses for so many bytes: it has four sizes between one power of two and the next. */
function allocatedBytes(bytes: number): number {
  const step = 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

/** Users with one session each, with attributes as from an identity provider. */
function realisticRecord(provider: string | null) {
  const name = pick(NAMES);
  const mailbox = `${name.toLowerCase().replaceAll(/[^a-z]+/g, '.')}.${randomInt(10_000)}`;
  const subject = randomUUID();
  const authTimeMs = Math.floor(Date.now() / 1_000) * 1_000 - randomInt(60_000);
  const said = { subject, sid: randomUUID(), authTimeMs, acr: '1', amr: ['pwd', 'otp'] };
  return newRecord({
    subject: provider === null ? subject : `${provider}|${subject}`,
    method: provider === null ? 'password' : 'oidc',
    login: provider === null ? null : { provider, ...said },
    user: { email: `${mailbox}@example.com`, name, roles: pick(ROLES) },
    device: pick(DEVICES),
    remembered: false,
  });
}

const pick = <T>(values: readonly T[]): T => values[randomInt(values.length)] as T;
