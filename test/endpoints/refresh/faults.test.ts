/** Refreshes with a real Redis that stops, loses connections or loses acknowledged writes: none looks like a theft. */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { newSeed, parseRefreshToken, successorOf } from '../../../src/endpoints/refresh/refresh-token.ts';
import { systemClocks } from '../../../src/lib/clock.ts';
import { unavailable } from '../../../src/store/redis/connection/faults.ts';
import { SOON_UNANSWERED } from '../../support/gateway.ts';
import { someHandle } from '../../support/names.ts';
import { RedisServer } from '../../support/redis.ts';
import { openStore } from '../../support/redis-store.ts';
import { until } from '../../support/until.ts';
import { events, jsonOf, metricValue, reasonOf } from '../login/fixture.ts';
import { RefreshStage, refreshCookieIn } from './fixture.ts';

const start = (url: string, refresh: object = {}) =>
  RefreshStage.start({ clocks: systemClocks, refresh, config: { store: { redis: { url, ...SOON_UNANSWERED } } } });
const noTheft = (stage: RefreshStage) => expect(events(stage.login, 'refresh_reuse_detected')).toEqual([]);

/** The store's part of a refresh: the presented token, its family's handle, and the proposed successor. */
function attempt(text: unknown) {
  const token = parseRefreshToken(String(text));
  if (token === null) throw new Error('not a token');
  const seed = newSeed();
  return { token, handle: token.familyHandle, proposed: { seed, digest: successorOf(token, seed).digest } };
}

describe('while Redis does not answer', () => {
  test('REF-06: a refresh gets 503 with Retry-After, cookies stay, and the same token works afterwards', async () => {
    await using redis = await RedisServer.start();
    await using stage = await start(redis.url);
    const [native, browser] = [await stage.native(), await stage.browser()];
    redis.freeze();
    for (const response of [await stage.refresh(native['refresh_token']), await stage.refreshInBrowser(browser)]) {
      expect([response.status, reasonOf(response)]).toEqual([503, 'store_unavailable']);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(response.headers.has('set-cookie')).toBe(false);
    }
    expect(await metricValue(stage.login, 'sallyport_refreshes_total{result="failed"}')).toBe(2);
    redis.thaw();
    await until(async () => (await stage.refresh(native['refresh_token'])).status === 200, 'it answers again');
    expect(refreshCookieIn(await stage.refreshInBrowser(browser))).toMatch(/\.1\./);
    noTheft(stage);
  });

  test('an interrupted rotation is not completed after the client was told to retry', async () => {
    await using redis = await RedisServer.start();
    await using stage = await start(redis.url);
    const { refresh_token } = await stage.native();
    const { families } = stage.login.gateway.gateway.store;
    const rotate = families.rotate.bind(families);
    families.rotate = (...args) => {
      redis.freeze();
      return rotate(...args);
    };
    const failed = await stage.refresh(refresh_token);
    expect([failed.status, reasonOf(failed)]).toEqual([503, 'store_unavailable']);
    families.rotate = rotate;
    redis.thaw();
    // The command waits in the socket of Redis. Once Redis answers a later command, it has read this one as well.
    const { handle } = attempt(refresh_token);
    await until(async () => (await families.read(handle).catch(() => null)) !== null, 'Redis answers again');
    expect((await families.read(handle))?.family.generation).toBe(0);
    const [first, second] = [await stage.refresh(refresh_token), await stage.refresh(refresh_token)];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(jsonOf(second)['refresh_token']).toBe(jsonOf(first)['refresh_token']);
    noTheft(stage);
  });

  test('after a lost answer, the retry gets the successor that was lost', async () => {
    await using redis = await RedisServer.start();
    await using stage = await start(redis.url);
    const { refresh_token } = await stage.native();
    const { families } = stage.login.gateway.gateway.store;
    const rotate = families.rotate.bind(families);
    const seeds: string[] = [];
    families.rotate = async (...args) => {
      await rotate(...args);
      seeds.push(args[2].seed);
      throw unavailable('the answer was lost');
    };
    expect((await stage.refresh(refresh_token)).status).toBe(503);
    families.rotate = rotate;
    const retried = jsonOf(await stage.refresh(refresh_token));
    const { token } = attempt(refresh_token);
    expect(retried['refresh_token']).toBe(successorOf(token, seeds[0] ?? '').text);
    noTheft(stage);
  });
});

describe('a command that is resent', () => {
  test('REF-15: after a lost connection rotates once and gets the same answer', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await LossyProxy.start(redis.port);
    await using store = await openStore(proxy.url, { config: { commandTimeout: 5_000 } });
    const { families } = store;
    const first = attempt(`${'F'.repeat(43)}.0.${'S'.repeat(43)}`);
    const { handle, token, proposed } = first;
    await families.begin({ handle, session: someHandle(), client: 'native', current: token.digest }, 60_000);
    const reading = await families.read(handle);
    if (reading === null) throw new Error('no family');
    const writesBefore = await hashWrites(redis);
    // Redis executes it, the answer and the connection are lost, and the client resends it by itself.
    proxy.loseNextAnswer();
    expect(await families.rotate(reading, token, proposed, 60_000)).toEqual({
      outcome: 'rotated',
      seed: proposed.seed,
    });
    expect(proxy.lost).toBe(1);
    expect(await hashWrites(redis)).toBe(writesBefore + 1);
    expect((await families.read(handle))?.family).toMatchObject({ generation: 1, current: proposed.digest });
  });

  test('REF-15: that detected reuse reports it again; other requests learn that the family has ended', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await LossyProxy.start(redis.port);
    await using store = await openStore(proxy.url, { config: { commandTimeout: 5_000 } });
    const { families } = store;
    const { handle, token } = attempt(`${'F'.repeat(43)}.0.${'S'.repeat(43)}`);
    const present = attempt(`${'F'.repeat(43)}.2.${'S'.repeat(43)}`);
    await families.begin({ handle, session: someHandle(), client: 'native', current: present.token.digest }, 60_000);
    await redis.cli('HSET', `sallyport:r:${handle}`, 'g', '2', 'p', 'x', 'n', 'x', 't', '1');
    const reading = await families.read(handle);
    if (reading === null) throw new Error('no family');
    proxy.loseNextAnswer();
    const again = attempt(token.text);
    expect(await families.rotate(reading, token, again.proposed, 60_000)).toEqual({ outcome: 'reused' });
    expect(proxy.lost).toBe(1);
    expect(await families.rotate(reading, token, attempt(token.text).proposed, 60_000)).toEqual({ outcome: 'ended' });
  });
});

describe('a stalled gateway', () => {
  test('REF-04: writes nothing if it stalls beyond the grace before rotating', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    const { families } = store;
    const { handle, token, proposed } = attempt(`${'F'.repeat(43)}.0.${'S'.repeat(43)}`);
    await families.begin({ handle, session: someHandle(), client: 'native', current: token.digest }, 60_000);
    const reading = await families.read(handle);
    if (reading === null) throw new Error('no family');
    const graceMs = 1_000;
    const longAgo = {
      ...reading,
      asOfMs: reading.asOfMs - graceMs - 1,
      arrivedAtMs: reading.arrivedAtMs - graceMs - 1,
    };
    await expect(families.rotate(longAgo, token, proposed, graceMs)).rejects.toMatchObject({
      reason: 'store_unavailable',
    });
    expect((await families.read(handle))?.family.generation).toBe(0);
  });
});

describe('a failover', () => {
  test('REF-10: that loses a rotation ends no session; the lost token is refused, the previous one works', async () => {
    await using primary = await RedisServer.start();
    await using replica = await RedisServer.start({ config: { replicaof: `127.0.0.1 ${primary.port}` } });
    await using before = await start(primary.url);
    const { refresh_token, access_token } = await before.native();
    await until(
      async () =>
        (await replica.cli('EXISTS', `sallyport:r:${attempt(refresh_token).handle}`)) === '1' &&
        (await replica.cli('INFO', 'replication')).includes('master_link_status:up'),
      'the replica has the family',
    );
    // From now on the replica receives nothing that the primary acknowledges.
    await replica.cli('REPLICAOF', 'NO', 'ONE');
    const forgotten = jsonOf(await before.refresh(refresh_token))['refresh_token'];
    await primary.kill();

    await using after = await start(replica.url);
    const refused = await after.refresh(forgotten);
    expect([refused.status, jsonOf(refused)['error']]).toEqual([400, 'invalid_grant']);
    expect(await after.isAlive(access_token)).toBe(true);
    expect((await after.refresh(refresh_token)).status).toBe(200);
    // Nor does it end when the family has moved on without it.
    expect((await after.refresh(forgotten)).status).toBe(400);
    expect(await after.isAlive(access_token)).toBe(true);
    noTheft(after);
  });
});

/** How often Redis wrote a hash. */
async function hashWrites(redis: RedisServer): Promise<number> {
  return Number((await redis.cli('INFO', 'commandstats')).match(/cmdstat_hset:calls=(\d+)/)?.[1]);
}

/** A proxy that can lose one answer: it forwards the command, and cuts the connection when the answer comes. */
class LossyProxy implements AsyncDisposable {
  lost = 0;
  #losesNext = false;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer();

  static async start(targetPort: number): Promise<LossyProxy> {
    const proxy = new LossyProxy();
    proxy.#server.on('connection', (client) => proxy.#accept(client, targetPort));
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Loses the next answer to a script. */
  loseNextAnswer(): void {
    this.#losesNext = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: Socket, targetPort: number): void {
    const server = connect(targetPort, '127.0.0.1');
    let isLosing = false;
    client.on('data', (bytes) => {
      if (this.#losesNext && /eval/i.test(bytes.toString('latin1'))) {
        this.#losesNext = false;
        isLosing = true;
      }
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (!isLosing) return void client.write(bytes);
      this.lost += 1;
      client.resetAndDestroy();
    });
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
  }
}
