/** Renewals in which other replicas or faults come between the provider's answer and the store. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DependencyFault } from '../../../../../src/errors.ts';
import type { SessionHandle } from '../../../../../src/jwt/names.ts';
import type { SealedTokenStore } from '../../../../../src/store/sealed-tokens.ts';
import { OidcStage } from '../../../../attack/oidc-stage.ts';
import type { PlainBrowser } from '../../../../support/browsers/plain-browser.ts';
import { TestClocks } from '../../../../support/clocks.ts';
import { PUBLIC_ORIGIN } from '../../../../support/gateway.ts';
import { until } from '../../../../support/until.ts';

const EVERY_MS = 300_000;
const clocks = new TestClocks();
let stage: OidcStage;
let store: SealedTokenStore;
let original: SealedTokenStore;

beforeAll(async () => {
  stage = await OidcStage.start({
    clocks,
    provider: { revalidate: '5m', outageGrace: '20m', refreshEvery: '1d' },
    config: { session: { idleTimeout: '10h', absoluteTimeout: '12h' } },
  });
  store = stage.gateway.gateway.longLived.store.sealedTokens;
});
afterAll(() => stage[Symbol.asyncDispose]());
beforeEach(() => {
  stage.provider.reform();
  clocks.advance(30_000);
  const { lease, replace, get } = store;
  original = { lease: lease.bind(store), replace: replace.bind(store), get: get.bind(store) } as SealedTokenStore;
});
afterEach(() => Object.assign(store, original));

async function loggedIn(): Promise<{ browser: PlainBrowser; handle: SessionHandle }> {
  const browser = stage.browser();
  expect((await stage.logIn(browser)).status).toBe(200);
  const [session] = (await stage.gateway.gateway.sessions.list('corporate|mallory-1')).slice(-1);
  return { browser, handle: session?.handle as SessionHandle };
}

const status = async (browser: PlainBrowser) => (await browser.fetch(`${PUBLIC_ORIGIN}/`)).status;
const versionOf = async (handle: SessionHandle) => (await original.get(handle))?.version ?? null;
const refreshes = () =>
  stage.provider.calls.filter(({ parameters }) => parameters.get('grant_type') === 'refresh_token').length;

/** Makes a request that begins a revalidation, and waits until the provider has been asked. */
async function revalidate(browser: PlainBrowser): Promise<void> {
  clocks.advance(EVERY_MS);
  const before = refreshes();
  expect(await status(browser)).toBe(200);
  await until(() => refreshes() > before, 'the provider was asked');
}

describe('a replica that renews tokens', () => {
  test('REF-05: ignores invalid_grant when another replica has renewed the tokens meanwhile', async () => {
    const { browser, handle } = await loggedIn();
    stage.provider.misbehave('refresh-invalid-grant');
    store.lease = async (...lease) => {
      const leased = await original.lease(...lease);
      if (leased?.outcome === 'leased') await original.replace(handle, leased.tokens.version, leased.tokens.value);
      return leased;
    };
    await revalidate(browser);
    await until(async () => (await original.lease(handle, 'test', 1))?.outcome === 'leased', 'the lease is given back');
    expect(await status(browser)).toBe(200);
  });

  test('REF-04: does not overwrite another replica’s tokens after a stall', async () => {
    const { browser, handle } = await loggedIn();
    const others = 'what the other replica has sealed';
    store.lease = async (...lease) => {
      const leased = await original.lease(...lease);
      if (leased?.outcome === 'leased') await original.replace(handle, leased.tokens.version, others);
      return leased;
    };
    await revalidate(browser);
    await until(async () => (await original.lease(handle, 'test', 1))?.outcome === 'leased', 'the lease is given back');
    expect(await original.get(handle)).toMatchObject({ value: others, version: 2 });
  });

  test('REF-02: leaves a session to the replica that is renewing it and adopts the result', async () => {
    const { browser, handle } = await loggedIn();
    clocks.advance(EVERY_MS);
    expect((await original.lease(handle, 'another replica', 4_000))?.outcome).toBe('leased');
    const before = refreshes();
    expect(await status(browser)).toBe(200);
    expect(await status(browser)).toBe(200);
    expect(refreshes()).toBe(before);
    const present = await original.get(handle);
    // The other replica writes its result and releases the lease.
    await original.replace(handle, present?.version ?? 0, present?.value ?? '');
    await store.release(handle, 'another replica');
    clocks.advance(4_000);
    expect(await status(browser)).toBe(200);
    await until(async () => (await original.lease(handle, 'test', 1))?.outcome === 'leased', 'it has looked');
    expect(refreshes()).toBe(before);
  });

  test('REF-03: loses no tokens when the store fails while they are written', async () => {
    const { browser, handle } = await loggedIn();
    let faults = 2;
    store.replace = async (...tokens) => {
      faults -= 1;
      if (faults >= 0) throw new DependencyFault('store_unavailable', 'away');
      return original.replace(...tokens);
    };
    const version = await versionOf(handle);
    await revalidate(browser);
    // One write keeps the new refresh token, the other notes that the user was confirmed.
    await until(async () => (await versionOf(handle)) === (version ?? 0) + 2, 'both are written');
    Object.assign(store, original);
    // The provider rotates: an old token would end the session.
    await revalidate(browser);
    await until(async () => (await versionOf(handle)) === (version ?? 0) + 4, 'it was confirmed');
    expect(await status(browser)).toBe(200);
  });

  test('REF-13: does not revive a session that was logged out meanwhile', async () => {
    const { browser, handle } = await loggedIn();
    store.replace = async (...tokens) => {
      await stage.gateway.gateway.sessions.end(handle, 'logout');
      return original.replace(...tokens);
    };
    await revalidate(browser);
    await until(async () => (await status(browser)) === 401, 'it has ended');
    expect(await original.get(handle)).toBeNull();
  });
});
