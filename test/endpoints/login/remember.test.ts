/** P4: staying logged in after the browser is closed. */

import { describe, expect, test } from 'vitest';
import type { PlainBrowser } from '../../support/browsers/plain-browser.ts';
import { TestClocks } from '../../support/clocks.ts';
import {
  Files,
  FROM_OUR_PAGE,
  JSON_TYPE,
  jsonOf,
  LoginStage,
  NAVIGATION,
  PASSWORD,
  reasonOf,
  sessionIdIn,
} from './fixture.ts';
import { ProviderStage, PUBLIC_ORIGIN } from './oidc/stage.ts';

const DAY_MS = 86_400_000;
const REMEMBER = { session: { remember: { idleTimeout: '7d', absoluteTimeout: '30d' } } };
const FIELDS = { username: 'alice', password: PASSWORD };
const CHECKBOX = '<input type="checkbox" id="remember" name="remember" value="yes"';

const cookieLine = (response: { headers: ReadonlyMap<string, string> }) =>
  response.headers.get('set-cookie')?.split('\n')[0];

describe('with session.remember', () => {
  test('a ticked box gives a persistent cookie and a session with its own lifetimes', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({ clocks, config: REMEMBER });
    const login = await stage.submit({ ...FIELDS, remember: 'yes' });
    expect(cookieLine(login)).toMatch(/; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=2592000$/);
    const cookie = `Cookie: __Host-sid=${sessionIdIn(login)}`;
    for (let day = 0; day < 24; day += 6) {
      clocks.advance(6 * DAY_MS);
      expect([day, (await stage.get('/auth/session', cookie)).status]).toEqual([day, 200]);
    }
    const { expiresAt, idleExpiresAt } = jsonOf(await stage.get('/auth/session?prolong=no', cookie));
    expect([expiresAt, idleExpiresAt]).toEqual(['2027-02-14T08:00:00.000Z', '2027-02-14T08:00:00.000Z']);
    clocks.advance(6 * DAY_MS);
    expect((await stage.get('/auth/session', cookie)).status).toBe(401);
  });

  test('a remembered session ends after its own idle timeout', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({ clocks, config: REMEMBER });
    const cookie = `Cookie: __Host-sid=${sessionIdIn(await stage.submit({ ...FIELDS, remember: 'yes' }))}`;
    clocks.advance(7 * DAY_MS - 1);
    expect((await stage.get('/auth/session?prolong=no', cookie)).status).toBe(200);
    clocks.advance(1);
    expect((await stage.get('/auth/session', cookie)).status).toBe(401);
  });

  test('an unticked box changes nothing', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({ clocks, config: REMEMBER });
    const login = await stage.submit(FIELDS);
    expect(cookieLine(login)).toMatch(/; SameSite=Lax$/);
    clocks.advance(30 * 60_000);
    expect((await stage.get('/auth/session', `Cookie: __Host-sid=${sessionIdIn(login)}`)).status).toBe(401);
  });

  test('the form has the box, which stays ticked when a login fails', async () => {
    await using stage = await LoginStage.start({ config: REMEMBER });
    expect((await stage.get('/auth/login', ...NAVIGATION)).body.toString()).toContain(`${CHECKBOX}> Keep me logged in`);
    const failed = await stage.submit({ ...FIELDS, password: 'wrong', remember: 'yes' });
    expect(failed.body.toString()).toContain(`${CHECKBOX} checked>`);
  });

  test('programs and trusted backends request it with `remember`', async () => {
    await using files = new Files();
    const clientSecretFile = await files.write('secret', 's'.repeat(32));
    await using stage = await LoginStage.start({
      config: REMEMBER,
      login: { trustedBackends: [{ id: 'idp', clientSecretFile }] },
    });
    const json = await stage.send('POST', '/auth/login', [JSON_TYPE], JSON.stringify({ ...FIELDS, remember: true }));
    expect([json.status, cookieLine(json)]).toEqual([200, expect.stringMatching(/; Max-Age=2592000$/)]);
    const basic = `Authorization: Basic ${Buffer.from(`idp:${'s'.repeat(32)}`).toString('base64')}`;
    const asked = { subject: 'carol', remember: true, lifetimeSeconds: 86_400 };
    const backend = await stage.send('POST', '/auth/sessions', [JSON_TYPE, basic], JSON.stringify(asked));
    expect([backend.status, cookieLine(backend)]).toEqual([201, expect.stringMatching(/; Max-Age=86400$/)]);
  });

  test('the refresh cookie of a remembered session is persistent, too', async () => {
    await using stage = await LoginStage.start({ config: { ...REMEMBER, refresh: { clients: ['browser'] } } });
    const login = await stage.submit({ ...FIELDS, remember: 'yes', refresh: 'browser' });
    const lines = login.headers.get('set-cookie')?.split('\n') ?? [];
    expect(lines.find((line) => line.startsWith('__Secure-refresh='))).toMatch(/; Max-Age=2592000$/);
  });
});

describe('with an identity provider', () => {
  const sessionLine = (browser: PlainBrowser) =>
    browser.hops.flatMap(({ setCookies }) => setCookies).findLast((line) => line.startsWith('__Host-sid='));
  const LASTING = /; SameSite=Lax; Max-Age=2592000$/;

  test('a link beside the buttons asks to be remembered, and a failed login keeps the choice', async () => {
    await using stage = await ProviderStage.start({ withPasswords: true, config: REMEMBER });
    const browser = stage.browser();
    const page = await browser.open(`${PUBLIC_ORIGIN}/auth/login?return_to=/orders`);
    const [, href = ''] = /<a href="([^"]*)">Keep me logged in on this device<\/a>/.exec(page.body) ?? [];
    const asked = await browser.open(new URL(href.replaceAll('&amp;', '&'), page.url), page);
    expect(asked.body).toContain('This login will keep you logged in on this device.');
    expect(asked.body).toContain(`${CHECKBOX} checked>`);
    expect(asked.body).toContain('<a href="/auth/login?return_to=%2Forders">Do not keep me logged in</a>');
    const start = '/auth/login?return_to=%2Forders&remember=1&provider=corporate';
    expect(asked.body).toContain(`href="${start.replaceAll('&', '&amp;')}"`);
    await stage.idp.logIn(browser, await browser.open(`${PUBLIC_ORIGIN}${start}`));
    expect(sessionLine(browser)).toMatch(LASTING);

    const other = stage.browser();
    const answer = await stage.answerOf(other, await other.open(`${PUBLIC_ORIGIN}${start}`));
    answer.searchParams.set('iss', 'https://evil.example');
    expect((await other.open(answer)).body).toContain(`href="${start.replaceAll('&', '&amp;')}"`);
    await stage.logIn(other, '/auth/login?provider=corporate&return_to=/orders');
    expect(sessionLine(other)).toMatch(/; SameSite=Lax$/);
  });

  test('a step-up keeps the session remembered', async () => {
    await using stage = await ProviderStage.start({
      config: REMEMBER,
      idp: { acrValues: ['gold'] },
      routes: [
        { id: 'payouts', match: { path: '/payouts' }, credential: 'session', require: { acr: ['gold'] } },
        { id: 'app', match: { path: '/' }, credential: 'session' },
      ],
    });
    const browser = stage.browser();
    await stage.logIn(browser, '/auth/login?remember=1');
    const first = sessionLine(browser);
    await stage.logIn(browser, '/payouts');
    expect(sessionLine(browser)).toMatch(LASTING);
    expect(sessionLine(browser)).not.toBe(first);
  });

  test('`always` remembers every login and hides the choice', async () => {
    await using stage = await ProviderStage.start({
      withPasswords: true,
      config: { session: { remember: { always: true } } },
    });
    const browser = stage.browser();
    expect((await browser.open(`${PUBLIC_ORIGIN}/auth/login`)).body).not.toMatch(/remember|Keep me/);
    await stage.logIn(browser, '/auth/login?provider=corporate');
    expect(sessionLine(browser)).toMatch(LASTING);
  });

  test('without session.remember, asking for it in an address is ignored', async () => {
    await using stage = await ProviderStage.start({ withPasswords: true });
    const browser = stage.browser();
    expect((await browser.open(`${PUBLIC_ORIGIN}/auth/login?remember=1`)).body).not.toMatch(/keep you logged in/);
    await stage.logIn(browser, '/auth/login?provider=corporate&remember=1');
    expect(sessionLine(browser)).toMatch(/; SameSite=Lax$/);
  });
});

describe('without session.remember', () => {
  test('the form has no box, and a login that asks for it is refused', async () => {
    await using stage = await LoginStage.start();
    expect((await stage.get('/auth/login', ...NAVIGATION)).body.toString()).not.toContain('remember');
    const form = await stage.submit({ ...FIELDS, remember: 'yes' });
    expect([form.status, form.headers.has('set-cookie')]).toEqual([400, false]);
    const json = await stage.send('POST', '/auth/login', [JSON_TYPE], JSON.stringify({ ...FIELDS, remember: true }));
    expect([json.status, reasonOf(json)]).toEqual([400, 'body_malformed']);
  });

  test('a session remembered before a reload has the idle timeout of any other, and can be logged out', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({ clocks, config: REMEMBER });
    const login = async () => `Cookie: __Host-sid=${sessionIdIn(await stage.submit({ ...FIELDS, remember: 'yes' }))}`;
    const [cookie, other] = [await login(), await login()];
    const { config } = stage.gateway.gateway;
    await stage.gateway.apply({ ...config, session: { ...config.session, remember: undefined } });
    expect((await stage.send('POST', '/auth/logout', [cookie, ...FROM_OUR_PAGE])).status).toBe(303);
    expect((await stage.get('/auth/session', cookie)).status).toBe(401);
    clocks.advance(30 * 60_000 - 1);
    expect((await stage.get('/auth/session?prolong=no', other)).status).toBe(200);
    clocks.advance(1);
    expect((await stage.get('/auth/session', other)).status).toBe(401);
  });
});
