/** Command-line logins with a real Redis: across replicas, and while Redis does not answer. */

import { expect, test } from 'vitest';
import { systemClocks } from '../../../src/lib/clock.ts';
import { SOON_UNANSWERED } from '../../support/gateway.ts';
import { RedisServer } from '../../support/redis.ts';
import { until } from '../../support/until.ts';
import { jsonOf } from '../login/fixture.ts';
import { CLIENT, CommandLineStage, fieldsOf, newAttempt } from './fixture.ts';

const start = (url: string) =>
  CommandLineStage.start({ clocks: systemClocks, config: { store: { redis: { url, ...SOON_UNANSWERED } } } });

test('a code from one replica works on another, once', async () => {
  await using redis = await RedisServer.start();
  await using one = await start(redis.url);
  await using other = await start(redis.url);
  const cookie = await one.login.cookieOf('alice');
  const attempt = newAttempt();
  const code = await one.codeFor(attempt, cookie);
  const tokens = jsonOf(await other.redeem(code, attempt));
  expect(tokens['token_type']).toBe('Bearer');
  expect((await one.redeem(code, attempt)).status).toBe(400);
  expect(jsonOf(await other.refresh(tokens['refresh_token']))['error']).toBe('invalid_grant');
});

test('a code redeemed on two replicas at once leaves no usable refresh token', async () => {
  await using redis = await RedisServer.start();
  await using one = await start(redis.url);
  await using other = await start(redis.url);
  const cookie = await one.login.cookieOf('alice');
  for (let round = 0; round < 5; round++) {
    const attempt = newAttempt();
    const code = await one.codeFor(attempt, cookie);
    const answers = await Promise.all([one, other, one, other].map((stage) => stage.redeem(code, attempt)));
    const issued = answers.filter(({ status }) => status === 200).map(jsonOf);
    expect(issued.length).toBeLessThanOrEqual(1);
    for (const tokens of issued) expect((await other.refresh(tokens['refresh_token'])).status).toBe(400);
  }
});

test('a device login may begin, be confirmed and be polled on different replicas', async () => {
  await using redis = await RedisServer.start();
  await using one = await start(redis.url);
  await using other = await start(redis.url);
  const { deviceCode, userCode } = await one.device();
  const cookie = await other.login.cookieOf('alice');
  const page = await other.submit('/auth/device', { user_code: userCode }, cookie);
  expect((await one.submit('/auth/device', { ...fieldsOf(page), decision: 'allow' }, cookie)).status).toBe(200);
  expect((await other.poll(deviceCode)).status).toBe(200);
});

test('while Redis does not answer, every step gets 503 and none asks for a new login', async () => {
  await using redis = await RedisServer.start();
  await using stage = await start(redis.url);
  const cookie = await stage.login.cookieOf('alice');
  const attempt = newAttempt();
  const code = await stage.codeFor(attempt, cookie);
  const { refresh_token: refreshToken } = jsonOf(await stage.redeem(await stage.codeFor(attempt, cookie), attempt));
  const { deviceCode } = await stage.device();
  const page = await stage.ask(attempt.parameters, cookie);
  redis.freeze();
  for (const answer of [
    await stage.redeem(code, attempt),
    await stage.refresh(refreshToken),
    await stage.poll(deviceCode),
    await stage.terminal('/auth/device_authorization', CLIENT),
    await stage.terminal('/auth/revoke', { ...CLIENT, token: String(refreshToken) }),
  ]) {
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  expect(jsonOf(await stage.redeem(code, attempt))['error']).toBe('temporarily_unavailable');
  const consent = await stage.submit('/auth/authorize', { ...fieldsOf(page), decision: 'allow' }, cookie);
  expect([consent.status, consent.headers.get('location')]).toEqual([503, undefined]);
  redis.thaw();
  let answer = await stage.redeem(code, attempt);
  await until(async () => {
    if (answer.status === 503) answer = await stage.redeem(code, attempt);
    return answer.status !== 503;
  }, 'it answers again');
  expect(answer.status).toBe(200);
});
