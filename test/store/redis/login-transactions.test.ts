/** What a flood of logins leaves in Redis: no more than documented, and nothing in the end. */

import { hash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { MAX_TRANSACTIONS_PER_SHARD } from '../../../src/store/redis/data/login-transactions.ts';
import { RedisServer } from '../../support/redis.ts';
import { openStore } from '../../support/redis-store.ts';
import { until } from '../../support/until.ts';

const LIMITS = { ttlMs: 600_000, maxPerBrowser: 20 };
const random = () => randomBytes(32).toString('base64url');

/** Browsers of one shard. */
function browsersOf(shard: number, count: number): string[] {
  const found: string[] = [];
  while (found.length < count) {
    const browser = random();
    if ((hash('sha256', browser, 'buffer')[31] ?? 0) % 64 === shard) found.push(browser);
  }
  return found;
}

test('OIDC-19: a shard keeps its newest logins, regardless of the browser, and expires with them', async () => {
  await using redis = await RedisServer.start();
  await using store = await openStore(redis.url);
  const { loginTransactions } = store;
  const browsers = browsersOf(7, MAX_TRANSACTIONS_PER_SHARD + 88);
  for (const browser of browsers) await loginTransactions.add(browser, 'state', browser, LIMITS);

  expect(await redis.cli('ZCARD', 'sallyport:l:7')).toBe(String(MAX_TRANSACTIONS_PER_SHARD));
  // A value and a list of ids for each.
  expect(await redis.cli('HLEN', 'sallyport:{sallyport:l:7}')).toBe(String(2 * MAX_TRANSACTIONS_PER_SHARD));
  for (const key of ['sallyport:l:7', 'sallyport:{sallyport:l:7}']) {
    const leftMs = Number(await redis.cli('PTTL', key));
    expect(leftMs).toBeGreaterThan(LIMITS.ttlMs / 2);
    expect(leftMs).toBeLessThanOrEqual(LIMITS.ttlMs);
  }
  const taken = await Promise.all(browsers.map((browser) => loginTransactions.take(browser, 'state')));
  expect(taken).toEqual(browsers.map((browser, at) => (at < 88 ? null : browser)));
  expect(await redis.cli('EXISTS', 'sallyport:l:7', 'sallyport:{sallyport:l:7}')).toBe('0');
});

test('OIDC-19: the next login of a shard removes its expired ones', async () => {
  await using redis = await RedisServer.start();
  await using store = await openStore(redis.url);
  const browsers = browsersOf(7, 31);
  // The shard itself lives as long as its last login.
  await store.loginTransactions.add(browsers[0] ?? '', 'state', 'value', LIMITS);
  const early = browsers.slice(1);
  for (const browser of early) await store.loginTransactions.add(browser, 'state', 'value', { ...LIMITS, ttlMs: 1 });
  await until(async () => {
    await store.loginTransactions.add(browsers[0] ?? '', 'state', 'value', LIMITS);
    return (await redis.cli('HLEN', 'sallyport:{sallyport:l:7}')) === '2';
  }, 'the expired ones are gone');
  expect(await redis.cli('ZCARD', 'sallyport:l:7')).toBe('1');
});

test('neither browser nor transaction is stored in Redis in plain text', async () => {
  await using redis = await RedisServer.start();
  await using store = await openStore(redis.url);
  const [browser, id] = [random(), random()];
  await store.loginTransactions.add(browser, id, 'value', LIMITS);
  const keys = (await redis.cli('KEYS', '*l:*')).split('\n');
  const names = await Promise.all(
    keys.map((key) => redis.cli(...(key.includes('{') ? ['HKEYS', key] : ['ZRANGE', key, '0', '-1']))),
  );
  expect(
    names
      .map((name) =>
        name
          .split('\n')
          .map(({ length }) => length)
          .toSorted(),
      )
      .toSorted(),
  ).toEqual([[16, 32], [32]]);
  for (const text of [...keys, ...names]) {
    for (const secret of [browser, id]) expect(text).not.toContain(secret.slice(0, 8));
  }
});
