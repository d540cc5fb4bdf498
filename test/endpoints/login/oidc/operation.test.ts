/** Logins across replicas, restarts and reloads, and what they leave in logs. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { LocalControl } from '../../../../src/gateway/control.ts';
import { load } from '../../../config/support.ts';
import { PlainBrowser } from '../../../support/browsers/plain-browser.ts';
import { TestClocks } from '../../../support/clocks.ts';
import { parseTestConfig, SOON_UNANSWERED, startGateway } from '../../../support/gateway.ts';
import { RedisServer } from '../../../support/redis.ts';
import { ProviderStage, PUBLIC_ORIGIN } from './stage.ts';

describe('a login in progress', () => {
  test('is completed by another replica after the first has gone', async () => {
    await using redis = await RedisServer.start();
    const config = { store: { redis: { url: redis.url } } };
    await using stage = await ProviderStage.start({ config });
    const origins = { [PUBLIC_ORIGIN]: stage.gateway.port };
    const browser = new PlainBrowser({ origins });
    const atProvider = await browser.open(`${PUBLIC_ORIGIN}/orders?page=2`);
    await stage.gateway[Symbol.asyncDispose]();
    await using replica = await startGateway({
      upstream: stage.upstream.origin,
      config: { ...config, login: { oidc: [stage.corporate] } },
    });
    origins[PUBLIC_ORIGIN] = replica.port;
    const page = await stage.idp.logIn(browser, atProvider);
    expect([page.status, page.url.href]).toEqual([200, `${PUBLIC_ORIGIN}/orders?page=2`]);
    expect(await replica.gateway.sessions.list('corporate|ada')).toHaveLength(1);
  });

  test('RDS-02: gets 503 when Redis has stopped; nobody is let in and no cookie changes', async () => {
    await using redis = await RedisServer.start();
    await using stage = await ProviderStage.start({
      config: { store: { redis: { url: redis.url, ...SOON_UNANSWERED } } },
    });
    const browser = stage.browser();
    const callback = await stage.answerOf(browser, await browser.open(`${PUBLIC_ORIGIN}/orders`));
    await redis.kill();
    const page = await browser.step(callback);
    expect([page.status, page.headers['set-cookie']]).toEqual([503, undefined]);
    expect(page.headers['retry-after']).toMatch(/^[1-9]\d*$/);
    expect(stage.idp.countOf('token')).toBe(0);
    expect(stage.lastEvent('login_failed')).toMatchObject({ reason: 'store_unavailable', account: 'corporate' });
    expect((await browser.step(`${PUBLIC_ORIGIN}/auth/login?provider=corporate&return_to=%2Forders`)).status).toBe(503);
    expect(stage.upstream.requests).toEqual([]);
  });

  test('survives a reload without fetching the metadata again', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    const atProvider = await browser.open(`${PUBLIC_ORIGIN}/orders`);
    await expect.poll(() => stage.idp.countOf('jwks')).toBe(1);
    const config = { login: { oidc: [stage.corporate], title: 'Changed' } };
    await stage.gateway.apply(parseTestConfig({ upstream: stage.upstream.origin, config }));
    expect((await stage.idp.logIn(browser, atProvider)).status).toBe(200);
    expect(stage.idp.countOf('discovery')).toBe(1);
  });

  test('ends with an error page when a reload has removed its provider', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    const callback = await stage.answerOf(browser, await browser.open(`${PUBLIC_ORIGIN}/orders`));
    const config = { login: { oidc: [{ ...stage.corporate, name: 'another' }] } };
    await stage.gateway.apply(parseTestConfig({ upstream: stage.upstream.origin, config }));
    expect((await browser.open(callback)).status).toBe(404);
    // Nor does it become a login with the new provider.
    const page = await browser.open(callback.href.replace('/corporate', '/another'));
    expect(page.status).toBe(400);
    expect(stage.lastEvent('login_failed')).toMatchObject({ note: 'the login was begun with another provider' });
  });
});

test('the gateway starts while the provider is down, and logins work once it is up', async () => {
  await using idle = await ProviderStage.start();
  await idle.idp.pause();
  await using gateway = await startGateway({ config: { login: { oidc: [idle.corporate] } } });
  const browser = new PlainBrowser({ origins: { [PUBLIC_ORIGIN]: gateway.port } });
  const login = `${PUBLIC_ORIGIN}/auth/login?return_to=%2Fauth%2Fsession`;
  expect((await browser.open(login)).status).toBe(503);
  const { components } = await new LocalControl(gateway.gateway, gateway.metrics).health(false);
  expect(components).toContainEqual({
    name: 'provider corporate',
    isOk: false,
    isRequired: false,
    detail: 'metadata not fetched yet',
  });
  await idle.idp.resume();
  await expect.poll(async () => (await browser.open(login)).status).toBe(200);
});

test('OIDC-19: a flood of logins from one network gets 429 before it reaches the store', async () => {
  await using stage = await ProviderStage.start({
    clocks: TestClocks.atNow(),
    login: { throttle: { startsPerAddress: 5 } },
  });
  const add = vi.spyOn(stage.gateway.gateway.longLived.store.loginTransactions, 'add');
  const browser = stage.browser();
  const begin = () => browser.step(`${PUBLIC_ORIGIN}/auth/login?provider=corporate&return_to=%2Forders`);
  // One start goes into setting the cookie.
  const answers = [];
  for (let count = 0; count < 50; count += 1) answers.push(await begin());
  expect(answers.map(({ status }) => status).filter((status) => status === 302)).toHaveLength(5);
  expect(answers.at(-1)?.status).toBe(429);
  expect(answers.at(-1)?.headers['retry-after']).toMatch(/^[1-9]\d*$/);
  expect(answers.at(-1)?.body).toContain('return_to=%2Forders');
  expect(add).toHaveBeenCalledTimes(4);
});

test('LOG-01: no code, state, nonce, verifier, token or secret is in any log, audit record or metric', async () => {
  await using stage = await ProviderStage.start({ idp: { pushedAuthorizationRequests: 'off' } });
  const browser = stage.browser();
  await stage.logIn(browser, '/orders');
  await stage.idp.cancel(browser, await stage.browser().open(`${PUBLIC_ORIGIN}/orders`)).catch(() => {});
  const secrets = new Set<string>([stage.idp.clientSecret]);
  for (const { url } of browser.hops)
    for (const name of ['code', 'state', 'nonce', 'code_challenge']) secrets.add(url.searchParams.get(name) ?? '');
  for (const { parameters } of stage.idp.calls)
    for (const name of ['code', 'code_verifier', 'access_token']) secrets.add(String(parameters[name] ?? ''));
  for (const { setCookies } of browser.hops)
    for (const line of setCookies) secrets.add(/^[^=]+=([^;]*)/.exec(line)?.[1] ?? '');
  secrets.delete('');
  expect(secrets.size).toBeGreaterThan(6);
  const text = stage.gateway.log.text + stage.gateway.audit.text + (await stage.gateway.metrics.text());
  expect([...secrets].filter((secret) => text.includes(secret))).toEqual([]);
});

test('the configuration on the how-to page is valid', () => {
  const page = readFileSync(
    join(import.meta.dirname, '../../../../docs/how-to/log-in-with-an-identity-provider.md'),
    'utf8',
  );
  const [, yaml = ''] = /^```yaml\n(version: 1\n[\s\S]*?)^```$/m.exec(page) ?? [];
  const { problems } = load(yaml);
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
});
