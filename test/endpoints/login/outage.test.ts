/**
 * The login endpoints while a real Redis does not answer: an outage logs nobody out and lets nobody in.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClocks } from '../../../src/lib/clock.ts';
import { PUBLIC_ORIGIN, SOON_UNANSWERED } from '../../support/gateway.ts';
import { RedisServer } from '../../support/redis.ts';
import { until } from '../../support/until.ts';
import { events, FROM_OUR_PAGE, JSON_TYPE, LoginStage, PASSWORD, reasonOf } from './fixture.ts';

const FROM_OUR_PROGRAM = [`Origin: ${PUBLIC_ORIGIN}`, 'Sec-Fetch-Site: same-origin'];

let redis: RedisServer;

beforeAll(async () => {
  redis = await RedisServer.start();
});

afterAll(async () => {
  await redis[Symbol.asyncDispose]();
});

const withRedis = (more: object = {}) => ({ store: { redis: { url: redis.url, ...more } } });

describe('while Redis does not answer', () => {
  test('SES-07: logins, logouts and lists get 503, cookies stay, and service resumes afterwards', async () => {
    await using stage = await LoginStage.start({ clocks: systemClocks, config: withRedis(SOON_UNANSWERED) });
    const cookie = await stage.cookieOf('alice');
    redis.freeze();
    try {
      for (const [method, path, headers, body] of [
        ['POST', '/auth/login', [JSON_TYPE], JSON.stringify({ username: 'alice', password: PASSWORD })],
        ['POST', '/auth/logout', FROM_OUR_PROGRAM, ''],
        ['POST', '/auth/logout/all', FROM_OUR_PROGRAM, ''],
        ['GET', '/auth/sessions', [], ''],
        ['POST', '/auth/sessions/others', FROM_OUR_PROGRAM, ''],
      ] as const) {
        const response = await stage.send(method, path, [cookie, ...headers], body);
        expect([path, response.status, reasonOf(response)]).toEqual([path, 503, 'store_unavailable']);
        expect([path, response.headers.has('set-cookie')]).toEqual([path, false]);
        expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      }
      const page = await stage.send('POST', '/auth/logout', [cookie, ...FROM_OUR_PAGE]);
      expect([page.status, page.headers.has('set-cookie')]).toEqual([503, false]);
      expect(page.body.toString()).toContain('Nothing has changed: users who were logged in still are.');
    } finally {
      redis.thaw();
    }
    await until(async () => (await stage.get('/auth/session', cookie)).status === 200, 'the session is served again');
    await until(async () => (await stage.logIn('alice', PASSWORD)).status === 200, 'logins are served again');
  });
});

describe('with two replicas', () => {
  test('SES-06: a login or logout on one takes effect on the other', async () => {
    await using one = await LoginStage.start({ clocks: systemClocks, config: withRedis() });
    await using other = await LoginStage.start({ clocks: systemClocks, config: withRedis() });
    const cookie = await one.cookieOf('alice');
    expect((await other.get('/auth/session', cookie)).status).toBe(200);
    expect((await other.send('POST', '/auth/logout', [cookie, ...FROM_OUR_PROGRAM])).status).toBe(204);
    await until(async () => (await one.get('/auth/session', cookie)).status === 401, 'the logout arrives');
    expect(events(other, 'logout')).toHaveLength(1);
  });

  test('failed logins count together', async () => {
    const options = { config: withRedis(), login: { throttle: { freeAttemptsPerAccount: 2 } } };
    await using one = await LoginStage.start(options);
    await using other = await LoginStage.start(options);
    expect((await one.logIn('bob', 'wrong')).status).toBe(401);
    expect((await other.logIn('bob', 'wrong')).status).toBe(401);
    expect((await one.logIn('bob', PASSWORD)).status).toBe(429);
    expect((await other.logIn('bob', PASSWORD)).status).toBe(429);
  });
});
