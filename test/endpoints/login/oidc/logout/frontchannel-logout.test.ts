/** Logouts through a frame in a provider's page (OpenID Connect Front-Channel Logout 1.0). */

import { describe, expect, test } from 'vitest';
import { OidcStage } from '../../../../attack/oidc-stage.ts';
import { HOST, PUBLIC_ORIGIN } from '../../../../support/gateway.ts';
import { rawRequest, requestHead } from '../../../../support/raw-client.ts';

const ON = { provider: { frontchannelLogout: true } };

/** A stage with a logged-in user. */
async function loggedIn(options: Parameters<typeof OidcStage.start>[0] = ON) {
  const stage = await OidcStage.start(options);
  const browser = stage.browser();
  await stage.isLoggedIn(browser, await stage.logIn(browser));
  const isLoggedIn = async () => (await browser.fetch(`${PUBLIC_ORIGIN}/auth/session`)).status === 200;
  return { stage, isLoggedIn, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
}

/** Requests the endpoint as a frame in the provider's page does, without a cookie. */
const open = (
  stage: OidcStage,
  query: string,
  lines = [HOST, 'Sec-Fetch-Dest: iframe', 'Sec-Fetch-Site: cross-site'],
) => rawRequest(stage.gateway.port, requestHead('GET', `/auth/frontchannel-logout/corporate${query}`, lines));

const queryOf = (iss: string, sid: string) => `?${new URLSearchParams({ iss, sid })}`;

describe('front-channel logout', () => {
  test('Front-Channel Logout §3: ends the session by iss and sid, without a cookie', async () => {
    await using it = await loggedIn();
    const { issuer } = it.stage.provider;
    const answer = await open(it.stage, queryOf(issuer, 'session-1'));
    expect([answer.status, answer.body.toString()]).toEqual([200, '']);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('content-security-policy')).toBe(`default-src 'none'; frame-ancestors ${issuer}`);
    expect(answer.headers.has('x-frame-options')).toBe(false);
    expect(await it.isLoggedIn()).toBe(false);
    expect(it.stage.gateway.audit.records.at(-1)).toMatchObject({
      event: 'frontchannel_logout',
      provider: 'corporate',
    });
  });

  test('Front-Channel Logout §3: gives an unknown sid the same answer and ends nothing', async () => {
    await using it = await loggedIn();
    const { issuer } = it.stage.provider;
    const unknown = await open(it.stage, queryOf(issuer, 'session-2'));
    expect(await it.isLoggedIn()).toBe(true);
    const known = await open(it.stage, queryOf(issuer, 'session-1'));
    const shown = ({ status, headers }: typeof known) => [status, headers.get('content-security-policy')];
    expect(shown(unknown)).toEqual(shown(known));
  });

  test('OIDC-16: ends nothing when the query is malformed or names another issuer', async () => {
    await using it = await loggedIn();
    const { issuer } = it.stage.provider;
    const good = queryOf(issuer, 'session-1');
    const bad = [
      '',
      `?iss=${encodeURIComponent(issuer)}`,
      '?sid=session-1',
      queryOf(`${issuer}/`, 'session-1'),
      queryOf('https://id.example.com', 'session-1'),
      queryOf(issuer, ''),
      queryOf(issuer, 'x'.repeat(256)),
      `${good}&sid=session-1`,
      `${good}&more=x`,
      queryOf(issuer, '*'),
    ];
    const statuses = [];
    for (const query of bad) statuses.push((await open(it.stage, query)).status);
    // The last one is a sid like any other.
    expect(statuses).toEqual([...bad.slice(1).map(() => 400), 200]);
    expect(await it.isLoggedIn()).toBe(true);
  });

  test('OIDC-16: answers 404 unless it is configured', async () => {
    await using it = await loggedIn({});
    expect((await open(it.stage, queryOf(it.stage.provider.issuer, 'session-1'))).status).toBe(404);
    expect(await it.isLoggedIn()).toBe(true);
  });

  test('OIDC-16: throttles guesses of a sid from one network', async () => {
    await using it = await loggedIn({ ...ON, throttle: { startsPerAddress: 3 } });
    const { issuer } = it.stage.provider;
    const answers = [];
    for (let count = 0; count < 5; count += 1) answers.push(await open(it.stage, queryOf(issuer, `guess-${count}`)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429, 429]);
    expect(answers[4]?.headers.get('retry-after')).toMatch(/^\d+$/);
  });
});
