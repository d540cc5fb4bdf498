/**
 * Readiness is about this replica: a dependency that all replicas share counts until the replica has been ready once, and later
 * only if the configuration asks for it.
 */

import { describe, expect, test } from 'vitest';
import { HOST } from '../support/gateway.ts';
import { startInstance, type TestInstance } from '../support/instance.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { RedisServer } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { until } from '../support/until.ts';

const routes = [{ id: 'open', match: { path: '/' }, credential: 'none' }];
const options = (url: string, readyRequires?: readonly string[]) => ({
  routes,
  config: {
    store: { redis: { url, connectTimeout: '200ms', commandTimeout: '200ms' } },
    listeners: { public: { address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0', readyRequires } },
  },
});

interface Ready {
  readonly ready: boolean;
  readonly components: readonly { readonly name: string; readonly ok: boolean; readonly required: boolean }[];
}

async function ready(instance: TestInstance) {
  const answer = await instance.admin('/readyz');
  const { ready: isReady, components } = (await answer.json()) as Ready;
  expect(isReady).toBe(answer.status === 200);
  return { isReady, store: components.find(({ name }) => name === 'store') };
}

/** Waits until the gateway has noticed that Redis is away. */
async function noticed(instance: TestInstance) {
  await until(async () => (await ready(instance)).store?.ok === false, 'the outage is noticed');
  return ready(instance);
}

describe('R5: while Redis is away', () => {
  test('a replica that was ready stays ready, and serves requests that need no store', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using upstream = await RecordingUpstream.start();
    await using instance = await startInstance({ ...options(proxy.url), upstream: upstream.origin });
    await until(async () => (await ready(instance)).isReady, 'it is ready');
    proxy.block();
    expect(await noticed(instance)).toMatchObject({ isReady: true, store: { ok: false, required: false } });
    expect((await rawRequest(instance.port, requestHead('GET', '/', [HOST]))).status).toBe(200);
    const sessions = await instance.admin('/api/sessions?subject=alice');
    expect([sessions.status, sessions.headers.get('retry-after')]).toEqual([503, '2']);
  });

  test('a replica with readyRequires: [store] is not ready until Redis answers again', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using instance = await startInstance(options(proxy.url, ['store']));
    await until(async () => (await ready(instance)).isReady, 'it is ready');
    proxy.block();
    expect(await noticed(instance)).toMatchObject({ isReady: false, store: { ok: false, required: true } });
    proxy.unblock();
    await until(async () => (await ready(instance)).isReady, 'it is ready again');
  });

  test('a replica that has never reached Redis is not ready, so that a rollout with a wrong address stops', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    proxy.block();
    await using instance = await startInstance(options(proxy.url));
    expect(await ready(instance)).toMatchObject({ isReady: false, store: { ok: false, required: true } });
    proxy.unblock();
    await until(async () => (await ready(instance)).isReady, 'it was reached');
    proxy.block();
    expect((await noticed(instance)).isReady).toBe(true);
  });
});

test('R5: upstreams count towards readiness if readyRequires lists them', async () => {
  const config = {
    listeners: { public: { address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0', readyRequires: ['upstreams'] } },
  };
  await using instance = await startInstance({ routes, upstream: 'http://127.0.0.1:1', config });
  const answer = await instance.admin('/readyz');
  expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('"upstream app","ok":false')]);
});
