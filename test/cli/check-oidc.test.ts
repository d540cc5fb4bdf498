/** `sallyport check oidc` against a real identity provider, and against one with every fault. */

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { Finding } from '../../src/cli/check/finding.ts';
import { runCli } from '../../src/cli/run.ts';
import { type Clocks, systemClocks } from '../../src/lib/clock.ts';
import { PlainBrowser } from '../support/browsers/plain-browser.ts';
import { CertificateFiles, TestAuthority } from '../support/issuers/certificates.ts';
import { HostileProvider } from '../support/providers/hostile-provider.ts';
import { IdentityProvider } from '../support/providers/identity-provider.ts';
import type { IdentityProviderOptions } from '../support/providers/identity-provider-settings.ts';
import { cli, temporaryDirectory } from './support.ts';

interface AskedProvider {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

interface Setup {
  readonly keys?: Record<string, unknown>;
  readonly secret?: string;
  readonly origins?: readonly string[];
  /** `login.origin`. */
  readonly loginOrigin?: string;
  readonly clocks?: Clocks;
  readonly stdin?: PassThrough;
  /** Called with the address of the login that the user is asked to open. */
  readonly onAddress?: (address: string) => void;
}

/** Runs the command against a provider. */
async function check(provider: AskedProvider, setup: Setup = {}, argv: readonly string[] = ['corporate', '--json']) {
  const directory = temporaryDirectory();
  const secretFile = join(directory, 'secret');
  writeFileSync(secretFile, setup.secret ?? provider.clientSecret, { mode: 0o600 });
  const entry = {
    name: 'corporate',
    issuer: provider.issuer,
    clientId: provider.clientId,
    clientSecretFile: secretFile,
  };
  const config = {
    version: 1,
    publicOrigin: setup.origins ?? ['https://shop.example.com'],
    listeners: { public: { address: '127.0.0.1:8080', trustedProxies: ['127.0.0.1'] } },
    login: {
      oidc: [{ ...entry, ...setup.keys }],
      password: { usersFile: 'not-there.yaml' },
      ...(setup.loginOrigin !== undefined && { origin: setup.loginOrigin }),
    },
    upstreams: { shop: { endpoints: ['http://127.0.0.1:3000'] } },
    routes: [{ id: 'shop', match: { path: '/' }, credential: 'session', upstream: 'shop' }],
  };
  writeFileSync(join(directory, 'sallyport.yaml'), JSON.stringify(config));
  const { clocks = systemClocks } = setup;
  const { stdin, onAddress } = setup;
  if (stdin === undefined) return cli(['check', 'oidc', ...argv], { cwd: directory, clocks });
  let [out, err] = ['', ''];
  const code = await runCli(['check', 'oidc', ...argv], {
    stdin,
    stdout: { write: (text) => (out += text) },
    stderr: {
      write: (text) => {
        err += text;
        const address = /^http\S+$/m.exec(text)?.[0];
        if (address !== undefined) onAddress?.(address);
      },
    },
    env: {},
    cwd: directory,
    clocks,
    startedAtMs: 0,
  });
  return { code, out, err };
}

/** The findings about something. */
async function findings(provider: AskedProvider, about: string, setup: Setup = {}): Promise<readonly Finding[]> {
  const { out, err } = await check(provider, setup);
  if (out === '') throw new Error(err);
  const report = JSON.parse(out) as { findings: readonly Finding[] };
  return report.findings.filter((finding) => finding.about === about);
}

const failed = (text: RegExp) => [expect.objectContaining({ verdict: 'failure', text: expect.stringMatching(text) })];
const fine = [expect.objectContaining({ verdict: 'ok' })];

describe('a suitable provider', () => {
  test.each<IdentityProviderOptions>([{}, { pushedAuthorizationRequests: 'off' }])(
    'with %j passes',
    async (options) => {
      await using idp = await IdentityProvider.start(options);
      const { code, out, err } = await check(idp);
      const { usable, findings: all } = JSON.parse(out) as { usable: boolean; findings: readonly Finding[] };
      expect([code, err, usable]).toEqual([0, '', true]);
      expect(all.filter(({ verdict }) => verdict === 'failure' || verdict === 'warning')).toEqual([]);
      for (const about of [
        'issuer',
        'PKCE',
        'ID token',
        'client',
        'scopes',
        'keys',
        'clock',
        'redirect URI',
        'credential',
      ])
        expect(all.filter((finding) => finding.about === about)).toEqual(fine);
    },
  );

  test('is reported in lines, without a secret and without a login', async () => {
    await using idp = await IdentityProvider.start();
    const { code, out } = await check(idp, {}, ['corporate']);
    expect(code).toBe(0);
    expect(out).toMatch(/^ok +redirect URI +https:\/\/shop\.example\.com\/auth\/callback\/corporate is registered$/m);
    expect(out).toMatch(/^corporate: no setting prevents logins\n$/m);
    expect(out).not.toContain(idp.clientSecret);
    expect(idp.countOf('userinfo')).toBe(0);
  });
});

describe('a redirect URI', () => {
  test.each(['off', 'offered'] as const)('that is not registered is reported, pushed requests %s', async (par) => {
    await using idp = await IdentityProvider.start({ pushedAuthorizationRequests: par });
    const found = await findings(idp, 'redirect URI', {
      origins: ['https://shop.example.com', 'https://admin.example.com'],
    });
    expect(found).toEqual([...fine, ...failed(/^https:\/\/admin\.example\.com\/auth\/callback\/corporate/)]);
  });

  test('needs registration only for the login origin, if there is one', async () => {
    await using idp = await IdentityProvider.start();
    const origins = ['https://admin.example.com', 'https://shop.example.com'];
    const loginOrigin = 'https://shop.example.com';
    expect(await findings(idp, 'redirect URI', { origins, loginOrigin })).toEqual(fine);
  });

  test('is checked with formPost as well', async () => {
    await using idp = await IdentityProvider.start();
    expect(await findings(idp, 'redirect URI', { keys: { responseMode: 'formPost' } })).toEqual(fine);
  });

  test('cannot be checked at a provider that always shows a page', async () => {
    await using server = await pageServer();
    const keys = {
      issuer: undefined,
      endpoints: { authorization: `${server.origin}/a`, token: `${server.origin}/t`, userinfo: `${server.origin}/u` },
    };
    const [found] = await findings({ issuer: '', clientId: 'shop', clientSecret: 'x'.repeat(32) }, 'redirect URI', {
      keys,
    });
    expect(found).toMatchObject({ verdict: 'warning', text: expect.stringContaining('without a login') });
  });
});

test.each(['off', 'offered'] as const)('a wrong secret is reported, pushed requests %s', async (par) => {
  await using idp = await IdentityProvider.start({ pushedAuthorizationRequests: par });
  const secret = 'the secret of someone else, as long as it has to be';
  expect(await findings(idp, 'credential', { secret })).toEqual(failed(/invalid_client/));
});

test.each(['off', 'offered'] as const)(
  'a scope that the client may not request is reported, pushed requests %s',
  async (par) => {
    await using idp = await IdentityProvider.start({ pushedAuthorizationRequests: par, client: { scope: 'openid' } });
    expect(await findings(idp, 'redirect URI')).toEqual(failed(/invalid_scope/));
  },
);

describe('metadata', () => {
  test.each<[about: string, metadata: Record<string, unknown>, keys: Record<string, unknown>, text: RegExp]>([
    ['issuer', { issuer: 'https://elsewhere.example.com' }, {}, /another issuer: they say https:\/\/elsewhere/],
    ['endpoints', { token_endpoint: 'http://token.example.com/' }, {}, /token_endpoint is not https/],
    ['flow', { response_types_supported: ['id_token'] }, {}, /without response_type=code/],
    ['PKCE', { code_challenge_methods_supported: ['plain'] }, {}, /without PKCE by S256/],
    ['ID token', { id_token_signing_alg_values_supported: ['HS256'] }, {}, /no public key: it offers HS256/],
    ['response mode', { response_modes_supported: ['query'] }, { responseMode: 'formPost' }, /offers query/],
    ['pushed requests', {}, { pushedAuthorizationRequests: 'always' }, /does not offer them/],
    [
      'client',
      { token_endpoint_auth_methods_supported: ['private_key_jwt'] },
      {},
      /client_secret_basic or client_secret_post/,
    ],
    ['userinfo', { userinfo_endpoint: undefined }, { userinfo: true }, /no such endpoint/],
  ])('with a fault are reported: %s', async (about, metadata, keys, text) => {
    await using provider = await HostileProvider.start();
    provider.metadata = metadata;
    expect(await findings(provider, about, { keys })).toEqual(failed(text));
    provider.metadata = {};
    expect(await findings(provider, about, { keys: { responseMode: 'query' } })).not.toEqual(failed(/./));
  });

  test.each([
    ['ok', { logoutAtProvider: true }, 'https://id.example.com/end'],
    ['warning', { logoutAtProvider: true }, undefined],
    ['note', {}, undefined],
  ])('RP-Initiated Logout §2.1: a logout at the provider needs an endpoint there: %s', async (verdict, keys, url) => {
    await using provider = await HostileProvider.start();
    provider.metadata = { end_session_endpoint: url };
    expect(await findings(provider, 'logout', { keys })).toMatchObject([{ verdict }]);
  });

  test.each([
    ['note', ['authorization_code', 'refresh_token'], { revalidate: '5m', scopes: ['openid'] }],
    ['failure', ['authorization_code'], { revalidate: '5m', scopes: ['openid'] }],
  ])('revalidate needs a refresh token: %s', async (verdict, grants, keys) => {
    await using provider = await HostileProvider.start();
    provider.metadata = { grant_types_supported: grants };
    expect(await findings(provider, 'refresh token', { keys })).toMatchObject([{ verdict }]);
    expect(await findings(provider, 'refresh token', {})).toEqual([]);
  });

  test('each broken rule has its own line', async () => {
    await using provider = await HostileProvider.start();
    provider.metadata = { code_challenge_methods_supported: ['plain'], response_types_supported: ['token'] };
    const { code, out } = await check(provider, {}, ['corporate']);
    expect(code).toBe(1);
    expect(out.match(/^FAILS .*$/gm)).toHaveLength(2);
    expect(out).toMatch(/^corporate: 2 will not work\n$/m);
  });

  test('scopes and claims that are not listed are reported', async () => {
    await using provider = await HostileProvider.start();
    provider.metadata = { claims_supported: ['sub', 'email', 'name'] };
    const keys = { scopes: ['openid', 'groups'], groups: 'groups' };
    expect(await findings(provider, 'scopes', { keys })).toMatchObject(
      [{ verdict: 'warning', text: /^groups not/ }].map(({ verdict, text }) => ({
        verdict,
        text: expect.stringMatching(text),
      })),
    );
    expect(await findings(provider, 'claims', { keys })).toMatchObject([{ verdict: 'note' }]);
  });

  test('text from a provider cannot move the cursor of a terminal', async () => {
    await using provider = await HostileProvider.start();
    provider.metadata = { issuer: 'https://x\u001b[2J\u0007', scopes_supported: ['\u001b]0;owned\u0007'] };
    const { out } = await check(provider, {}, ['corporate']);
    expect(out).not.toMatch(/[^\n\x20-\x7e]/);
  });
});

test.each([
  ['behind', 600_000],
  ['ahead', -600_000],
])('a clock that is %s is reported', async (word, aheadMs) => {
  await using idp = await IdentityProvider.start();
  const clocks = { ...systemClocks, wallMs: () => systemClocks.wallMs() + aheadMs };
  expect(await findings(idp, 'clock', { clocks })).toEqual(failed(new RegExp(`is (5[5-9]|6[0-4])\\d s ${word}`)));
});

test('a provider that is down is reported with its address', async () => {
  await using idp = await IdentityProvider.start();
  await idp.pause();
  expect(await findings(idp, 'metadata')).toEqual(failed(/openid-configuration: ECONNREFUSED$/));
});

describe('the certificate', () => {
  test.each([
    ['is trusted', 90, 'ok', /^trusted, until \d{4}-/],
    ['ends soon', 3, 'warning', /^ends in [23] days/],
  ])('%s', async (_name, days, verdict, text) => {
    await using server = await tlsServer(days);
    const [found] = await findings(server.provider, 'certificate', { keys: { caFile: server.caFile } });
    expect(found).toMatchObject({ verdict, text: expect.stringMatching(text) });
  });

  test('of an unknown authority is reported', async () => {
    await using server = await tlsServer(90);
    const found = await findings(server.provider, 'certificate');
    expect(found).toEqual(failed(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT|SELF_SIGNED/));
  });
});

describe('RFC 8705: a client certificate', () => {
  const clients = new TestAuthority('Clients');

  /** The findings of a gateway whose certificate ends after `days`, about a provider with this metadata. */
  async function found(about: string, metadata: Record<string, unknown>, days = 90): Promise<readonly Finding[]> {
    using files = new CertificateFiles();
    await using provider = await HostileProvider.start();
    provider.metadata = metadata;
    const notAfter = new Date(systemClocks.wallMs() + days * 86_400_000);
    const notBefore = new Date(systemClocks.wallMs() - 1_000 * 86_400_000);
    const clientCertificate = files.write(
      'client',
      clients.issue({ names: ['shop.example.com'], notBefore, notAfter }),
    );
    return await findings(provider, about, { keys: { clientSecretFile: undefined, clientCertificate } });
  }

  test.each(['tls_client_auth', 'self_signed_tls_client_auth'])('is accepted by a provider with %s', async (method) => {
    const offered = { token_endpoint_auth_methods_supported: ['client_secret_basic', method] };
    expect(await found('client', offered)).toMatchObject([{ verdict: 'ok', text: `authenticates by ${method}` }]);
  });

  test('§2.1: is reported as useless if the provider accepts only secrets', async () => {
    expect(await found('client', {})).toEqual(
      failed(/^the gateway would use tls_client_auth or self_signed_tls_client_auth/),
    );
  });

  test.each([
    ['note', { token_endpoint: 'https://mtls.example.com/token' }, /^at endpoints of its own for token_endpoint$/],
    ['note', undefined, /^at the usual endpoints$/],
  ])('§5: the report says where it is presented: %s %j', async (verdict, aliases, text) => {
    const all = await found('mutual TLS', { mtls_endpoint_aliases: aliases });
    expect(all).toMatchObject([{ verdict, text: expect.stringMatching(text) }]);
  });

  test('§5: an alias without https is reported', async () => {
    const aliases = { token_endpoint: 'http://mtls.example.com/token' };
    expect(await found('endpoints', { mtls_endpoint_aliases: aliases })).toEqual(failed(/token_endpoint is not https/));
  });

  test('§3: bound access tokens, which no upstream can use, are reported', async () => {
    const [bound] = await found('mutual TLS', { tls_client_certificate_bound_access_tokens: true });
    expect(bound?.text).toContain('no upstream can use them');
  });

  test.each([
    [90, 'ok', /^of CN=shop\.example\.com, until \d{4}-/],
    [3, 'warning', /^ends in [23] days/],
    [-1, 'failure', /^of CN=shop\.example\.com: ended on \d{4}-/],
  ])('that ends in %i days: %s', async (days, verdict, text) => {
    const all = await found('client certificate', {}, days);
    expect(all).toMatchObject([{ verdict, text: expect.stringMatching(text) }]);
  });

  test('for the key of assertions is checked too, and has to match the key', async () => {
    using files = new CertificateFiles();
    await using provider = await HostileProvider.start();
    const clientAssertion = files.write('client', clients.issue({ names: ['shop.example.com'] }));
    const keys = { clientSecretFile: undefined, clientAssertion };
    expect(await findings(provider, 'client certificate', { keys })).toMatchObject([{ verdict: 'warning' }]);
    files.text('client.crt', clients.issue({ names: ['shop.example.com'] }).certificate);
    expect((await check(provider, { keys })).err).toMatch(
      /clientAssertion\.keyFile: .* is not the key of the certificate/,
    );
  });

  test('is presented by the check, to a provider over TLS', async () => {
    using files = new CertificateFiles();
    const servers = new TestAuthority('Servers');
    const tls = {
      server: servers.issue({ names: ['127.0.0.1'] }),
      clientAuthority: clients.certificate,
      aliases: true,
    };
    const client = { tls_client_auth_san_dns: 'shop.example.com' };
    await using idp = await IdentityProvider.start({ clientAuthentication: 'tls_client_auth', tls, client });
    const keys = {
      clientSecretFile: undefined,
      caFile: files.text('ca.pem', servers.certificate),
      clientCertificate: files.write('client', clients.issue({ names: ['shop.example.com'] })),
    };
    expect(await findings(idp, 'credential', { keys })).toEqual(fine);
    expect(await findings(idp, 'redirect URI', { keys })).toEqual(fine);
    const clientCertificate = files.write('other', clients.issue({ names: ['another.example.com'] }));
    expect(await findings(idp, 'credential', { keys: { ...keys, clientCertificate } })).toEqual(
      failed(/invalid_client/),
    );
  });
});

test('a name that is not in login.oidc is an error that lists the names there', async () => {
  const provider = { issuer: 'https://id.example.com', clientId: 'shop', clientSecret: 'x'.repeat(32) };
  expect(await check(provider, {}, ['corprate'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('no identity provider "corprate" in login.oidc of sallyport.yaml: it has corporate'),
  });
});

describe('--login', () => {
  test.each([
    [{ emailDomains: ['example.com'] }, 0, /^ok +login +this user is let in$/m],
    [{ groups: ['navy'] }, 1, /^FAILS +login +this user is refused by allow\.groups: in none of them$/m],
  ])('shows the names of claims, the subject, and the verdict of allow %j', async (allow, code, verdict) => {
    await using idp = await IdentityProvider.start({ claimsIn: 'idToken' });
    const keys = { allow, groups: 'groups', roles: 'roles', scopes: ['openid', 'profile', 'email', 'groups', 'roles'] };
    const stdin = new PassThrough();
    const run = check(
      idp,
      { keys, stdin, onAddress: (address) => void logIn(idp, address).then((url) => stdin.write(`${url}\n`)) },
      ['corporate', '--login'],
    );
    const { code: ended, out } = await run;
    expect(out).toMatch(verdict);
    expect(ended).toBe(code);
    expect(out).toMatch(/^ok +subject +corporate\|ada$/m);
    expect(out).toMatch(/^- +roles +customer, admin$/m);
    expect(out).toMatch(/^- +in ID token .*\bemail_verified \(boolean\)/m);
    expect(out).not.toMatch(/ada@example\.com|Lovelace/);
  });

  test('refuses the address of another login', async () => {
    await using idp = await IdentityProvider.start();
    const stdin = new PassThrough();
    stdin.end('https://shop.example.com/auth/callback/corporate?code=x&state=y\n');
    const { code, out } = await check(idp, { stdin }, ['corporate', '--login']);
    expect(code).toBe(1);
    expect(out).toMatch(/^FAILS +login +this is the address of another login$/m);
    expect(idp.calls.filter(({ parameters }) => parameters['code'] === 'x')).toEqual([]);
  });
});

/** Logs ada in, and returns the address to which the provider sends her browser. */
async function logIn(idp: IdentityProvider, address: string): Promise<string> {
  const browser = new PlainBrowser();
  const form = await browser.open(address);
  let page = await browser.submitOnly(
    form,
    { username: 'ada', password: idp.people['ada']?.password ?? '' },
    '/log-in',
  );
  for (let hop = 0; hop < 10; hop += 1) {
    const next: URL = new URL(page.headers.location ?? '', page.url);
    if (next.origin === 'https://shop.example.com') return next.href;
    page = await browser.step(next, page);
  }
  throw new Error('the provider does not send the browser back');
}

/** An HTTPS server with a certificate but no content. */
async function tlsServer(days: number) {
  const directory = temporaryDirectory();
  const authority = new TestAuthority();
  const notAfter = new Date(systemClocks.wallMs() + days * 86_400_000);
  const { certificate, key } = authority.issue({ names: ['127.0.0.1'], notAfter });
  const server = createServer({ cert: certificate, key }, (_request, response) => response.writeHead(404).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const caFile = join(directory, 'ca.pem');
  writeFileSync(caFile, authority.certificate);
  const issuer = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = { issuer, clientId: 'shop', clientSecret: 'x'.repeat(32) };
  return { provider, caFile, [Symbol.asyncDispose]: () => closed(server) };
}

/** A server that answers everything with a page. */
async function pageServer() {
  const { createServer: createPlain } = await import('node:http');
  const server = createPlain((_request, response) =>
    response.writeHead(200, { 'content-type': 'text/html' }).end('Hello'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, [Symbol.asyncDispose]: () => closed(server) };
}

const closed = (server: { closeAllConnections(): void; close(done: () => void): unknown }) => {
  server.closeAllConnections();
  return new Promise<void>((resolve) => server.close(() => resolve()));
};
