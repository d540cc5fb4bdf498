/**
 * The gateway presents a certificate to an identity provider (RFC 8705): `oidc-provider`, which asks for one at all
 * of its endpoints, or only at their aliases.
 */

import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type Clocks, systemClocks } from '../../../../src/lib/clock.ts';
import { PlainBrowser } from '../../../support/browsers/plain-browser.ts';
import { TestClocks } from '../../../support/clocks.ts';
import { CertificateFiles, type IssuedCertificate, TestAuthority } from '../../../support/issuers/certificates.ts';
import type { IdentityProvider } from '../../../support/providers/identity-provider.ts';
import type { IdentityProviderOptions } from '../../../support/providers/identity-provider-settings.ts';
import { until } from '../../../support/until.ts';
import { ProviderStage, PUBLIC_ORIGIN } from './stage.ts';

const servers = new TestAuthority('Servers');
const clients = new TestAuthority('Clients');

const withTls = (aliases: boolean, more: IdentityProviderOptions = {}): IdentityProviderOptions => ({
  clientAuthentication: 'tls_client_auth',
  ...more,
  tls: { server: servers.issue({ names: ['127.0.0.1'] }), clientAuthority: clients.certificate, aliases },
  client: { tls_client_auth_san_dns: 'shop.example.com', ...more.client },
});

/** A gateway with a certificate, and a provider. */
async function start(
  files: CertificateFiles,
  idp: IdentityProviderOptions,
  client: IssuedCertificate = clients.issue({ names: ['shop.example.com'] }),
  keys: Record<string, unknown> = {},
  clocks: Clocks = systemClocks,
): Promise<ProviderStage> {
  return ProviderStage.start({
    clocks,
    idp,
    provider: {
      clientSecretFile: undefined,
      clientCertificate: files.write('client', client),
      caFile: files.text('ca.pem', servers.certificate),
      ...keys,
    },
  });
}

const browserOf = (stage: ProviderStage) =>
  new PlainBrowser({ origins: { [PUBLIC_ORIGIN]: stage.gateway.port }, ca: servers.certificate });

/** The kinds of requests that came with a certificate, or without one. */
const certifiedRoutes = ({ calls }: IdentityProvider, isCertified = true) =>
  new Set(calls.filter(({ certificate }) => (certificate !== null) === isCertified).map(({ route }) => route));

describe('RFC 8705 §2.1: tls_client_auth', () => {
  test.each([true, false])(
    'authenticates pushed requests, redemption, refresh and revocation; aliases: %s',
    async (aliases) => {
      using files = new CertificateFiles();
      const clocks = TestClocks.atNow();
      await using stage = await start(files, withTls(aliases), undefined, { revalidate: '5m' }, clocks);
      const browser = browserOf(stage);
      await stage.logIn(browser, '/orders?page=2');
      expect(await stage.who(browser)).toMatchObject({ subject: 'corporate|ada', user: { name: 'Ada Lovelace' } });
      clocks.advance(300_000);
      await browser.fetch(`${PUBLIC_ORIGIN}/`);
      await until(() => stage.idp.countOf('token') === 2, 'the provider is asked again');
      const logout = await browser.open(`${PUBLIC_ORIGIN}/auth/logout`);
      await browser.submit(logout);
      await until(() => stage.idp.countOf('revocation') === 1, 'the refresh token is revoked');
      const expected = ['pushed_authorization_request', 'token', 'userinfo', 'revocation'];
      expect([...certifiedRoutes(stage.idp)]).toEqual(expect.arrayContaining(expected));
      expect(expected.filter((route) => certifiedRoutes(stage.idp, false).has(route))).toEqual([]);
      // A browser is not asked for a certificate where there are aliases.
      if (aliases) expect([...certifiedRoutes(stage.idp)]).toHaveLength(expected.length);
      for (const call of stage.idp.calls.filter(({ route }) => route === 'token')) {
        expect(call.parameters).toMatchObject({ client_id: 'shop' });
        expect(call.parameters).not.toHaveProperty('client_secret');
      }
    },
  );

  test.each<[what: string, client: () => IssuedCertificate]>([
    ['from another authority', () => new TestAuthority().issue({ names: ['shop.example.com'] })],
    ['of another client', () => clients.issue({ names: ['another.example.com'] })],
  ])('a certificate %s is refused: 503, and the log says why', async (_what, client) => {
    using files = new CertificateFiles();
    await using stage = await start(files, withTls(true), client());
    const page = await stage.logIn(browserOf(stage));
    expect(page.status).toBe(503);
    expect(stage.lastEvent('login_failed')).toMatchObject({
      note: expect.stringMatching(/pushed authorization request$/),
    });
    expect(stage.gateway.log.records).toContainEqual(
      expect.objectContaining({ msg: 'an identity provider refused a login', error: 'par: invalid_client' }),
    );
  });

  test('a replaced certificate is used after a reload, without a restart', async () => {
    using files = new CertificateFiles();
    await using stage = await start(files, withTls(true));
    await stage.logIn(browserOf(stage));
    files.write('client', clients.issue({ names: ['shop.example.com'], commonName: 'the next' }));
    await stage.gateway.apply(stage.gateway.gateway.config);
    stage.idp.calls.length = 0;
    const browser = browserOf(stage);
    await stage.logIn(browser);
    expect(await stage.who(browser)).toMatchObject({ subject: 'corporate|ada' });
    const presented = new Set(stage.idp.calls.flatMap(({ certificate: subject }) => subject ?? []));
    expect([...presented]).toEqual(['CN=the next']);
  });
});

test('RFC 8705 §2.2: self_signed_tls_client_auth accepts the registered certificate', async () => {
  using files = new CertificateFiles();
  const client = new TestAuthority().issue({ names: ['shop.example.com'] });
  const { publicKey, raw } = new X509Certificate(client.certificate);
  const jwk = { ...publicKey.export({ format: 'jwk' }), x5c: [raw.toString('base64')] };
  const idp = withTls(true, {
    clientAuthentication: 'self_signed_tls_client_auth',
    client: { tls_client_auth_san_dns: undefined, jwks: { keys: [jwk as never] } },
  });
  await using stage = await start(files, idp, client);
  const browser = browserOf(stage);
  await stage.logIn(browser);
  expect(await stage.who(browser)).toMatchObject({ subject: 'corporate|ada' });
});

test('RFC 8705 §3: userinfo accepts an access token bound to the certificate', async () => {
  using files = new CertificateFiles();
  const idp = withTls(true, { client: { tls_client_certificate_bound_access_tokens: true } });
  await using stage = await start(files, idp);
  const browser = browserOf(stage);
  await stage.logIn(browser);
  expect(await stage.who(browser)).toMatchObject({ user: { name: 'Ada Lovelace' } });
});

test('a secret works with a provider that requires a certificate for every connection', async () => {
  using files = new CertificateFiles();
  const idp = withTls(false, {
    clientAuthentication: 'client_secret_basic',
    client: { tls_client_auth_san_dns: undefined },
  });
  const keys = { clientSecretFile: files.text('secret', 'the secret of the shop, as long as it has to be') };
  await using stage = await start(files, idp, undefined, keys);
  const browser = browserOf(stage);
  await stage.logIn(browser);
  expect(await stage.who(browser)).toMatchObject({ subject: 'corporate|ada' });
  // The gateway always presents its certificate, for metadata and keys as well.
  expect([...certifiedRoutes(stage.idp)]).toEqual(expect.arrayContaining(['discovery', 'jwks', 'token']));
});
