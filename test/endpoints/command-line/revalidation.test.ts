/** Terminals of users with an identity provider: their sessions end with the browser session that approved them. */

import { expect, test } from 'vitest';
import { OidcStage } from '../../attack/oidc-stage.ts';
import type { PlainBrowser } from '../../support/browsers/plain-browser.ts';
import { TestClocks } from '../../support/clocks.ts';
import { HOST, PUBLIC_ORIGIN } from '../../support/gateway.ts';
import { type RawResponse, rawRequest, requestHead } from '../../support/raw-client.ts';
import { until } from '../../support/until.ts';
import { FORM } from '../token/fixture.ts';
import { CLIENT, newAttempt, REDIRECT_URI } from './fixture.ts';

const EVERY_MS = 300_000;

test('a refused revalidation logs out the terminals of that browser session and no others', async () => {
  const clocks = new TestClocks();
  await using stage = await OidcStage.start({
    clocks,
    provider: { revalidate: '5m', refreshEvery: '1d' },
    config: { refresh: { commandLine: {} }, session: { idleTimeout: '10h', absoluteTimeout: '12h' } },
  });
  stage.provider.user = { ...stage.provider.user, sid: 'at-home' };
  const atHome = await letIn(stage, await loggedIn(stage));
  stage.provider.user = { ...stage.provider.user, sid: 'at-work' };
  const browser = await loggedIn(stage);
  const [first, second] = [await letIn(stage, browser), await letIn(stage, browser)];
  expect((await refreshed(stage, first)).status).toBe(200);

  stage.provider.misbehave('refresh-invalid-grant');
  clocks.advance(EVERY_MS);
  await browser.fetch(`${PUBLIC_ORIGIN}/`);
  const session = `${PUBLIC_ORIGIN}/auth/session?prolong=no`;
  await until(async () => (await browser.fetch(session)).status === 401, 'the session of the browser has ended');
  expect(stage.gateway.audit.records.filter(({ event }) => event === 'revalidation_refused')).toHaveLength(3);
  expect((await refreshed(stage, first)).status).toBe(400);
  expect((await refreshed(stage, second)).status).toBe(400);
  expect((await refreshed(stage, atHome)).status).toBe(200);
});

test('Back-Channel Logout §2.7: a logout ends the terminals that the session approved, and no others', async () => {
  await using stage = await OidcStage.start({ config: { refresh: { commandLine: {} } } });
  stage.provider.user = { ...stage.provider.user, sid: 'at-home' };
  const atHome = await letIn(stage, await loggedIn(stage));
  stage.provider.user = { ...stage.provider.user, sid: 'at-work' };
  const atWork = await letIn(stage, await loggedIn(stage));
  const body = `logout_token=${stage.provider.logoutToken({ sid: 'at-work' })}`;
  const head = requestHead('POST', '/auth/backchannel-logout/corporate', [
    HOST,
    FORM,
    `Content-Length: ${body.length}`,
  ]);
  expect((await rawRequest(stage.gateway.port, head + body)).status).toBe(200);
  expect([(await refreshed(stage, atWork)).status, (await refreshed(stage, atHome)).status]).toEqual([400, 200]);
});

test('the provider is not asked about a terminal whose browser is closed', async () => {
  const clocks = new TestClocks();
  await using stage = await OidcStage.start({
    clocks,
    provider: { revalidate: '5m', refreshEvery: '1d' },
    config: { refresh: { commandLine: {} }, session: { idleTimeout: '10h', absoluteTimeout: '12h' } },
  });
  const token = await letIn(stage, await loggedIn(stage));
  stage.provider.misbehave('refresh-invalid-grant');
  clocks.advance(EVERY_MS * 10);
  expect((await refreshed(stage, token)).status).toBe(200);
  const grants = stage.provider.calls.map(({ parameters }) => parameters.get('grant_type'));
  expect(grants).not.toContain('refresh_token');
});

async function loggedIn(stage: OidcStage): Promise<PlainBrowser> {
  const browser = stage.browser();
  expect((await stage.logIn(browser)).status).toBe(200);
  return browser;
}

/** Approves a terminal. Returns its refresh token. */
async function letIn(stage: OidcStage, browser: PlainBrowser): Promise<string> {
  const { verifier, parameters } = newAttempt();
  const page = await browser.open(`${PUBLIC_ORIGIN}/auth/authorize?${new URLSearchParams(parameters)}`);
  const { headers } = await browser.submitOnly(page, { decision: 'allow' });
  const code = new URL(headers.location ?? '').searchParams.get('code') ?? '';
  const redeemed = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI, code_verifier: verifier };
  return tokenIn(await terminal(stage, redeemed));
}

const refreshed = (stage: OidcStage, token: string) =>
  terminal(stage, { grant_type: 'refresh_token', refresh_token: token });

const tokenIn = (answer: RawResponse) =>
  (JSON.parse(answer.body.toString()) as { readonly refresh_token: string }).refresh_token;

function terminal({ gateway }: OidcStage, fields: Readonly<Record<string, string>>): Promise<RawResponse> {
  const body = new URLSearchParams({ ...CLIENT, ...fields }).toString();
  const head = requestHead('POST', '/auth/token', [HOST, FORM, `Content-Length: ${body.length}`]);
  return rawRequest(gateway.port, head + body);
}
