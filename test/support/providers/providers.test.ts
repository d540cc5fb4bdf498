/** What other tests rely on: the identity providers of the tests, and the browser that logs in at them. */

import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CookieJar } from '../browsers/cookie-jar.ts';
import { type Page, PlainBrowser } from '../browsers/plain-browser.ts';
import { HostileProvider } from './hostile-provider.ts';
import { IdentityProvider } from './identity-provider.ts';
import type { IdentityProviderOptions, SigningAlgorithm } from './identity-provider-settings.ts';
import { MISBEHAVIOURS, type MisbehaviourName } from './misbehaviours.ts';

const SHOP = 'https://shop.example.com';
const REDIRECT_URI = `${SHOP}/auth/callback/corporate`;

/** A relying party that records its requests. */
let shop: Server;
const requests: { readonly url: URL; readonly body: URLSearchParams; readonly cookie: string | undefined }[] = [];

beforeAll(async () => {
  shop = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = new URLSearchParams(Buffer.concat(parts).toString());
    requests.push({ url: new URL(request.url ?? '', SHOP), body, cookie: request.headers.cookie });
    const cookies = ['__Host-lax=1; Path=/; Secure; SameSite=Lax', '__Host-none=1; Path=/; Secure; SameSite=None'];
    response.writeHead(200, { 'set-cookie': cookies, 'content-type': 'text/html' }).end('the shop');
  });
  await new Promise<void>((resolve) => shop.listen(0, '127.0.0.1', resolve));
});

afterAll(() => {
  shop.closeAllConnections();
  shop.close();
});

const origins = () => ({ [SHOP]: (shop.address() as AddressInfo).port });

interface AtProvider {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Goes to a provider with an authorization request. */
async function begin(at: AtProvider, browser: PlainBrowser, more: Record<string, string> = {}) {
  const metadata = (await (await fetch(`${at.issuer}/.well-known/openid-configuration`)).json()) as Record<
    string,
    string
  >;
  const verifier = randomBytes(32).toString('base64url');
  const request = new URLSearchParams({
    client_id: at.clientId,
    response_type: 'code',
    redirect_uri: REDIRECT_URI,
    scope: 'openid profile email groups',
    state: 'the-state',
    nonce: 'the-nonce',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  });
  await browser.open(SHOP);
  return { metadata, verifier, page: await browser.open(`${metadata['authorization_endpoint']}?${request}`) };
}

/** Redeems a code, and verifies the ID token. */
async function redeem(
  { issuer, clientId, clientSecret }: AtProvider,
  { metadata, verifier }: { metadata: Record<string, string>; verifier: string },
  code: string,
): Promise<{ claims: JWTPayload; tokens: Record<string, string> }> {
  const credentials = Buffer.from(`${clientId}:${encodeURIComponent(clientSecret)}`).toString('base64');
  const answer = await fetch(metadata['token_endpoint'] ?? '', {
    method: 'POST',
    headers: { authorization: `Basic ${credentials}` },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT_URI,
      code_verifier: verifier,
    }),
  });
  const tokens = (await answer.json()) as Record<string, string>;
  const keys = createRemoteJWKSet(new URL(metadata['jwks_uri'] ?? ''));
  const { payload } = await jwtVerify(tokens['id_token'] ?? '', keys, { issuer, audience: clientId });
  return { claims: payload, tokens };
}

const codeIn = ({ url }: Page) => url.searchParams.get('code') ?? '';

describe('the real provider', () => {
  test.each<[SigningAlgorithm]>([['RS256'], ['PS256'], ['ES256'], ['EdDSA']])(
    'a person logs in on its pages and gets an ID token signed with %s',
    async (idTokenAlgorithm) => {
      await using idp = await IdentityProvider.start({ idTokenAlgorithm });
      const browser = new PlainBrowser({ origins: origins() });
      const begun = await begin(idp, browser);
      const back = await idp.logIn(browser, begun.page);
      expect(back.url.searchParams.get('iss')).toBe(idp.issuer);
      const { claims } = await redeem(idp, begun, codeIn(back));
      expect(claims).toMatchObject({ sub: 'ada', nonce: 'the-nonce', amr: ['pwd'] });
      expect(claims).not.toHaveProperty('email');
    },
  );

  test('follows its settings', async () => {
    const options: IdentityProviderOptions = {
      claimsIn: 'idToken',
      issParameter: false,
      acrValues: ['urn:example:mfa'],
      pushedAuthorizationRequests: 'off',
      backchannelLogout: false,
    };
    await using idp = await IdentityProvider.start(options);
    const browser = new PlainBrowser({ origins: origins() });
    const begun = await begin(idp, browser, { acr_values: 'urn:example:mfa' });
    const back = await idp.logIn(browser, begun.page, 'grace');
    expect(back.url.searchParams.has('iss')).toBe(false);
    const { claims } = await redeem(idp, begun, codeIn(back));
    expect(claims).toMatchObject({ email: 'grace@example.org', acr: 'urn:example:mfa', amr: ['pwd', 'otp'] });
    for (const absent of ['authorization_response_iss_parameter_supported', 'pushed_authorization_request_endpoint']) {
      expect(begun.metadata).not.toHaveProperty(absent);
    }
  });

  test('issues no code after a wrong password or a cancelled login', async () => {
    await using idp = await IdentityProvider.start();
    const browser = new PlainBrowser({ origins: origins() });
    const { page } = await begin(idp, browser);
    const again = await idp.logIn(browser, page, 'ada', 'wrong');
    expect(again.body).toContain('Wrong name or password');
    const back = await idp.cancel(browser, again);
    expect(Object.fromEntries(back.url.searchParams)).toMatchObject({ error: 'access_denied', state: 'the-state' });
  });

  test('form_post is a cross-site request without Lax cookies', async () => {
    await using idp = await IdentityProvider.start();
    const browser = new PlainBrowser({ origins: origins() });
    const { page } = await begin(idp, browser, { response_mode: 'form_post' });
    await idp.logIn(browser, page);
    const last = requests.at(-1);
    expect([last?.body.get('state'), last?.cookie]).toEqual(['the-state', '__Host-none=1']);
  });

  test('sends a logout token to the relying party at a logout', async () => {
    const client = {
      post_logout_redirect_uris: [`${SHOP}/`],
      backchannel_logout_uri: `${SHOP}/back`,
      backchannel_logout_session_required: true,
    };
    await using idp = await IdentityProvider.start({ client, origins: origins() });
    const browser = new PlainBrowser({ origins: origins() });
    const begun = await begin(idp, browser);
    const { tokens } = await redeem(idp, begun, codeIn(await idp.logIn(browser, begun.page)));
    const logout = new URLSearchParams({
      id_token_hint: tokens['id_token'] ?? '',
      post_logout_redirect_uri: `${SHOP}/`,
      state: 'bye',
    });
    const asked = await browser.open(`${begun.metadata['end_session_endpoint']}?${logout}`);
    const done = await idp.confirmLogout(browser, asked);
    expect(done.url.href).toBe(`${SHOP}/?state=bye`);
    expect(requests.some(({ url, body }) => url.pathname === '/back' && body.has('logout_token'))).toBe(true);
  });

  test('approves a device by its user code', async () => {
    await using idp = await IdentityProvider.start({ clientAuthentication: 'none' });
    const begun = await fetch(`${idp.issuer}/device/auth`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: idp.clientId, scope: 'openid' }),
    });
    const device = (await begun.json()) as Record<string, string>;
    await idp.approveDevice(new PlainBrowser(), device['verification_uri'] ?? '', device['user_code'] ?? '');
    const answer = await fetch(`${idp.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        client_id: idp.clientId,
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        device_code: device['device_code'] ?? '',
      }),
    });
    expect(await answer.json()).toHaveProperty('id_token');
  });

  test('answers at the same address after a pause and remembers its sessions', async () => {
    await using idp = await IdentityProvider.start();
    const browser = new PlainBrowser({ origins: origins() });
    await idp.logIn(browser, (await begin(idp, browser)).page);
    await idp.pause();
    await expect(begin(idp, browser)).rejects.toThrow();
    await idp.resume();
    const { page } = await begin(idp, browser);
    expect(page.url.origin).toBe(SHOP);
  });
});

describe('the hostile provider', () => {
  test.each([['query'], ['form_post']])('behaves well until told otherwise (%s)', async (mode) => {
    await using provider = await HostileProvider.start();
    const browser = new PlainBrowser({ origins: origins() });
    const begun = await begin(provider, browser, { response_mode: mode });
    const code = mode === 'query' ? codeIn(begun.page) : (requests.at(-1)?.body.get('code') ?? '');
    const { claims, tokens } = await redeem(provider, begun, code);
    expect(claims).toMatchObject({ sub: 'mallory-1', nonce: 'the-nonce' });
    const userinfo = await fetch(`${provider.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${tokens['access_token']}` },
    });
    expect(await userinfo.json()).toMatchObject({ sub: 'mallory-1' });
    await expect(redeem(provider, begun, code)).rejects.toThrow();
  });

  test('refuses a code with another verifier', async () => {
    await using provider = await HostileProvider.start();
    const begun = await begin(provider, new PlainBrowser({ origins: origins() }));
    await expect(redeem(provider, { ...begun, verifier: 'another' }, codeIn(begun.page))).rejects.toThrow();
  });

  const tokens = Object.entries(MISBEHAVIOURS).flatMap(([name, { claims, header, idToken }]) =>
    claims === undefined && header === undefined && idToken === undefined ? [] : [name as MisbehaviourName],
  );

  test.each(tokens)('%s changes the ID token', async (name) => {
    await using provider = await HostileProvider.start();
    const honest = { ...provider.user, iss: provider.issuer, aud: provider.clientId, acr: 'x', nonce: 'n' };
    const times = { iat: provider.nowSec, exp: provider.nowSec + 300, auth_time: provider.nowSec };
    expect(provider.idToken({ ...honest, ...times }, MISBEHAVIOURS[name])).not.toBe(
      provider.idToken({ ...honest, ...times }),
    );
  });
});

describe('the cookie jar', () => {
  const AT = new URL('https://shop.example.com/auth/login');
  const jarWith = (line: string) => {
    const jar = new CookieJar(() => 1_800_000_000_000);
    jar.store(line, AT);
    return jar;
  };
  const typed = { method: 'GET', initiator: null };
  const link = { method: 'GET', initiator: new URL('https://evil.example/') };
  const form = { method: 'POST', initiator: new URL('https://evil.example/') };

  test.each([
    ['__Host-a=1; Path=/', 'not Secure'],
    ['__Host-a=1; Secure; Path=/auth', 'another path'],
    ['__Host-a=1; Secure; Path=/; Domain=example.com', 'a domain'],
    ['a=1; Domain=evil.example', 'a foreign domain'],
    ['a=1; SameSite=None', 'None without Secure'],
    [`a=${'x'.repeat(4_096)}`, 'too long'],
    ['a=1; Max-Age=0', 'expired'],
  ])('RFC 6265bis: %s is refused: %s', (line) => {
    expect(jarWith(line).headerFor(AT, typed)).toBe('');
  });

  test.each([
    ['a=1; Secure; Path=/; SameSite=Strict', 'a=1', '', ''],
    ['a=1; Secure; Path=/; SameSite=Lax', 'a=1', 'a=1', ''],
    ['a=1; Secure; Path=/', 'a=1', 'a=1', ''],
    ['a=1; Secure; Path=/; SameSite=None', 'a=1', 'a=1', 'a=1'],
    ['a=1; Path=/auth', 'a=1', 'a=1', ''],
    ['a=1; Path=/other', '', '', ''],
  ])('RFC 6265bis: %s is sent when typed, by a foreign link, by a foreign form: %o %o %o', (line, ...sent) => {
    const jar = jarWith(line);
    expect([typed, link, form].map((how) => jar.headerFor(AT, how))).toEqual(sent);
  });

  test('sends a cookie to sub-domains only if it names a domain', () => {
    const below = new URL('https://api.shop.example.com/');
    expect(jarWith('a=1; Secure; Path=/; Domain=example.com').headerFor(below, typed)).toBe('a=1');
    expect(jarWith('a=1; Secure; Path=/').headerFor(below, typed)).toBe('');
  });
});
