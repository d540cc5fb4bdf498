/**
 * The token endpoint with a real Redis: replicas share what they have seen, and an outage gives nobody a token.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestClocks } from '../../support/clocks.ts';
import { SOON_UNANSWERED } from '../../support/gateway.ts';
import { RedisServer } from '../../support/redis.ts';
import { until } from '../../support/until.ts';
import { AS_ORDERS, accessTokenOf, basic, errorOf, SECRET, TokenStage, type TokenStageOptions } from './fixture.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

const OWN = { grant_type: 'client_credentials' };
const start = (options: TokenStageOptions = {}, redisTimes: object = {}) =>
  TokenStage.start({ ...options, config: { store: { redis: { url: redis.url, ...redisTimes } } } });

/** Two replicas that share the store. */
async function startTwo() {
  const one = await start();
  const other = await start();
  return {
    one,
    other,
    [Symbol.asyncDispose]: async () => {
      await one[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
}

describe('with Redis', () => {
  test('JWT-44: an assertion used on one replica is used up on all of them', async () => {
    await using two = await startTwo();
    const assertion = async (stage: TokenStage, jti: string) =>
      stage.token({ ...OWN, audience: 'billing', ...(await stage.asStock({ jti })) });
    expect((await assertion(two.one, 'seen')).status).toBe(200);
    expect(errorOf(await assertion(two.other, 'seen'))).toEqual([401, 'invalid_client']);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => assertion(i % 2 === 0 ? two.one : two.other, 'raced')),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test('JWT-44: what is kept of an assertion expires and does not contain its jti', async () => {
    await using stage = await start();
    await stage.token({ ...OWN, audience: 'billing', ...(await stage.asStock({ jti: 'secret-jti' })) });
    const keys = (await redis.cli('KEYS', '*:o:*')).split('\n');
    for (const key of keys) expect(Number(await redis.cli('PTTL', key))).toBeGreaterThan(0);
    expect(keys.join()).not.toContain('secret-jti');
  });

  test('a session that another replica has ended gets no tokens', async () => {
    await using two = await startTwo();
    const presented = await two.one.userToken('eve');
    expect((await two.one.exchange(presented)).status).toBe(200);
    await two.other.gateway.gateway.sessions.endAll('eve', 'operator');
    await until(async () => (await two.one.exchange(presented)).status === 400, 'the exchange is refused');
  });

  test('failures on one replica slow the client on the other', async () => {
    const limits = {
      tokenEndpoint: { throttle: { freeAttemptsPerClient: 2, maxDelay: '1h' } },
      clocks: TestClocks.atNow(),
    };
    await using one = await start(limits);
    await using other = await start(limits);
    const wrong = basic('orders', 'x');
    expect((await one.token(OWN, wrong)).status).toBe(401);
    expect((await one.token(OWN, wrong)).status).toBe(401);
    expect((await other.token(OWN, wrong)).status).toBe(429);
    await redis.cli('FLUSHALL');
  });
});

describe('while Redis does not answer', () => {
  test('JWT-44: assertions, session exchanges and wrong secrets get 503, not a token or invalid_client', async () => {
    await using stage = await start({ tokenEndpoint: { throttle: { freeAttemptsPerClient: 5 } } }, SOON_UNANSWERED);
    const presented = await stage.userToken();
    const assertion = await stage.asStock();
    redis.freeze();
    try {
      // The cache is trusted until the feed has been silent for too long.
      await until(async () => (await stage.exchange(presented)).status === 503, 'exchanges get 503');
      // Requests that do not need the store still succeed.
      expect((await stage.token(OWN, AS_ORDERS)).status).toBe(200);
      for (const [what, response] of [
        ['exchange', await stage.exchange(presented)],
        ['assertion', await stage.token({ ...OWN, audience: 'billing', ...assertion })],
        ['wrong secret', await stage.token(OWN, basic('orders', `${SECRET}x`))],
      ] as const) {
        expect([what, ...errorOf(response)]).toEqual([what, 503, 'temporarily_unavailable']);
        expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      }
      const refused = stage.events('token_refused').at(-1);
      expect(refused).toMatchObject({ reason: 'store_unavailable', clientId: null, note: null });
    } finally {
      redis.thaw();
    }
    await until(async () => (await stage.exchange(presented)).status === 200, 'exchanges work again');
    const answer = await stage.exchange(presented);
    await until(async () => {
      const form = stage.exchangeForm(accessTokenOf(answer), { audience: 'billing' });
      return (await stage.token({ ...form, ...(await stage.asStock()) })).status === 200;
    }, 'so do assertions');
  });
});
