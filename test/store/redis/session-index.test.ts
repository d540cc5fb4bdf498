/** What sessions leave in Redis once they have ended or expired: nothing. */

import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { RedisServer } from '../../support/redis.ts';
import { openStore } from '../../support/redis-store.ts';
import { until } from '../../support/until.ts';
import { newRecord } from '../contract.ts';

const HOUR_MS = 3_600_000;

const random = () => randomBytes(12).toString('base64url');
const newLogin = () => ({ provider: 'a', subject: random(), sid: random(), authTimeMs: null, acr: null, amr: [] });

/** A session whose subject does not name the provider's user, so that it has an entry of each kind. */
const record = (expiresAtMs = Date.now() + HOUR_MS) => newRecord({ login: newLogin(), method: 'oidc', expiresAtMs });

/** Backdates the ends of sids to a moment ago. */
const LONG_AGO = `
for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(entry, 9) == 'ended' then redis.call('ZADD', KEYS[1], 1000, entry) end
end
return 1`;

/** Every key for sessions. */
async function keysIn(redis: RedisServer): Promise<string[]> {
  const keys = await Promise.all(['s:*', 'i:*', '{*'].map((name) => redis.cli('KEYS', `sallyport:${name}`)));
  return keys.flatMap((some) => some.split('\n')).filter((key) => key !== '');
}

test.each(['end', 'endAll', 'by sid', 'by subject'])('a session that ends by %s leaves no entry', async (way) => {
  await using redis = await RedisServer.start();
  await using store = await openStore(redis.url);
  await until(async () => (await keysIn(redis)).length === 0, 'the rehearsal has left nothing');
  const { handle, subject, login, ...rest } = record();
  const { sessions } = store;
  await sessions.create({ handle, subject, login, ...rest }, HOUR_MS);
  await store.sealedTokens.put(handle, 'sealed');
  expect(await keysIn(redis)).toHaveLength(4);
  await sessions.update(handle, { user: {}, login: newLogin() }, 1);
  await sessions.update(handle, { user: {}, login }, 2);
  expect(await keysIn(redis)).toHaveLength(4);
  if (way === 'end') await sessions.end(handle);
  else if (way === 'endAll') await sessions.endAll(subject);
  else if (way === 'by subject') await sessions.endByProvider('a', { subject: login?.subject ?? '' });
  else await sessions.endByProvider('a', { sid: login?.sid ?? '' });
  // The end of a `sid` counts for half a minute, and is removed with its shard or by the next login there.
  const left = await keysIn(redis);
  expect(left.filter((key) => !key.startsWith('sallyport:i:'))).toEqual([]);
  expect(left).toHaveLength(way === 'by sid' ? 1 : 0);
  for (const key of left) {
    expect(await redis.cli('ZCARD', key)).toBe('1');
    expect(Number(await redis.cli('PTTL', key))).toBeGreaterThan(0);
    const endsSec = Number((await redis.cli('ZRANGE', key, '0', '-1', 'WITHSCORES')).split('\n').at(-1));
    expect(endsSec).toBeLessThanOrEqual(Date.now() / 1_000 + 30);
  }
});

test('the end of a `sid` is forgotten after half a minute, even among many expired entries', async () => {
  await using redis = await RedisServer.start();
  await using store = await openStore(redis.url);
  const { login, handle, ...rest } = record();
  await store.sessions.create({ login, handle, ...rest }, HOUR_MS);
  await store.sessions.endByProvider('a', { sid: login?.sid ?? '' });
  const [key] = (await keysIn(redis)).filter((each) => each.startsWith('sallyport:i:'));
  // As if it was long ago, after others had expired.
  const expired = Array.from({ length: 150 }, (_, at) => [String(at + 1), `expired ${at}`]).flat();
  await redis.cli('ZADD', key ?? '', ...expired);
  await redis.cli('EVAL', LONG_AGO, '1', key ?? '');
  const again = { ...record(), login };
  await store.sessions.create(again, HOUR_MS);
  expect(await store.sessions.read(again.handle)).toEqual(again);
  expect(Number(await redis.cli('ZCARD', key ?? ''))).toBeLessThan(60);
});

test('an expired session leaves entries until its absolute end at most', async () => {
  await using redis = await RedisServer.start();
  await using store = await openStore(redis.url);
  await store.sessions.create(record(Date.now() + 2_000), 1);
  const ofIndex = async () => (await keysIn(redis)).filter((key) => key.startsWith('sallyport:i:'));
  for (const key of await ofIndex()) expect(Number(await redis.cli('PTTL', key))).toBeLessThanOrEqual(4_000);
  await until(async () => (await keysIn(redis)).length === 0, 'all of it is gone');
});

test('the index contains neither the subject nor the `sid` nor the user at the provider', async () => {
  await using redis = await RedisServer.start();
  await using store = await openStore(redis.url);
  const { login, subject, ...rest } = record();
  await store.sessions.create({ login, subject, ...rest }, HOUR_MS);
  const keys = (await keysIn(redis)).filter((key) => key.startsWith('sallyport:i:'));
  expect(keys).toHaveLength(3);
  for (const key of keys) {
    const text = key + (await redis.cli('ZRANGE', key, '0', '-1'));
    for (const secret of [subject, login?.sid, login?.subject]) expect(text).not.toContain(secret);
  }
});
