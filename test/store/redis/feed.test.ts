/** A subscription that is connected but silent: detected by missing heartbeats, and replaced. */

import { expect, test } from 'vitest';
import { RedisServer } from '../../support/redis.ts';
import { RedisProxy } from '../../support/redis-proxy.ts';
import { openStore } from '../../support/redis-store.ts';
import { until } from '../../support/until.ts';
import { newRecord } from '../contract.ts';

test('a subscription that goes silent while commands are answered is replaced, and the new one delivers', async () => {
  await using redis = await RedisServer.start();
  await using proxy = await RedisProxy.start(redis.port);
  await using store = await openStore(proxy.url);
  await using other = await openStore(redis.url);
  await until(() => store.feed.provenAtMs() !== null, 'the feed delivers');
  const deafSinceMs = performance.now();
  proxy.blockThoseThatSent('subscribe');
  const record = newRecord();
  await store.sessions.create(record, 60_000);
  await until(() => store.feed.unbrokenSinceMs() > deafSinceMs && store.feed.provenAtMs() !== null, 'it is replaced');
  const news: string[] = [];
  store.feed.subscribe((handle) => news.push(handle));
  await other.sessions.end(record.handle);
  await until(() => news.includes(record.handle), 'the news arrives');
  expect(await store.sessions.read(record.handle)).toBeNull();
});
