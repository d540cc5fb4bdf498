/** `sessionEnds`: a claim of the provider limits the lifetime of a session. */

import { expect, test } from 'vitest';
import { OidcStage } from '../../../attack/oidc-stage.ts';
import { TestClocks } from '../../../support/clocks.ts';
import { PUBLIC_ORIGIN } from '../../../support/gateway.ts';

const start = (sessionEnds: string, clocks = new TestClocks()) =>
  OidcStage.start({ clocks, provider: { sessionEnds }, config: { session: { absoluteTimeout: '1h' } } });

const endOf = async (stage: OidcStage) => {
  const sessions = await stage.gateway.gateway.sessions.list('corporate|mallory-1');
  return sessions.at(-1)?.expiresAtMs ?? null;
};

test('a session ends with its ID token', async () => {
  const clocks = new TestClocks();
  await using stage = await start('exp', clocks);
  const browser = stage.browser();
  expect((await stage.logIn(browser)).status).toBe(200);
  // ID tokens of this provider last for five minutes.
  expect(await endOf(stage)).toBe(clocks.wallMs() + 300_000);
  clocks.advance(299_000);
  expect((await browser.fetch(`${PUBLIC_ORIGIN}/`)).status).toBe(200);
  clocks.advance(1_000);
  expect((await browser.fetch(`${PUBLIC_ORIGIN}/`)).status).toBe(401);
});

test('a claim ends the session, but never later than absoluteTimeout', async () => {
  const clocks = new TestClocks();
  await using stage = await start('session_ends', clocks);
  const inSec = (seconds: number) => clocks.wallMs() / 1_000 + seconds;
  stage.provider.user = { ...stage.provider.user, session_ends: inSec(900) };
  await stage.logIn(stage.browser());
  expect(await endOf(stage)).toBe(clocks.wallMs() + 900_000);
  clocks.advance(1_000);
  stage.provider.user = { ...stage.provider.user, session_ends: inSec(90_000) };
  await stage.logIn(stage.browser());
  expect(await endOf(stage)).toBe(clocks.wallMs() + 3_600_000);
});

test.each([
  ['is missing', undefined],
  ['is not a number', 'tomorrow'],
  ['is in the past', 1_700_000_000],
])('a login whose claim %s is refused', async (_what, claim) => {
  await using stage = await start('session_ends');
  stage.provider.user = { ...stage.provider.user, session_ends: claim };
  const browser = stage.browser();
  await stage.isRefused(browser, await stage.logIn(browser), {
    reason: 'login_response_invalid',
    note: /the claim of sessionEnds is missing, or lies in the past/,
  });
});
