/** Logins with different kinds of providers. */

import { generateKeyPairSync, hash, X509Certificate } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { PlainBrowser } from '../../../support/browsers/plain-browser.ts';
import { startGateway } from '../../../support/gateway.ts';
import { CertificateFiles, TestAuthority } from '../../../support/issuers/certificates.ts';
import { Files } from '../fixture.ts';
import { CodeHost } from './code-host.ts';
import { ProviderStage, PUBLIC_ORIGIN } from './stage.ts';

const ADA = { subject: 'corporate|ada', user: { name: 'Ada Lovelace', email: 'ada@example.com' } };

describe('an OpenID provider', () => {
  test.each(['RS256', 'PS256', 'ES256', 'EdDSA'] as const)('may sign ID tokens with %s', async (idTokenAlgorithm) => {
    await using stage = await ProviderStage.start({ idp: { idTokenAlgorithm } });
    const browser = stage.browser();
    await stage.logIn(browser);
    expect(await stage.who(browser)).toMatchObject(ADA);
  });

  test('may put claims in the ID token, so that userinfo is not called', async () => {
    await using stage = await ProviderStage.start({
      idp: { claimsIn: 'idToken' },
      provider: { userinfo: false, roles: 'realm_access.roles', scopes: ['openid', 'profile', 'email', 'roles'] },
    });
    const browser = stage.browser();
    await stage.logIn(browser);
    expect(await stage.who(browser)).toMatchObject({ user: { ...ADA.user, roles: ['customer', 'admin'] } });
    expect(stage.idp.countOf('userinfo')).toBe(0);
  });

  test('accepts an assertion signed with a key instead of a secret', async () => {
    await using files = new Files();
    await using stage = await ProviderStage.start({
      idp: { clientAuthentication: 'private_key_jwt' },
      provider: async (idp) => ({
        clientSecretFile: undefined,
        clientAssertion: {
          keyFile: await files.write(
            'key.pem',
            idp.clientKey.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
          ),
          keyId: 'client-key',
        },
      }),
    });
    const browser = stage.browser();
    await stage.logIn(browser);
    expect(await stage.who(browser)).toMatchObject(ADA);
  });

  test('finds the assertion’s key by its certificate', async () => {
    using files = new CertificateFiles();
    const pair = new TestAuthority().issue({ names: ['shop.example.com'] });
    const { publicKey, raw } = new X509Certificate(pair.certificate);
    await using stage = await ProviderStage.start({
      idp: {
        clientAuthentication: 'private_key_jwt',
        client: { jwks: { keys: [publicKey.export({ format: 'jwk' }) as never] } },
      },
      provider: { clientSecretFile: undefined, clientAssertion: files.write('client', pair) },
    });
    const browser = stage.browser();
    await stage.logIn(browser);
    expect(await stage.who(browser)).toMatchObject(ADA);
    const [sent] = stage.idp.calls.filter(({ route }) => route === 'token');
    const header = decodeProtectedHeader(String(sent?.parameters['client_assertion']));
    expect(header).toMatchObject({ alg: 'ES256', 'x5t#S256': hash('sha256', raw, 'base64url') });
  });

  test('that refuses the gateway’s key leads to a 503, and the log says why', async () => {
    await using files = new Files();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keyFile = await files.write('key.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    await using stage = await ProviderStage.start({
      idp: { clientAuthentication: 'private_key_jwt', pushedAuthorizationRequests: 'off' },
      provider: () => ({ clientSecretFile: undefined, clientAssertion: { keyFile, keyId: 'client-key' } }),
    });
    const page = await stage.logIn(stage.browser());
    expect(page.status).toBe(503);
    expect(stage.lastEvent('login_failed')).toMatchObject({ note: 'identity provider: it refuses this client' });
    expect(stage.gateway.log.records).toContainEqual(
      expect.objectContaining({ msg: 'an identity provider refused a login', error: 'invalid_client' }),
    );
  });

  test.each(['lax', 'strict'])(
    'OIDC-15: may answer with a form when the session cookie is SameSite=%s',
    async (sameSite) => {
      await using stage = await ProviderStage.start({
        provider: { responseMode: 'formPost' },
        config: { session: { cookie: { sameSite } } },
      });
      const browser = stage.browser();
      const back = await stage.logIn(browser, '/orders?page=2');
      const posted = browser.hops.find(({ method, url }) => method === 'POST' && url.origin === PUBLIC_ORIGIN);
      expect(posted?.url.pathname).toBe('/auth/callback/corporate');
      const lines = browser.hops.flatMap(({ setCookies }) => setCookies.filter((it) => it.startsWith('__Host-login-')));
      expect(lines[0]).toContain('; SameSite=None;');
      if (sameSite === 'strict') {
        expect(back.headers['refresh']).toBe('0; url=/orders?page=2');
        await browser.open(new URL('/orders?page=2', PUBLIC_ORIGIN), back);
      } else {
        expect(back.url.href).toBe(`${PUBLIC_ORIGIN}/orders?page=2`);
      }
      expect(await stage.who(browser)).toMatchObject(ADA);
    },
  );

  test('OIDC-18: is refused when it answers in another response mode', async () => {
    await using stage = await ProviderStage.start({ provider: { responseMode: 'formPost' } });
    const browser = stage.browser();
    await browser.open(`${PUBLIC_ORIGIN}/orders`);
    const page = await browser.open(`${PUBLIC_ORIGIN}/auth/callback/corporate?code=x&state=${'A'.repeat(43)}`);
    expect(page.status).toBe(400);
    expect(stage.lastEvent('login_failed')).toMatchObject({ note: 'response_mode is not the one that was asked for' });
  });

  test('gets prompt=login when a user switches accounts', async () => {
    await using stage = await ProviderStage.start({ idp: { pushedAuthorizationRequests: 'off' } });
    const browser = stage.browser();
    await stage.logIn(browser);
    const page = await browser.open(`${PUBLIC_ORIGIN}/auth/login?provider=corporate&switch=1&return_to=%2Forders`);
    expect(stage.idp.shows(page)).toBe(true);
    const asked = browser.hops.find(({ url }) => url.searchParams.get('prompt') === 'login');
    expect(asked?.url.searchParams.get('response_type')).toBe('code');
    await stage.idp.logIn(browser, page, 'grace');
    expect(await stage.who(browser)).toMatchObject({ subject: 'corporate|grace' });
    // The previous session has ended.
    expect(await stage.gateway.gateway.sessions.list('corporate|ada')).toEqual([]);
  });
});

describe('a plain OAuth 2.0 provider', () => {
  async function start(host: CodeHost, files: Files, keys: Record<string, unknown> = {}) {
    return startGateway({
      config: {
        login: {
          oidc: [
            {
              name: 'code',
              preset: 'github',
              endpoints: host.endpoints,
              clientId: host.clientId,
              clientSecretFile: await files.write('secret', host.clientSecret),
              groups: 'orgs[].login',
              ...keys,
            },
          ],
        },
      },
    });
  }

  test('identifies the user by userinfo and other documents, with the verified email address', async () => {
    await using files = new Files();
    await using host = await CodeHost.start();
    await using gateway = await start(host, files, { allow: { groups: ['example'], emailDomains: ['example.com'] } });
    const browser = new PlainBrowser({ origins: { [PUBLIC_ORIGIN]: gateway.port } });
    const page = await browser.open(`${PUBLIC_ORIGIN}/auth/login?return_to=%2Fauth%2Fsession`);
    expect(JSON.parse(page.body)).toMatchObject({
      subject: 'code|583231',
      user: { login: 'octocat', name: 'The Octocat', email: 'octocat@example.com', groups: ['example'] },
    });
    expect(Object.fromEntries(host.asked)).toMatchObject({
      scope: 'read:user user:email',
      code_challenge_method: 'S256',
    });
    expect([...host.asked.keys()]).not.toContain('nonce');
  });

  test.each([
    [
      'allow.emailDomains: no verified email address',
      { emails: [{ email: 'a@example.com', primary: true, verified: false }] },
    ],
    ['allow.emailDomains: no verified email address', { emails: undefined }],
    ['allow.groups: in none of them', { orgs: [{ login: 'another' }] }],
    ['no usable claim for the subject', { user: { login: 'octocat' } }],
    ['userinfo: not a JSON object', { user: ['octocat'] }],
  ])('a login is refused: %s', async (note, changed) => {
    await using files = new Files();
    await using host = await CodeHost.start();
    Object.assign(host, changed);
    await using gateway = await start(host, files, { allow: { groups: ['example'], emailDomains: ['example.com'] } });
    const browser = new PlainBrowser({ origins: { [PUBLIC_ORIGIN]: gateway.port } });
    const page = await browser.open(`${PUBLIC_ORIGIN}/orders`);
    expect(page.url.pathname).toBe('/auth/callback/code');
    expect(gateway.audit.records.findLast(({ event }) => event === 'login_failed')).toMatchObject({ note });
  });
});
