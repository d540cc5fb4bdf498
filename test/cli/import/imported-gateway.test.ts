/** A gateway that runs a configuration from `sallyport import oauth2-proxy`, with logins at a real identity provider. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { PlainBrowser } from '../../support/browsers/plain-browser.ts';
import { PUBLIC_ORIGIN, startGateway, type TestGateway } from '../../support/gateway.ts';
import { IdentityProvider } from '../../support/providers/identity-provider.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { cli, temporaryDirectory } from '../support.ts';

/** The redirect URI of oauth2-proxy, as it is registered at the provider. */
const REDIRECT_URI = `${PUBLIC_ORIGIN}/oauth2/callback`;

interface Stage extends AsyncDisposable {
  readonly idp: IdentityProvider;
  readonly upstream: RecordingUpstream;
  readonly gateway: TestGateway;
  browser(headers?: Record<string, string>): PlainBrowser;
}

/** Imports an oauth2-proxy configuration with these lines, validates the result, and starts a gateway with it. */
async function start(lines: string, upstreams: string | null = null): Promise<Stage> {
  const [idp, upstream] = await Promise.all([
    IdentityProvider.start({ redirectUris: [REDIRECT_URI] }),
    RecordingUpstream.start(),
  ]);
  const directory = temporaryDirectory();
  const file = `provider = "keycloak-oidc"
client_id = "${idp.clientId}"
client_secret = "${idp.clientSecret}"
oidc_issuer_url = "${idp.issuer}"
code_challenge_method = "S256"
scope = "openid profile email groups roles"
redirect_url = "${REDIRECT_URI}"
email_domains = ["*"]
upstreams = ["${upstreams ?? `${upstream.origin}/`}"]
http_address = "127.0.0.1:0"
metrics_address = "127.0.0.1:0"
reverse_proxy = true
trusted_proxy_ips = ["127.0.0.1"]
${lines}`;
  writeFileSync(join(directory, 'oauth2-proxy.cfg'), file);
  const argv = ['import', 'oauth2-proxy', '--secrets', join(directory, 'secrets'), 'oauth2-proxy.cfg'];
  const { out } = await cli(argv, { cwd: directory });
  writeFileSync(join(directory, 'sallyport.yaml'), out);
  const checked = await cli(['validate', 'sallyport.yaml'], { cwd: directory });
  expect([checked.code, checked.out]).toEqual([0, checked.out]);
  const config = parse(out) as { listeners: { authorizer?: { address: string } } };
  // The import uses fixed ports where oauth2-proxy has no option.
  if (config.listeners.authorizer !== undefined) config.listeners.authorizer.address = '127.0.0.1:0';
  const gateway = await startGateway({ config });
  return {
    idp,
    upstream,
    gateway,
    browser: (headers = {}) => new PlainBrowser({ origins: { [PUBLIC_ORIGIN]: gateway.port }, headers }),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await idp[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

describe('an imported configuration', () => {
  test('logs people in at the registered redirect URI, sends the headers, and keeps public paths public', async () => {
    await using stage = await start(
      'allowed_groups = ["engineering"]\nskip_auth_routes = ["GET=^/health$"]\npass_access_token = true\n',
    );
    const { idp, upstream } = stage;

    const stranger = stage.browser();
    expect((await stranger.fetch(`${PUBLIC_ORIGIN}/health`)).status).toBe(200);
    expect(upstream.last.values('x-forwarded-user')).toEqual([]);
    expect((await stranger.fetch(`${PUBLIC_ORIGIN}/healthy`)).status).toBe(401);

    // The client's own identity headers are not believed.
    const browser = stage.browser({ 'x-forwarded-user': 'root', X_Forwarded_Groups: 'admins' });
    const page = await idp.logIn(browser, await browser.open(`${PUBLIC_ORIGIN}/orders?page=2`));
    expect([page.status, page.url.href]).toEqual([200, `${PUBLIC_ORIGIN}/orders?page=2`]);
    expect(browser.hops.map(({ url }) => url.origin + url.pathname)).toContain(REDIRECT_URI);
    const cookies = browser.hops
      .flatMap(({ setCookies }) => setCookies)
      .filter((line) => line.startsWith('__Host-sid='));
    expect(cookies).toEqual([expect.stringMatching(/; Max-Age=604800/)]);
    const { last } = upstream;
    expect(last.head).toMatch(/^GET \/orders\?page=2 HTTP/);
    expect(last.values('x-forwarded-user')).toEqual(['ada']);
    expect(last.values('x-forwarded-email')).toEqual(['ada@example.com']);
    expect(last.values('x-forwarded-groups')).toEqual(['engineering']);
    expect(last.values('x-forwarded-preferred-username')).toEqual(['ada']);
    expect(last.values('x-forwarded-access-token')).toEqual([expect.stringMatching(/^[\w.-]{20,}$/)]);
    expect(last.values('x_forwarded_groups')).toEqual([]);
    expect(last.values('authorization')).toEqual([]);
    expect(last.values('cookie').join()).not.toContain('__Host-sid');

    const other = stage.browser();
    const refused = await idp.logIn(other, await other.open(`${PUBLIC_ORIGIN}/orders`), 'grace');
    expect([refused.status, refused.url.pathname]).toEqual([403, '/oauth2/callback']);
    expect((await other.fetch(`${PUBLIC_ORIGIN}/oauth2/session`)).status).toBe(401);
  });

  test('admits a group or a role, and refuses everyone else at the route', async () => {
    await using stage = await start(
      'allowed_groups = ["/staff"]\nallowed_roles = ["admin"]\ninsecure_oidc_allow_unverified_email = true\n',
    );
    const ada = stage.browser();
    const page = await stage.idp.logIn(ada, await ada.open(`${PUBLIC_ORIGIN}/orders`));
    expect([page.status, page.url.pathname]).toEqual([200, '/orders']);
    const grace = stage.browser();
    const refused = await stage.idp.logIn(grace, await grace.open(`${PUBLIC_ORIGIN}/orders`), 'grace');
    expect([refused.status, refused.url.pathname]).toEqual([403, '/orders']);
    expect(stage.upstream.requests).toHaveLength(1);
  });

  test('without a rule, refuses an account with an unverified address, as oauth2-proxy does', async () => {
    await using stage = await start('');
    const ada = stage.browser();
    expect((await stage.idp.logIn(ada, await ada.open(`${PUBLIC_ORIGIN}/`))).status).toBe(200);
    const grace = stage.browser();
    expect((await stage.idp.logIn(grace, await grace.open(`${PUBLIC_ORIGIN}/`), 'grace')).status).toBe(403);
  });

  test('answers a proxy with the same headers as oauth2-proxy', async () => {
    await using stage = await start('set_xauthrequest = true\npass_access_token = true\n', 'static://202');
    const browser = stage.browser();
    // The proxy serves the page after a login; here the gateway has only its own pages.
    await stage.idp.logIn(browser, await browser.open(`${PUBLIC_ORIGIN}/oauth2/login?return_to=%2Foauth2%2Fsession`));
    const cookie = browser.cookies.headerFor(new URL(PUBLIC_ORIGIN), { method: 'GET', initiator: null });
    const ask = (headers: Record<string, string>) =>
      fetch(`http://127.0.0.1:${stage.gateway.portOf('authorizer')}/auth-request`, {
        headers: { 'x-original-method': 'GET', 'x-original-url': `${PUBLIC_ORIGIN}/orders`, ...headers },
      });
    expect((await ask({})).status).toBe(401);
    const { status, headers } = await ask({ cookie });
    expect(status).toBe(200);
    expect(headers.get('x-auth-request-user')).toBe('ada');
    expect(headers.get('x-auth-request-email')).toBe('ada@example.com');
    expect(headers.get('x-auth-request-groups')).toBe('engineering,admins');
    expect(headers.get('x-auth-request-preferred-username')).toBe('ada');
    expect(headers.get('x-auth-request-access-token')).toMatch(/^[\w.-]{20,}$/);
    expect(headers.get('authorization') ?? '').toBe('');
  });
});
