/** Revocations, and a store that is down, with a real Redis. */

import { expect, test } from 'vitest';
import { SOON_UNANSWERED, startGateway } from '../support/gateway.ts';
import { RedisServer } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { ALL_FORMS, AuthorizerStage, reasonOf } from './stage.ts';

test('promise 5: a session that another replica ends is refused within a second', async () => {
  await using redis = await RedisServer.start();
  const store = { redis: { url: redis.url } };
  await using stage = await AuthorizerStage.start({ config: { store } });
  await using replica = await startGateway({ config: { store } });
  const cookie = `Cookie: __Host-sid=${await replica.sessionId('zoe')}`;
  for (const form of ALL_FORMS) expect((await stage.ask(form, { lines: [cookie] })).status).toBe(200);
  await replica.gateway.sessions.endAll('zoe', 'operator');
  await until(async () => (await stage.ask('forward-auth', { lines: [cookie] })).status === 401, 'it is refused');
  for (const form of ALL_FORMS) expect(reasonOf(await stage.ask(form, { lines: [cookie] }))).toBe('session_unknown');
});

test('promise 6: while the store is down, a question that needs it gets 503, never a permit or a login', async () => {
  await using redis = await RedisServer.start();
  const store = { redis: { url: redis.url, ...SOON_UNANSWERED } };
  await using stage = await AuthorizerStage.start({ config: { store } });
  const cookie = await stage.gateway.cookie();
  await using other = await AuthorizerStage.start({ config: { store } });
  await redis.kill();
  for (const form of [...ALL_FORMS, 'refusal'] as const) {
    const answer = await other.ask(form, { lines: [cookie, 'Sec-Fetch-Mode: navigate', 'Accept: text/html'] });
    expect([form, answer.status]).toEqual([form, 503]);
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(answer.headers.get('location')).toBeUndefined();
    expect(answer.headers.get('set-cookie')).toBeUndefined();
  }
  expect(other.logged).toMatchObject({ reason: 'store_unavailable' });
  // Public routes need no store.
  expect((await other.ask('forward-auth', { target: '/public' })).status).toBe(200);
});
