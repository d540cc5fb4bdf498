/** The contents of files that a configuration names: `validate` reports at each key what `start` would refuse, all at once. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TestAuthority } from '../support/issuers/certificates.ts';
import { Program } from './program.ts';
import { cli, temporaryDirectory } from './support.ts';

const authority = new TestAuthority();
const pair = authority.issue({ names: ['shop.example.com'] });
const other = authority.issue({ names: ['shop.example.com'] });
const expired = authority.issue({ names: ['a.test'], notBefore: new Date(0), notAfter: new Date(86_400_000) });
const elsewhere = authority.issue({ names: ['*.example.com', 'sh*.other.test', '127.0.0.1'] });
const nameless = authority.issue({ commonName: 'example.com' });
const PRIVATE_JWKS = JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0' }] });

/** The files of every test, relative to the configuration. */
const FILES: Readonly<Record<string, string>> = {
  'x.pem': 'x',
  'half.pem': `${authority.certificate}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
  'ca.pem': authority.certificate,
  'tls.crt': pair.certificate,
  'tls.key': pair.key,
  'other.key': other.key,
  'expired.crt': expired.certificate,
  'expired.key': expired.key,
  'wild.crt': elsewhere.certificate,
  'wild.key': elsewhere.key,
  'nameless.crt': nameless.certificate,
  'nameless.key': nameless.key,
  'short.txt': 'too-short\n',
  'secret.txt': `${'s'.repeat(32)}\n`,
  'empty.txt': '',
  'users.yaml': 'users:\n  - name: alice\n  - name: bob\n    passwordHash: 5\n    pasword: x\n',
  'no-users.yaml': 'users: []\n',
  'script.svg': '<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
  'jwks.json': '{"keys":[]}',
  'private.json': PRIVATE_JWKS,
};

interface Written {
  readonly origins?: string;
  readonly listeners?: string;
  readonly upstream?: string;
  readonly more?: string;
}

const LISTENERS = 'public: { address: 127.0.0.1:0 }, admin: { address: 127.0.0.1:0 }';

function written({
  origins = 'https://shop.example.com',
  listeners = LISTENERS,
  upstream = '',
  more = '',
}: Written): string {
  const directory = temporaryDirectory();
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory, name), text, { mode: 0o600 });
  mkdirSync(join(directory, 'keys'));
  mkdirSync(join(directory, 'broken-keys'));
  writeFileSync(join(directory, 'broken-keys', 'a.key.json'), '{}', { mode: 0o600 });
  const path = join(directory, 'sallyport.yaml');
  writeFileSync(
    path,
    `version: 1
publicOrigin: ${origins}
listeners: { ${listeners} }
upstreams: { app: { endpoints: [https://127.0.0.1:9]${upstream} } }
routes: [{ id: app, match: { path: / }, credential: none, upstream: app }]
${more}
`,
  );
  return path;
}

interface Problems {
  readonly problems: readonly {
    readonly code: string;
    readonly severity: string;
    readonly line: number;
    readonly path: string;
    readonly message: string;
    readonly hint: string | null;
  }[];
}

/** The place and message of each finding, without the directory. */
async function findings(path: string, ...options: string[]): Promise<string[]> {
  const { out } = await cli(['validate', '--format', 'json', ...options, path]);
  const { problems } = JSON.parse(out) as Problems;
  const directory = path.slice(0, path.lastIndexOf('/') + 1);
  return problems
    .filter(({ severity }) => severity === 'error')
    .map(({ line, path: key, message }) => `${line} ${key}: ${message.replaceAll(directory, '')}`);
}

const tls = (certFile: string, keyFile: string, more = '') =>
  `public: { address: 127.0.0.1:0, tls: { certificates: [{ certFile: tls.crt, keyFile: tls.key }, { certFile: ${certFile}, keyFile: ${keyFile} }]${more} } }`;
const issuer = (keys: string) => `issuers: { a: { issuer: https://a, ${keys} } }`;
const TOKEN_KEY = 'listeners.admin.tokenFile';
const PAIR = 'listeners.public.tls.certificates[1]';
const client = (credential: string) =>
  `tokenEndpoint: { clients: { cart: { ${credential}, exchange: { orders: {} } } } }`;
const destination = (credential: string) => `outbound:
  address: 127.0.0.1:0
  workload: shop
  destinations: [{ id: d, match: { host: d.internal }, upstream: app, audience: d, token: { clientCredentials: { tokenUrl: https://as/token, clientId: me, ${credential} } } }]`;

const CASES: readonly (readonly [title: string, written: Written, expected: readonly string[]])[] = [
  [
    'an admin token under 32 characters',
    { listeners: `public: { address: 127.0.0.1:0 }, admin: { tokenFile: short.txt }` },
    [
      `3 ${TOKEN_KEY}: ${TOKEN_KEY}: short.txt must hold at least 32 visible ASCII characters without spaces, such as from \`openssl rand -base64 32\``,
    ],
  ],
  [
    'CFG-02: a users file with mistakes, with one readable finding each',
    { more: 'login: { password: { usersFile: users.yaml } }' },
    [
      'users.yaml:2:5 users[0].passwordHash is required',
      'users.yaml:4:19 users[1].passwordHash must be text',
      'users.yaml:3:5 users[1] has the unknown key "pasword"',
    ].map((said) => `6 login.password.usersFile: login.password.usersFile: ${said}`),
  ],
  [
    'a logo with a script',
    { more: 'pages: { logoFile: script.svg }' },
    ['6 pages.logoFile: pages.logoFile: script.svg has a script'],
  ],
  [
    'an empty key directory',
    { more: 'upstreamToken: { keys: { directory: keys } }' },
    [
      '6 upstreamToken.keys.directory: upstreamToken.keys.directory: keys has no active ES256 key: run `sallyport keys generate --directory keys --algorithm ES256`',
    ],
  ],
  [
    'a broken key file',
    { more: 'upstreamToken: { keys: { directory: broken-keys, rotateEvery: 30d } }' },
    [
      '6 upstreamToken.keys.directory: upstreamToken.keys.directory: broken-keys/a.key.json is not a key file of `sallyport keys generate`',
    ],
  ],
  [
    'CFG-16: an HS256 secret that is too short',
    { more: 'upstreamToken: { algorithm: HS256, secretFile: short.txt }' },
    [
      '6 upstreamToken.secretFile: upstreamToken.secretFile: short.txt has 9 bytes; HS256 needs at least 32 (RFC 7518 §3.2)',
    ],
  ],
  [
    'CFG-16: an issuer with an HS256 secret that is too short',
    { more: issuer('secretFile: short.txt') },
    ['6 issuers.a.secretFile: issuers.a.secretFile: short.txt has 9 bytes; HS256 needs at least 32 (RFC 7518 §3.2)'],
  ],
  [
    'a JWK Set without keys',
    { more: issuer('algorithms: [ES256], jwksFile: jwks.json') },
    ['6 issuers.a.jwksFile: issuers.a.jwksFile: jwks.json has no key for ES256'],
  ],
  [
    'an invalid public key',
    { more: issuer('algorithms: [ES256], publicKeyFile: x.pem') },
    ['6 issuers.a.publicKeyFile: issuers.a.publicKeyFile: x.pem is not a public key or certificate in PEM'],
  ],
  [
    'an invalid CA for the keys of an issuer',
    { more: issuer('algorithms: [ES256], jwksUrl: https://a/jwks, fetch: { caFile: x.pem }') },
    ['6 issuers.a.fetch.caFile: issuers.a.fetch.caFile: x.pem is not a PEM certificate'],
  ],
  [
    'a certificate that is not PEM',
    { listeners: tls('x.pem', 'tls.key') },
    [`3 ${PAIR}.certFile: ${PAIR}.certFile: x.pem is not a PEM certificate`],
  ],
  [
    'a chain with a broken second certificate',
    { listeners: tls('half.pem', 'tls.key') },
    [`3 ${PAIR}.certFile: ${PAIR}.certFile: half.pem is not a PEM certificate`],
  ],
  [
    'the key of another certificate',
    { listeners: tls('tls.crt', 'other.key') },
    [`3 ${PAIR}.keyFile: ${PAIR}.keyFile: other.key is not the key of the certificate`],
  ],
  [
    'R11: a single expired certificate, and an invalid CA for client certificates',
    {
      listeners:
        'public: { address: 127.0.0.1:0, tls: { certificates: [{ certFile: expired.crt, keyFile: expired.key }], clientCertificates: { caFile: x.pem } } }',
    },
    [
      `3 ${PAIR}.certFile: ${PAIR}.certFile: expired.crt expired on 1970-01-02T00:00:00.000Z: renew it, or correct the clock of this machine`.replaceAll(
        '[1]',
        '[0]',
      ),
      '3 listeners.public.tls.clientCertificates.caFile: listeners.public.tls.clientCertificates.caFile: x.pem is not a PEM certificate',
    ],
  ],
  [
    'an invalid CA of an upstream, for which every request would get 502',
    { upstream: ', tls: { caFile: x.pem }' },
    ['4 upstreams.app.tls.caFile: upstreams.app.tls.caFile: x.pem is not a PEM certificate'],
  ],
  [
    'an invalid client certificate for an upstream',
    { upstream: ', tls: { certFile: x.pem, keyFile: tls.key }' },
    ['4 upstreams.app.tls.certFile: upstreams.app.tls.certFile: x.pem is not a PEM certificate'],
  ],
  [
    'an invalid CA of an upstream, and a client key of another certificate',
    { upstream: ', tls: { caFile: x.pem, certFile: tls.crt, keyFile: other.key }' },
    [
      '4 upstreams.app.tls.caFile: upstreams.app.tls.caFile: x.pem is not a PEM certificate',
      '4 upstreams.app.tls.keyFile: upstreams.app.tls.keyFile: other.key is not the key of the certificate',
    ],
  ],
  [
    'an invalid CA of Redis',
    {
      more: 'store: { redis: { url: rediss://redis, tls: { caFile: x.pem } } }\nupstreamToken: { algorithm: HS256, secretFile: secret.txt }',
    },
    ['6 store.redis.tls.caFile: store.redis.tls.caFile: x.pem is not a PEM certificate'],
  ],
  [
    'an empty Redis password',
    {
      more: 'store: { redis: { url: redis://redis, passwordFile: empty.txt } }\nupstreamToken: { algorithm: HS256, secretFile: secret.txt }',
    },
    ['6 store.redis.passwordFile: store.redis.passwordFile: empty.txt is empty'],
  ],
  [
    'a trusted backend with a secret that is too short',
    { more: 'login: { trustedBackends: [{ id: a, clientSecretFile: short.txt }] }' },
    [
      '6 login.trustedBackends[0].clientSecretFile: login.trustedBackends[0].clientSecretFile: short.txt has a secret of fewer than 32 characters',
    ],
  ],
  [
    'a client of the token endpoint with a secret that is too short',
    { more: client('clientSecretFile: short.txt') },
    [
      '6 tokenEndpoint.clients.cart.clientSecretFile: tokenEndpoint.clients.cart.clientSecretFile: short.txt has a secret of fewer than 32 characters',
    ],
  ],
  [
    'a client of the token endpoint with invalid keys',
    { more: client('jwksFile: x.pem') },
    ['6 tokenEndpoint.clients.cart.jwksFile: tokenEndpoint.clients.cart.jwksFile: x.pem is not JSON'],
  ],
  [
    'an empty secret and an invalid CA for an authorization server',
    { more: destination('clientSecretFile: empty.txt, caFile: x.pem') },
    ['clientSecretFile: empty.txt is empty', 'caFile: x.pem is not a PEM certificate'].map((said) => {
      const key = `outbound.destinations[0].token.clientCredentials.${said.slice(0, said.indexOf(':'))}`;
      return `9 ${key}: ${key.slice(0, key.lastIndexOf('.'))}.${said}`;
    }),
  ],
  [
    'a missing directory, which the finding calls a directory',
    { more: 'upstreamToken: { keys: { directory: nowhere } }' },
    ['6 upstreamToken.keys.directory: upstreamToken.keys.directory names a directory that does not exist'],
  ],
  [
    'mistakes in the configuration and in files together',
    {
      listeners: `${tls('tls.crt', 'other.key')}, admin: { tokenFile: short.txt }`,
      upstream: ', tls: { caFile: x.pem }',
      more: `${issuer('algorithms: [ES256], jwksFile: jwks.json')}\nbogus: 1`,
    },
    [
      `3 ${PAIR}.keyFile: ${PAIR}.keyFile: other.key is not the key of the certificate`,
      `3 ${TOKEN_KEY}: ${TOKEN_KEY}: short.txt must hold at least 32 visible ASCII characters without spaces, such as from \`openssl rand -base64 32\``,
      '4 upstreams.app.tls.caFile: upstreams.app.tls.caFile: x.pem is not a PEM certificate',
      '6 issuers.a.jwksFile: issuers.a.jwksFile: jwks.json has no key for ES256',
      '7 bogus: unknown key "bogus"',
    ],
  ],
];

describe('validate', () => {
  test.each(CASES)('%s', async (_title, config, expected) => {
    expect(await findings(written(config))).toEqual(expected);
  });

  test('reports nothing about usable files, and writes nothing', async () => {
    const path = written({
      listeners: tls('tls.crt', 'tls.key', ', clientCertificates: { caFile: ca.pem }'),
      upstream: ', tls: { caFile: ca.pem, certFile: tls.crt, keyFile: tls.key }',
      more: 'login: { password: { usersFile: no-users.yaml } }\nupstreamToken: { keys: { directory: keys, rotateEvery: 30d } }',
    });
    expect(await findings(path)).toEqual([]);
    const { readdirSync } = await import('node:fs');
    expect(readdirSync(join(path, '..', 'keys'))).toEqual([]);
  });

  test('R11: one expired certificate of two is a warning, which acceptWarnings silences', async () => {
    const warnings = async (more: string) => {
      const path = written({ listeners: tls('expired.crt', 'expired.key'), more });
      const { code, out } = await cli(['validate', '--format', 'json', path]);
      expect(code).toBe(0);
      const { problems } = JSON.parse(out) as Problems;
      return problems.filter((problem) => problem.code === 'tls/expired');
    };
    expect(await warnings('')).toMatchObject([
      { path: `${PAIR}.certFile`, message: expect.stringContaining('expired on 1970-01-02T00:00:00.000Z') },
    ]);
    expect(await warnings('acceptWarnings: [tls/expired]')).toEqual([]);
  });

  describe('A7: a host of publicOrigin that no certificate covers', () => {
    const served = (...names: string[]) =>
      `public: { address: 127.0.0.1:0, tls: { certificates: [${names.map((name) => `{ certFile: ${name}.crt, keyFile: ${name}.key }`).join(', ')}] } }`;
    const uncovered = async (config: Written, ...options: string[]) => {
      const { out } = await cli(['validate', '--format', 'json', ...options, written(config)]);
      const { problems } = JSON.parse(out) as Problems;
      return problems.filter(({ code }) => code === 'tls/uncovered-host');
    };
    const hosts = async (config: Written) =>
      (await uncovered(config)).map(({ message }) => /cover(?:s)? (\S+),/.exec(message)?.[1]);

    test('A7: is a warning at the certificates, with advice, which acceptWarnings silences', async () => {
      const config = { origins: 'https://other.test', listeners: served('tls') };
      expect(await uncovered(config)).toMatchObject([
        {
          severity: 'warning',
          line: 3,
          path: 'listeners.public.tls.certificates',
          message: 'no certificate covers other.test, a host of publicOrigin: browsers refuse the connection',
          hint: 'add a certificate for other.test, or correct publicOrigin',
        },
      ]);
      expect(await uncovered({ ...config, more: 'acceptWarnings: [tls/uncovered-host]' })).toEqual([]);
    });

    test('RFC 9525 §6.3: a wildcard covers one whole label, and a common name covers nothing', async () => {
      const origins = '[https://a.example.com, https://a.b.example.com, https://shop.other.test, https://example.com]';
      const expected = ['a.b.example.com', 'shop.other.test', 'example.com'];
      expect(await hosts({ origins, listeners: served('wild', 'nameless') })).toEqual(expected);
    });

    test('A7: any certificate may cover a host name, and each host is reported once for all ports', async () => {
      const origins = '[https://shop.example.com, https://b.test, https://b.test:8443]';
      expect(await hosts({ origins, listeners: served('expired', 'tls') })).toEqual(['b.test']);
      expect(await hosts({ listeners: served('expired', 'tls') })).toEqual([]);
    });

    test('A7: an IP address has to be in the default certificate', async () => {
      const origins = '[https://127.0.0.1, "https://[::1]"]';
      expect(await hosts({ origins, listeners: served('wild', 'tls') })).toEqual(['::1']);
      expect(await hosts({ origins, listeners: served('expired', 'wild') })).toEqual(['::1']);
      expect(await hosts({ origins, listeners: served('tls', 'wild') })).toEqual(['127.0.0.1', '::1']);
    });

    test('A7: is not reported without TLS, for http, for an unread file, or with --no-files', async () => {
      const origins = 'https://other.test';
      expect(await uncovered({ origins })).toEqual([]);
      expect(await uncovered({ origins: 'http://localhost', listeners: served('tls') })).toEqual([]);
      expect(await uncovered({ origins, listeners: tls('x.pem', 'tls.key') })).toEqual([]);
      expect(await uncovered({ origins, listeners: served('tls') }, '--no-files')).toEqual([]);
    });
  });

  test('--no-files reads no files', async () => {
    const path = written({
      upstream: ', tls: { caFile: x.pem }',
      more: issuer('algorithms: [ES256], jwksFile: jwks.json'),
    });
    expect(await findings(path, '--no-files')).toEqual([]);
  });

  test('LOG-01: no finding shows the contents of a file', async () => {
    for (const [, config] of CASES) {
      const { out } = await cli(['validate', written(config)]);
      expect(out).not.toContain('too-short');
      expect(out).not.toContain(FILES['other.key']);
    }
  });
});

test('start reports all findings, in the same words and with their places, and exits with 1', async () => {
  const path = written({
    upstream: ', tls: { caFile: x.pem }',
    more: 'upstreamToken: { keys: { directory: keys } }\nlogin: { password: { usersFile: users.yaml } }',
  });
  const program = new Program(['start', '-c', path]);
  expect(await program.ended).toBe(1);
  expect(program.err).toBe('');
  const { problems } = JSON.parse(program.out) as { problems: readonly string[] };
  expect(problems.map((line) => /sallyport\.yaml:(\d+:\d+: error: [a-zA-Z.]+)/.exec(line)?.[1])).toEqual([
    '4:70: error: upstreams.app.tls.caFile',
    '6:37: error: upstreamToken.keys.directory',
    '7:33: error: login.password.usersFile',
    '7:33: error: login.password.usersFile',
    '7:33: error: login.password.usersFile',
  ]);
  expect(program.out).not.toContain(' at ');
});
