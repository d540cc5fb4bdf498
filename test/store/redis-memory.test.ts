import { randomInt, randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { RedisServer } from '../support/redis.ts';
import { openStore } from '../support/redis-store.ts';
import { newRecord } from './contract.ts';

/**
 * Fills the hash tables of Redis nearly to the next doubling, as a million does, so that their share is the same.
 * With SALLYPORT_TEST_SESSIONS=1000000: 593 bytes by a password. With 240000: 753 by a provider.
 */
const SESSIONS = Number(process.env['SALLYPORT_TEST_SESSIONS'] ?? 30_000);
const BATCH = 1_000;

test.each([
  ['a password', null, 600],
  ['a provider', 'corporate', 850],
])(
  `a session by %s with its index entries takes a few hundred bytes of Redis (${SESSIONS} sessions)`,
  async (_, provider, most) => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    const open = (count: number) =>
      Promise.all(Array.from({ length: count }, () => store.sessions.create(realisticRecord(provider), 1_800_000)));
    const usedBytes = async () => Number(/^used_memory:(\d+)/m.exec(await redis.cli('INFO', 'memory'))?.[1]);

    // Buffers of the connection and the scripts are there once, however many sessions there are.
    await open(BATCH);
    const beforeBytes = await usedBytes();
    for (let opened = BATCH; opened < SESSIONS; opened += BATCH) await open(BATCH);
    const bytesPerSession = ((await usedBytes()) - beforeBytes) / (SESSIONS - BATCH);

    console.log(`${bytesPerSession.toFixed(0)} bytes of Redis per session`);
    expect(bytesPerSession).toBeLessThanOrEqual(most);
  },
  600_000,
);

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

/** Users with one session each, who have the attributes that identity providers give. */
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
