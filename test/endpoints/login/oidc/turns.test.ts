/** Logins proceed in turns: what waits for a turn, and who is served meanwhile. */

import { connect } from 'node:net';
import { expect, test } from 'vitest';
import type { Turns } from '../../../../src/lib/concurrency/turns.ts';
import { OidcStage } from '../../../attack/oidc-stage.ts';
import { PUBLIC_ORIGIN } from '../../../support/gateway.ts';
import { HostileProvider } from '../../../support/providers/hostile-provider.ts';
import { until } from '../../../support/until.ts';

const { host: HOST } = new URL(PUBLIC_ORIGIN);

/** Holds back all turns until they are released. */
class HeldTurns {
  #waiting: (() => void)[] = [];

  constructor(turns: Turns) {
    const [begin, goOn] = [turns.begin.bind(turns), turns.goOn.bind(turns)];
    const held = () => new Promise<void>((resolve) => this.#waiting.push(resolve));
    turns.begin = (address) => held().then(() => begin(address));
    turns.goOn = () => held().then(goOn);
  }

  get count(): number {
    return this.#waiting.length;
  }

  release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

test('a login takes seven turns, and logged-in users are served while it waits', async () => {
  await using stage = await OidcStage.start();
  const known = stage.browser();
  await stage.isLoggedIn(known, await stage.logIn(known));
  const held = new HeldTurns(stage.gateway.gateway.longLived.loginTurns);
  let open = 8;
  const logins = Array.from({ length: open }, async () => {
    const browser = stage.browser();
    const page = await stage.logIn(browser);
    open -= 1;
    return { browser, page };
  });
  let turns = 0;
  for (; open > 0; turns += 1) {
    await until(() => held.count === open || open === 0, 'all logins wait for a turn');
    expect((await known.fetch(`${PUBLIC_ORIGIN}/orders`)).status).toBe(200);
    expect(open === 0 || held.count === open).toBe(true);
    held.release();
  }
  // Begin and store; then, with the answer: begin, take, mark as used, redeem, and open the session.
  expect(turns - 1).toBe(7);
  for (const { browser, page } of await Promise.all(logins)) await stage.isLoggedIn(browser, page);
});

test('logins that wait for a provider hold no turn: seventy stuck at one do not block another', async () => {
  await using partner = await HostileProvider.start();
  await using stage = await OidcStage.start({
    misbehaviour: 'token-silent',
    more: [{ name: 'partner', issuer: partner.issuer }],
  });
  const stuck = Array.from({ length: 70 }, async () => {
    const browser = stage.browser();
    await browser.open(await stage.answer(browser));
  });
  void Promise.allSettled(stuck);
  // As many as the gateway has connections to one provider.
  await until(() => stage.provider.countOf('token') >= 64, 'the provider has been asked');
  const browser = stage.browser();
  const page = await browser.open(`${PUBLIC_ORIGIN}/auth/login?provider=partner&return_to=%2Forders`);
  expect(`${page.status} ${page.url.pathname}`).toBe('200 /orders');
});

test('a login is not begun if its browser leaves before its turn', async () => {
  await using stage = await OidcStage.start();
  const held = new HeldTurns(stage.gateway.gateway.longLived.loginTurns);
  const browser = stage.browser();
  const start = '/auth/login?provider=corporate';
  await browser.step(`${PUBLIC_ORIGIN}${start}`);
  const cookie = browser.cookies.headerFor(new URL(PUBLIC_ORIGIN), { method: 'GET', initiator: null });
  const { port, log, audit, metrics } = stage.gateway;
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  socket.write(`GET ${start} HTTP/1.1\r\nHost: ${HOST}\r\nSec-Fetch-Mode: navigate\r\nCookie: ${cookie}\r\n\r\n`);
  await until(() => held.count === 1, 'the login waits for its turn');
  socket.destroy();
  await until(() => log.records.some(({ status }) => status === 499), 'the gateway knows that the browser has left');
  held.release();
  await until(() => audit.records.length > 0, 'the login is over');
  expect(audit.records.at(-1)).toMatchObject({ event: 'login_failed', reason: 'downstream_aborted' });
  expect(await metrics.text()).toMatch(/provider_logins_started_total\{provider="corporate"\} 0\n/);
});

test('a login beyond capacity gets 503 with Retry-After and a link to retry, and is counted', async () => {
  await using stage = await OidcStage.start();
  const browser = stage.browser();
  const start = `${PUBLIC_ORIGIN}/auth/login?provider=corporate&return_to=%2Forders`;
  await browser.step(start);
  const { loginTurns } = stage.gateway.gateway.longLived;
  const { begin } = loginTurns;
  loginTurns.begin = async () => false;
  const page = await browser.step(start);
  expect([page.status, page.headers['retry-after']]).toEqual([503, '1']);
  expect(page.body).toContain('return_to=%2Forders');
  const text = await stage.gateway.metrics.text();
  expect(text).toMatch(/provider_logins_total\{provider="corporate",outcome="overloaded"\} 1\n/);
  expect(text).toMatch(/login_failures_total\{reason="overloaded"\} 1\n/);
  loginTurns.begin = begin;
  expect((await browser.open(start)).url.pathname).toBe('/orders');
});
