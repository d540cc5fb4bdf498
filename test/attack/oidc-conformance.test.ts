/**
 * The relying party plans of the OpenID conformance suite, module by module, under the names that the suite uses: Basic, Form
 * Post, Configuration, Refresh Token, RP-Initiated, Front-Channel and Back-Channel Logout, and the modules of the general plans
 * that concern the code flow. Where a module lets a client either refuse or cope, the test says what the gateway does.
 * `coverage.test.ts` lists the plans and modules.
 */

import { describe, expect, test } from 'vitest';
import type { Page } from '../support/browsers/plain-browser.ts';
import { TestClocks } from '../support/clocks.ts';
import { HOST, PUBLIC_ORIGIN } from '../support/gateway.ts';
import { encode, forge, hs256 } from '../support/issuers/forger.ts';
import type { Misbehaviour } from '../support/providers/misbehaviour.ts';
import type { MisbehaviourName } from '../support/providers/misbehaviours.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { until } from '../support/until.ts';
import { OidcStage, type OidcStageOptions, type Refusal } from './oidc-stage.ts';

type Module = readonly [name: string, misbehaviour: MisbehaviourName | undefined, outcome: Refusal | 'logged in'];

const invalid = (note: RegExp): Refusal => ({ reason: 'login_response_invalid', note });

/** Refused, or accepted, in every response mode. */
const MODULES: readonly Module[] = [
  ['oidcc-client-test', undefined, 'logged in'],
  ['oidcc-client-test-invalid-iss', 'iss-wrong', invalid(/iss/)],
  ['oidcc-client-test-missing-sub', 'sub-missing', invalid(/sub/)],
  ['oidcc-client-test-invalid-aud', 'aud-wrong', invalid(/aud/)],
  ['oidcc-client-test-missing-aud', 'aud-missing', invalid(/aud/)],
  ['oidcc-client-test-missing-iat', 'iat-missing', invalid(/iat/)],
  ['oidcc-client-test-kid-absent-single-jwks', 'kid-missing-one-key', 'logged in'],
  ['oidcc-client-test-kid-absent-multiple-jwks', 'kid-missing-several-keys', invalid(/ID token: /)],
  ['oidcc-client-test-idtoken-sig-rs256', undefined, 'logged in'],
  ['oidcc-client-test-idtoken-sig-none', 'alg-none', invalid(/./)],
  ['oidcc-client-test-invalid-sig-rs256', 'signature-wrong', invalid(/signature/)],
  ['oidcc-client-test-invalid-sig-hs256', 'hs256-with-client-secret', invalid(/./)],
  ['oidcc-client-test-userinfo-invalid-sub', 'userinfo-sub-wrong', invalid(/^userinfo: /)],
  ['oidcc-client-test-nonce-invalid', 'nonce-wrong', invalid(/nonce/)],
  ['oidcc-client-test-invalid-athash', 'at-hash-wrong', invalid(/at_hash/)],
  ['oidcc-client-test-missing-athash', undefined, 'logged in'],
  ['oidcc-client-test-ignores-unparseable-key-in-jwks', 'key-set-with-strange-keys', 'logged in'],
];

const USERINFO = { userinfo: true };

async function play({ misbehaviour, ...options }: OidcStageOptions, outcome: Refusal | 'logged in'): Promise<void> {
  const keys = { ...USERINFO, ...options.provider };
  await using stage = await OidcStage.start({ ...options, ...(misbehaviour && { misbehaviour }), provider: keys });
  const browser = stage.browser();
  const page = await stage.logIn(browser);
  if (outcome === 'logged in') await stage.isLoggedIn(browser, page);
  else await stage.isRefused(browser, page, outcome);
}

describe.each([
  ['oidcc-client-basic-certification-test-plan', 'query'],
  ['oidcc-client-formpost-basic-certification-test-plan', 'formPost'],
])('%s', (_plan, responseMode) => {
  const inMode = { responseMode };

  test.each(MODULES)('%s: %s', async (_name, misbehaviour, outcome) => {
    await play({ ...(misbehaviour && { misbehaviour }), provider: inMode }, outcome);
  });

  test('oidcc-client-test-scope-userinfo-claims: claims of userinfo reach the session', async () => {
    await using stage = await OidcStage.start({
      provider: { ...inMode, ...USERINFO, attributes: { nick: 'nickname' } },
    });
    stage.provider.user = { ...stage.provider.user, nickname: 'Mal' };
    const browser = stage.browser();
    await stage.isLoggedIn(browser, await stage.logIn(browser));
    const { user } = JSON.parse((await browser.fetch(`${PUBLIC_ORIGIN}/auth/session`)).body) as { user: object };
    expect(user).toMatchObject({ nick: 'Mal' });
  });

  test.each([
    ['oidcc-client-test-client-secret-basic', 'basic', true],
    ['oidcc-client-test-client-secret-post', 'post', false],
  ])('%s: the client authenticates by %s only', async (_name, clientAuthentication, isInHeader) => {
    await using stage = await OidcStage.start({ provider: { ...inMode, clientAuthentication } });
    await stage.logIn(stage.browser());
    const call = stage.provider.calls.find(({ endpoint }) => endpoint === 'token');
    expect(call?.headers.authorization?.startsWith('Basic ') ?? false).toBe(isInHeader);
    expect(call?.parameters.has('client_secret')).toBe(!isInHeader);
  });

  test('oidcc-client-test-userinfo-bearer-header: the access token is in the header only', async () => {
    await using stage = await OidcStage.start({ provider: { ...inMode, ...USERINFO } });
    await stage.logIn(stage.browser());
    const call = stage.provider.calls.find(({ endpoint }) => endpoint === 'userinfo');
    expect(call?.headers.authorization).toMatch(/^Bearer [A-Za-z0-9_-]+$/);
    expect([...(call?.parameters.keys() ?? ['none'])]).toEqual([]);
  });

  test('oidcc-client-test-nonce: every authorization request has the scope openid and a fresh state and nonce', async () => {
    await using stage = await OidcStage.start({ provider: inMode });
    const browser = stage.browser();
    await browser.open(`${PUBLIC_ORIGIN}/auth/login?provider=corporate`);
    await stage.browser().open(`${PUBLIC_ORIGIN}/auth/login?provider=corporate`);
    const requests = stage.provider.calls.filter(({ endpoint }) => endpoint === 'authorize');
    expect(requests).toHaveLength(2);
    for (const name of ['state', 'nonce']) {
      expect(new Set(requests.map(({ parameters }) => parameters.get(name))).size, name).toBe(2);
    }
    expect(requests[0]?.parameters.get('scope')?.split(' ')).toContain('openid');
  });

  test('oidcc-client-test-formpost-error: an error is explained on a page with a way to continue', async () => {
    await play(
      { misbehaviour: 'access-denied', provider: inMode },
      { reason: 'login_declined', note: /access_denied/ },
    );
  });
});

describe('oidcc-client-config-certification-test-plan', () => {
  test('oidcc-client-test-discovery-openid-config: metadata are fetched from the issuer', async () => {
    await using stage = await OidcStage.start();
    await stage.logIn(stage.browser());
    expect(stage.provider.countOf('discovery')).toBeGreaterThan(0);
  });

  test('oidcc-client-test-discovery-jwks-uri-keys: keys are fetched from jwks_uri', async () => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    await stage.isLoggedIn(browser, await stage.logIn(browser));
    expect(stage.provider.countOf('keys')).toBeGreaterThan(0);
  });

  test('oidcc-client-test-discovery-issuer-mismatch: metadata of another issuer are refused', async () => {
    await play({ misbehaviour: 'discovery-issuer-other' }, { reason: 'provider_unavailable' });
  });

  test('oidcc-client-test-idtoken-sig-none: an unsigned ID token is refused', async () => {
    await play({ misbehaviour: 'alg-none' }, invalid(/./));
  });

  // An unknown key causes at most one fetch in ten seconds.
  test('oidcc-client-test-signing-key-rotation: a login after a key rotation succeeds', async () => {
    const clocks = TestClocks.atNow();
    await using stage = await OidcStage.start({ clocks });
    const [before, after] = [stage.browser(), stage.browser()];
    await stage.isLoggedIn(before, await stage.logIn(before));
    stage.provider.rotateKey();
    clocks.advance(10_000);
    await stage.isLoggedIn(after, await stage.logIn(after));
  });

  test('oidcc-client-test-signing-key-rotation-just-before-signing: a key that was rotated during a login is fetched', async () => {
    const clocks = TestClocks.atNow();
    await using stage = await OidcStage.start({ clocks });
    const browser = stage.browser();
    const answer = await stage.answer(browser);
    clocks.advance(10_000);
    stage.provider.rotateKey();
    await stage.isLoggedIn(browser, await browser.open(answer));
  });
});

/** Not part of the certification. A session follows what its provider answers to `revalidate`. */
describe('oidcc-client-refreshtoken-test-plan', () => {
  test.each<[module: string, misbehaviour: MisbehaviourName | undefined, outcome: string, user: string | null]>([
    ['oidcc-client-test-refresh-token', undefined, 'changed', 'Mallory II'],
    ['oidcc-client-test-refresh-token-invalid-issuer', 'refresh-iss-wrong', 'failed', 'Mallory'],
    ['oidcc-client-test-refresh-token-invalid-aud', 'refresh-aud-wrong', 'failed', 'Mallory'],
    ['oidcc-client-test-refresh-token-invalid-sub', 'refresh-sub-wrong', 'ended', null],
  ])('%s: %s', async (_module, misbehaviour, outcome, user) => {
    const clocks = new TestClocks();
    await using stage = await OidcStage.start({ clocks, provider: { ...USERINFO, revalidate: '5m' } });
    const { provider } = stage;
    provider.user = { ...provider.user, name: 'Mallory' };
    const browser = stage.browser();
    await stage.logIn(browser);
    provider.user = { ...provider.user, name: 'Mallory II' };
    if (misbehaviour !== undefined) provider.misbehave(misbehaviour);
    clocks.advance(300_000);
    await browser.fetch(`${PUBLIC_ORIGIN}/`);
    const counted = `provider_refreshes_total{provider="corporate",outcome="${outcome}"} 1\n`;
    await until(async () => (await stage.gateway.metrics.text()).includes(counted), outcome);
    // After an invalid answer, userinfo is not requested.
    const asked = provider.calls.filter(({ endpoint }) => endpoint === 'userinfo').length;
    expect(asked).toBe(misbehaviour === undefined ? 2 : 1);
    const { status, body } = await browser.fetch(`${PUBLIC_ORIGIN}/auth/session?prolong=no`);
    const session = status === 200 ? (JSON.parse(body) as { readonly user: { readonly name: string } }) : null;
    expect(session?.user.name ?? null).toBe(user);
  });
});

describe('oidcc-client-back-channel-logout-rp-basic', () => {
  const changed = (claims: object): Misbehaviour => ({ claims: (honest) => ({ ...honest, ...claims }) });
  const unsigned: Misbehaviour = { idToken: (head, body) => `${encode({ ...head, alg: 'none' })}.${encode(body)}.` };
  const symmetric: Misbehaviour = {
    idToken: (head, body, { clientSecret }) => forge({ ...head, alg: 'HS256' }, body, hs256(clientSecret)),
  };

  test.each<[name: string, change: Misbehaviour | undefined, status: number]>([
    ['oidcc-client-test-rp-backchannel-rpinitlogout', undefined, 200],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-alg-none', unsigned, 400],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-no-event', changed({ events: undefined }), 400],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-with-nonce', changed({ nonce: 'a nonce' }), 400],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg', symmetric, 400],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-wrong-aud', changed({ aud: 'another-shop' }), 400],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-wrong-event', changed({ events: { 'urn:another': {} } }), 400],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-wrong-iss', changed({ iss: 'https://evil.example' }), 400],
  ])('%s', async (_name, change, status) => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    await stage.isLoggedIn(browser, await stage.logIn(browser));
    const body = `logout_token=${stage.provider.logoutToken({ sid: 'session-1', sub: 'mallory-1' }, change)}`;
    const head = requestHead('POST', '/auth/backchannel-logout/corporate', [
      HOST,
      'Content-Type: application/x-www-form-urlencoded',
      `Content-Length: ${body.length}`,
    ]);
    const answer = await rawRequest(stage.gateway.port, head + body);
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([status, 'no-store']);
    const session = await browser.fetch(`${PUBLIC_ORIGIN}/auth/session`);
    expect(session.status).toBe(status === 200 ? 401 : 200);
  });
});

/** A user who is logged in, with logouts that continue at the provider. */
async function beforeLogout(misbehaviour?: MisbehaviourName) {
  const stage = await OidcStage.start({
    ...(misbehaviour && { misbehaviour }),
    provider: { logoutAtProvider: true, frontchannelLogout: true },
  });
  const browser = stage.browser();
  await stage.isLoggedIn(browser, await stage.logIn(browser));
  const isLoggedIn = async () => (await browser.fetch(`${PUBLIC_ORIGIN}/auth/session`)).status === 200;
  return {
    stage,
    isLoggedIn,
    /** Presses the button and follows the refresh of our page to the provider. */
    logOut: async () => {
      const page = await browser.submit(await browser.open(`${PUBLIC_ORIGIN}/auth/logout`), {}, '/auth/logout');
      expect([page.status, await isLoggedIn()]).toEqual([200, false]);
      return browser.open(`${page.headers['refresh']}`.replace('0; url=', ''), page);
    },
    /** Follows the link on a page of the provider. */
    followLink: (page: Page) =>
      browser.open(/<a href="([^"]*)"/.exec(page.body)?.[1]?.replaceAll('&amp;', '&') ?? '', page),
    /** Loads the frame on a page of the provider: browsers do not send our cookies with it. */
    loadFrame: ({ body }: Page) => {
      const { pathname, search } = new URL(/<iframe src="([^"]*)"/.exec(body)?.[1]?.replaceAll('&amp;', '&') ?? '');
      const lines = [HOST, 'Sec-Fetch-Dest: iframe', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Site: cross-site'];
      return rawRequest(stage.gateway.port, requestHead('GET', pathname + search, lines));
    },
    /** How many logouts have come back with their state. */
    returned: async () =>
      Number(
        /provider_logouts_total\{provider="corporate",step="returned"\} (\d+)/.exec(
          await stage.gateway.metrics.text(),
        )?.[1],
      ),
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

const LOGGED_OUT = `${PUBLIC_ORIGIN}/auth/logged-out`;
const FRONTCHANNEL = `${PUBLIC_ORIGIN}/auth/frontchannel-logout/corporate`;

describe('oidcc-client-rp-initiated-logout-rp-basic', () => {
  test.each<[name: string, misbehaviour: MisbehaviourName | undefined, returned: number]>([
    ['oidcc-client-test-rp-init-logout', undefined, 1],
    ['oidcc-client-test-rp-init-logout-other-state', 'logout-state-other', 0],
    ['oidcc-client-test-rp-init-logout-no-state', 'logout-state-missing', 0],
  ])('%s: the session ends first, and any answer leads to our page', async (_name, misbehaviour, returned) => {
    await using it = await beforeLogout(misbehaviour);
    const { provider } = it.stage;
    const page = await it.logOut();
    expect([page.status, page.url.origin + page.url.pathname]).toEqual([200, LOGGED_OUT]);
    expect(page.body).toContain('You are logged out');
    const [asked] = provider.calls.filter(({ endpoint }) => endpoint === 'end-session');
    expect(Object.fromEntries(asked?.parameters ?? [])).toEqual({
      client_id: provider.clientId,
      id_token_hint: provider.idTokens.at(-1),
      post_logout_redirect_uri: LOGGED_OUT,
      state: expect.stringMatching(/^[\w-]{43}$/),
    });
    expect(await it.returned()).toBe(returned);
    expect(await it.isLoggedIn()).toBe(false);
  });
});

describe('oidcc-client-front-channel-logout-rp-basic', () => {
  test('oidcc-client-test-rp-frontchannel-rpinitlogout: a frame of the provider is answered even after a logout here', async () => {
    await using it = await beforeLogout();
    it.stage.provider.frontchannelLogoutUri = FRONTCHANNEL;
    const page = await it.logOut();
    expect((await it.loadFrame(page)).status).toBe(200);
    const last = await it.followLink(page);
    expect([last.status, last.url.origin + last.url.pathname, await it.returned()]).toEqual([200, LOGGED_OUT, 1]);
  });

  // In no plan of the suite.
  test('oidcc-client-test-rp-frontchannel-opinitlogout: a frame of the provider ends the session', async () => {
    await using it = await beforeLogout();
    it.stage.provider.frontchannelLogoutUri = FRONTCHANNEL;
    const page = await it.stage.browser().open(`${it.stage.provider.issuer}/end-session`);
    expect(await it.isLoggedIn()).toBe(true);
    expect((await it.loadFrame(page)).status).toBe(200);
    expect(await it.isLoggedIn()).toBe(false);
  });
});
