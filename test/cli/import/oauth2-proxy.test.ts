/** `sallyport import oauth2-proxy`: whole configurations, and how their files are read. */

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { importOauth2Proxy } from '../../../src/cli/import/oauth2-proxy/import.ts';
import { PROVIDER_KINDS } from '../../../src/cli/import/oauth2-proxy/provider-kinds.ts';
import { readExpression, readPublicPath } from '../../../src/cli/import/oauth2-proxy/public-paths.ts';
import { readWords } from '../../../src/cli/import/oauth2-proxy/read/words.ts';
import { readDuration } from '../../../src/cli/import/oauth2-proxy/settings.ts';
import { noFiles } from '../../../src/config/files/files.ts';
import { loadConfig } from '../../../src/gateway/configuration/load.ts';
import { cli, temporaryDirectory } from '../support.ts';

const FOLDER = join(import.meta.dirname, 'oauth2-proxy');
const EXPECTED = join(FOLDER, 'expected');

/** Realistic configurations, each of which a real oauth2-proxy 7.15.3 accepts (`--config-test`). */
const CONFIGURATIONS: Readonly<Record<string, readonly string[]>> = {
  'keycloak, PKCE, Redis': ['keycloak.cfg'],
  'github, organization and team, flags': ['github.txt'],
  'google, domains, environment': ['google.env'],
  'entra, behind nginx': ['entra.cfg'],
  'alpha, upstreams and headers': ['alpha-core.cfg', 'alpha.yaml'],
  'static files, public paths': ['files.cfg'],
  'gitlab, htpasswd, tokens': ['htpasswd.cfg'],
  'a Deployment': ['deployment.yaml'],
};

test.each(Object.entries(CONFIGURATIONS))(
  '%s: gives the golden file, passes validate, and shows no secret',
  async (_name, files) => {
    const { code, out, err } = await cli(['import', 'oauth2-proxy', ...files], { cwd: FOLDER });
    expect(code).toBe(0);
    expect(`${out}${err}`).not.toMatch(/a-secret-of|0123456789abcdef/);
    const checked = await cli(['validate', '--no-files', '-'], { stdin: out });
    expect([checked.code, checked.out]).toEqual([0, checked.out]);
    const golden = join(EXPECTED, `${files.at(-1)}.yaml`);
    const shown = `${out}---\n${err.replaceAll(/^(?=.)/gm, '# ')}`;
    if (process.env['UPDATE_GOLDEN'] === '1') {
      mkdirSync(EXPECTED, { recursive: true });
      writeFileSync(golden, shown);
    }
    expect(shown).toBe(readFileSync(golden, 'utf8'));
  },
);

test('every golden file belongs to a configuration', () => {
  const named = Object.values(CONFIGURATIONS).map((files) => `${files.at(-1)}.yaml`);
  expect(readdirSync(EXPECTED).toSorted()).toEqual(named.toSorted());
});

/** Imports files with these texts, and returns the configuration. */
async function imported(files: Readonly<Record<string, string>>, ...options: string[]) {
  const directory = temporaryDirectory();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const result = await cli(['import', 'oauth2-proxy', ...options, ...Object.keys(files)], { cwd: directory });
  return { ...result, directory, config: parse(result.out) as Record<string, never> };
}

const MINIMAL = `provider = "oidc"
client_id = "shop"
client_secret = "a-secret"
oidc_issuer_url = "https://id.example.com"
email_domains = "*"
redirect_url = "https://shop.example.com/oauth2/callback"
upstreams = "http://127.0.0.1:3000/"
`;

describe('the files', () => {
  test('a flag wins over the environment, which wins over the file, in any order', async () => {
    const { config } = await imported({
      'flags.txt': '--redirect-url=https://flag.example.com/oauth2/callback',
      'proxy.env': 'OAUTH2_PROXY_REDIRECT_URL=https://env.example.com\nexport OAUTH2_PROXY_CLIENT_ID="env"',
      'oauth2-proxy.cfg': MINIMAL,
    });
    expect(config).toMatchObject({ publicOrigin: 'https://flag.example.com', login: { oidc: [{ clientId: 'env' }] } });
  });

  test('a repeated flag adds to its list, and commas separate values', async () => {
    const flags =
      '--allowed-group a,b --allowed-group=c --upstream http://127.0.0.1:1/ --upstream http://127.0.0.1:2/x/';
    const { config } = await imported({ 'oauth2-proxy.cfg': MINIMAL, 'flags.txt': flags });
    expect(config).toMatchObject({
      login: { oidc: [{ allow: { groups: ['a', 'b', 'c'] } }] },
      upstreams: { app: { endpoints: ['http://127.0.0.1:1'] }, x: { endpoints: ['http://127.0.0.1:2'] } },
    });
  });

  test('the command and the environment of a Compose file are read', async () => {
    const compose = `services:
  proxy:
    command: --provider=github --upstream=http://127.0.0.1:3000/ --email-domain=example.com
    environment: { OAUTH2_PROXY_CLIENT_ID: shop, PATH: /bin }
`;
    const { config } = await imported({ 'compose.yaml': compose });
    expect(config).toMatchObject({ login: { oidc: [{ preset: 'github', clientId: 'shop' }] } });
  });

  test.each([
    [
      'a Compose file, without the flags of other services',
      'compose.yaml',
      `services:
  etcd: { image: etcd, command: --listen-client-urls=http://0.0.0.0:2379 }
  proxy: { image: "quay.io/oauth2-proxy/oauth2-proxy:v7", command: --client-id=shop }
`,
    ],
    ['Helm values', 'values.yaml', 'oauth2-proxy:\n  config:\n    configFile: |-\n      client_id = "shop"\n'],
    ['a ConfigMap', 'map.yaml', 'kind: ConfigMap\ndata:\n  oauth2_proxy.cfg: |\n    client_id = "shop"\n'],
    [
      'a systemd unit',
      'oauth2-proxy.service',
      '[Service]\nUser=proxy\nEnvironment="OAUTH2_PROXY_SCOPE=openid"\nExecStart=/usr/bin/oauth2-proxy --client-id=shop \\\n  --email-domain=*\n',
    ],
  ])('%s can be read', async (_name, name, text) => {
    expect((await imported({ [name]: text })).config).toMatchObject({ login: { oidc: [{ clientId: 'shop' }] } });
  });

  test('plain http to a provider on another machine becomes https, with a report', async () => {
    const { out, err } = await imported({ 'a.cfg': MINIMAL.replace('https://id', 'http://id') });
    expect(out).toContain('issuer: https://id.example.com # oidc_issuer_url');
    expect(err).toMatch(/Let id\.example\.com speak https/);
    expect((await cli(['validate', '--no-files', '-'], { stdin: out })).code).toBe(0);
  });

  test.each([
    [
      'an unknown option',
      { 'a.cfg': 'cookie_expires = "1h"' },
      /a\.cfg: cookie_expires is not an option .*did you mean cookie_expire\?/,
    ],
    [
      'an unknown flag',
      { 'a.txt': '--cookie-expires=1h' },
      /--cookie-expires is not a flag .*did you mean --cookie-expire\?/,
    ],
    ['an unknown alpha key', { 'a.yaml': 'providers: [{ clientId: x }]' }, /providers\[0\]\.clientId is not a key/],
    ['a duration without a unit', { 'a.cfg': 'cookie_expire = 3600' }, /cookie_expire must be a duration with a unit/],
    ['an invalid boolean', { 'a.txt': '--cookie-secure=yes' }, /--cookie-secure must be true or false/],
    ['invalid TOML', { 'a.cfg': 'client_secret = "a-secret' }, /a\.cfg:1:\d+: not valid TOML\n$/],
    ['invalid YAML', { 'a.yaml': 'providers: [' }, /a\.yaml:\d+: not valid YAML\n$/],
    ['an empty file', { 'a.cfg': '' }, /no option of oauth2-proxy is set there/],
  ])('%s is refused by name, without its value', async (_name, files, message) => {
    const { code, out, err } = await imported(files);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(message);
    expect(err).not.toContain('a-secret');
  });

  test('a missing file fails, and no file at all is an invalid command line', async () => {
    expect(await cli(['import', 'oauth2-proxy', 'missing.cfg'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('missing.cfg'),
    });
    expect(await cli(['import', 'oauth2-proxy'])).toMatchObject({ code: 2 });
  });

  test('standard input can replace a file', async () => {
    const { code, out } = await cli(['import', 'oauth2-proxy', '-'], { stdin: MINIMAL });
    expect([code, out.split('\n')[0]]).toEqual([0, '# Made from standard input by "sallyport import oauth2-proxy".']);
  });
});

describe('secrets', () => {
  test('are written to files that only their owner can read, never over an existing file', async () => {
    const files = { 'oauth2-proxy.cfg': MINIMAL };
    const { config, directory, err } = await imported(files, '--secrets', 'secrets');
    const path = join(directory, 'secrets/client-secret');
    expect(config).toMatchObject({ login: { oidc: [{ clientSecretFile: 'secrets/client-secret' }] } });
    expect(readFileSync(path, 'utf8')).toBe('a-secret');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(err).not.toContain('Put the value');
    const again = await cli(['import', 'oauth2-proxy', '--secrets', 'secrets', 'oauth2-proxy.cfg'], { cwd: directory });
    expect(again).toMatchObject({ code: 1, out: '', err: expect.stringContaining('it already exists') });
  });

  test('are not written without the option, and the report names the files', async () => {
    const { directory, err } = await imported({ 'oauth2-proxy.cfg': MINIMAL });
    expect(err).toContain('Put the value of client_secret into the file client-secret');
    expect(existsSync(join(directory, 'client-secret'))).toBe(false);
  });
});

test('--public-origin wins over redirect_url; without either, the report asks for the origin', async () => {
  const { config } = await imported(
    { 'a.cfg': MINIMAL },
    '--public-origin',
    'https://a.example.com',
    '--public-origin',
    'https://b.example.com',
  );
  expect(config['publicOrigin']).toEqual(['https://a.example.com', 'https://b.example.com']);
  const without = await imported({ 'a.cfg': MINIMAL.replace(/redirect_url.*\n/, '') });
  expect(without.err).toMatch(/Set publicOrigin/);
});

test('a missing file is named, as by every other command', async () => {
  expect(await cli(['import', 'oauth2-proxy', 'a.cfg'], { cwd: temporaryDirectory() })).toMatchObject({
    code: 1,
    out: '',
    err: 'a.cfg: there is no such file\n',
  });
});

test('missing values are marked at their place, not only in the report', async () => {
  const { code, out } = await imported({ 'a.cfg': 'provider = "oidc"\nupstreams = "http://127.0.0.1:3000/"\n' });
  expect(code).toBe(0);
  expect(out).toMatch(/^publicOrigin: \S+ # SET THIS: /m);
  expect(out).toMatch(/^ +issuer: \S+ # SET THIS: /m);
  expect(out).toMatch(/^ +clientId: \S+ # SET THIS: /m);
});

test('--strict fails if something is not carried over, and --report writes a file', async () => {
  const files = { 'a.cfg': `${MINIMAL}trusted_ips = "10.0.0.0/8"\n` };
  const { code, directory, err } = await imported(files, '--strict', '--report', 'report.txt');
  expect([code, err]).toEqual([1, '']);
  expect(readFileSync(join(directory, 'report.txt'), 'utf8')).toMatch(/Not carried over\n {2}trusted_ips \(a\.cfg\)/);
  expect((await imported({ 'a.cfg': MINIMAL }, '--strict')).code).toBe(0);
});

test.each([...Object.keys(PROVIDER_KINDS), 'sourcehut'])(
  'provider %s, with little else, is valid',
  async (provider) => {
    const options = { origins: [], secretsDirectory: null, readNamed: () => null };
    const text = `provider = "${provider}"\nclient_id = "shop"\nemail_domains = "*"\nredirect_url = "https://shop.example.com"\n`;
    const { yaml, report } = await importOauth2Proxy([{ name: 'a.cfg', text }], options);
    const { problems } = loadConfig(yaml, { path: 'sallyport.yaml', cwd: '/', env: {}, files: noFiles });
    expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    if (provider === 'sourcehut') expect(report).toMatch(/provider \(a\.cfg\)\n {4}The gateway cannot log in there/);
  },
);

test('a dollar sign is text in a value, but a variable in an alpha configuration', async () => {
  const { out } = await imported({ 'a.cfg': `${MINIMAL}banner = "\${HOME}"\n` });
  expect((await cli(['validate', '--no-files', '-'], { stdin: out })).code).toBe(0);
  expect(out).toContain('title: $${HOME}');
  const alpha =
    'providers: [{ provider: oidc, clientID: "${CLIENT}", oidcConfig: { issuerURL: https://id.example.com } }]';
  expect((await imported({ 'a.yaml': alpha })).out).toContain('clientId: ${CLIENT} # providers[0].clientID');
});

test('a session outlives the browser for cookie_expire, unless that is 0', async () => {
  const kept = await imported({ 'a.cfg': `${MINIMAL}cookie_expire = "12h"\n` });
  expect(kept.config['session']).toEqual({ remember: { always: true, idleTimeout: '12h', absoluteTimeout: '12h' } });
  const gone = await imported({ 'a.cfg': `${MINIMAL}cookie_expire = "0"\n` });
  expect(gone.config['session']).toEqual({ idleTimeout: '7d', absoluteTimeout: '7d' });
});

const GITHUB = 'https://github.com/orgs';

describe('who may log in', () => {
  const closed = { claims: { 'replace-this-rule': expect.any(Array) as unknown } };

  test.each([
    ['a GitHub repository', 'provider = "github"\ngithub_repo = "acme/shop"'],
    ['Google groups', 'provider = "google"\ngoogle_groups = ["staff@example.com"]'],
    ['GitLab projects', 'provider = "gitlab"\ngitlab_projects = ["acme/shop"]'],
    ['a Bitbucket team', 'provider = "bitbucket"\nbitbucket_team = "acme"'],
    ['a missing email file', 'email_domains = []\nauthenticated_emails_file = "/nowhere"'],
    ['subdomains', 'email_domains = [".example.com"]'],
    [
      'GitHub groups outside the configured organization',
      'provider = "github"\ngithub_org = "acme"\nallowed_groups = ["acme:staff", "other"]',
    ],
    [
      'GitHub groups beside users, who need both',
      'provider = "github"\ngithub_users = ["bob"]\nallowed_groups = ["acme"]',
    ],
    [
      'GitLab projects beside groups that they replace',
      'provider = "gitlab"\ngitlab_projects = ["acme/shop"]\nallowed_groups = ["staff"]',
    ],
  ])('%s: a rule that cannot be carried over admits nobody', async (_name, lines) => {
    const keys = lines.split('\n').map((line) => line.split(' ')[0]);
    const base = MINIMAL.split('\n').filter((line) => !keys.includes(line.split(' ')[0]));
    const { config, err } = await imported({ 'a.cfg': [...base, lines].join('\n') });
    expect(config).toMatchObject({ login: { oidc: [{ allow: closed }] } });
    expect(err).toMatch(/Replace allow\.claims\.replace-this-rule/);
  });

  test('groups, roles and users are alternatives at every route', async () => {
    const lines = 'allowed_groups = ["/staff"]\nallowed_roles = ["admin", "shop:editor"]\n';
    const { config } = await imported({ 'a.cfg': `${MINIMAL.replace('oidc"', 'keycloak-oidc"')}${lines}` });
    expect(config).toMatchObject({
      login: {
        oidc: [
          {
            groups: 'groups',
            roles: 'realm_access.roles',
            attributes: { 'roles-of-shop': 'resource_access.shop.roles' },
          },
        ],
      },
      routes: [
        {
          allow: {
            any: [
              { claims: { groups: ['/staff'] } },
              { claims: { roles: ['admin'] } },
              { claims: { 'roles-of-shop': ['editor'] } },
            ],
          },
        },
      ],
    });
    expect(JSON.stringify(config['login'])).not.toContain('"allow":{"groups"');
  });

  test.each([
    ['acme:admins', '', { groups: [`${GITHUB}/acme/teams/admins`] }, 'teams[].html_url'],
    ['acme:admins', 'github_org = "acme"\n', { groups: [`${GITHUB}/acme/teams/admins`] }, 'teams[].html_url'],
    ['acme', 'github_org = "acme"\n', { groups: ['acme'] }, 'orgs[].login'],
  ])('at GitHub, %s is a group, with the setting "%s"', async (group, more, allow, groups) => {
    const base = MINIMAL.replace('"oidc"', '"github"').replace(/oidc_issuer.*\n/, '');
    const { config } = await imported({ 'a.cfg': `${base}allowed_groups = ["${group}"]\n${more}` });
    expect(config).toMatchObject({ login: { oidc: [{ groups, allow }] } });
  });

  test('GitHub organizations and teams are alternatives; a team is ignored beside users', async () => {
    const base = MINIMAL.replace('"oidc"', '"github"').replace(/oidc_issuer.*\n/, '');
    const both = await imported({ 'a.cfg': `${base}allowed_groups = ["acme", "other:staff"]\n` });
    expect(both.config).toMatchObject({
      login: { oidc: [{ groups: 'orgs[].login', attributes: { teams: 'teams[].html_url' } }] },
      routes: [
        { allow: { any: [{ claims: { groups: ['acme'] } }, { claims: { teams: [`${GITHUB}/other/teams/staff`] } }] } },
      ],
    });
    const users = await imported({ 'a.cfg': `${base}github_team = "acme:staff"\ngithub_users = ["bob"]\n` });
    expect(users.config).toMatchObject({ login: { oidc: [{ allow: { claims: { login: ['bob'] } } }] } });
    expect(users.out).not.toContain('teams');
  });

  test.each([
    ['gitlab', 'gitlab_groups', 'allowed_groups'],
    ['keycloak', 'keycloak_groups', 'allowed_groups'],
    ['keycloak-oidc', 'allowed_groups', 'keycloak_groups'],
  ])('%s: %s counts, and the other option admits nobody', async (provider, counts, ignored) => {
    const lines = `${ignored} = ["others"]\n${counts} = ["staff"]\n`;
    const { config, err } = await imported({ 'a.cfg': `${MINIMAL.replace('"oidc"', `"${provider}"`)}${lines}` });
    expect(config).toMatchObject({ login: { oidc: [{ allow: { groups: ['staff'] } }] } });
    expect(err).toMatch(new RegExp(`${ignored} \\(a\\.cfg\\)\\n {4}oauth2-proxy does not look at it`));
  });

  test('roles of two clients are never confused, even with similar names', async () => {
    const lines = 'allowed_roles = ["a.b:x", "a-b:y"]\n';
    const { config } = await imported({ 'a.cfg': `${MINIMAL.replace('oidc"', 'keycloak-oidc"')}${lines}` });
    expect(config).toMatchObject({
      login: {
        oidc: [
          {
            attributes: {
              'roles-of-a-b': 'resource_access.a.b.roles',
              'roles-of-a-b-2': 'resource_access.a-b.roles',
            },
          },
        ],
      },
      routes: [{ allow: { any: [{ claims: { 'roles-of-a-b': ['x'] } }, { claims: { 'roles-of-a-b-2': ['y'] } }] } }],
    });
  });

  test('a rule that admits nobody applies to users of a password file too', async () => {
    const lines = 'gitlab_projects = ["acme/shop"]\nhtpasswd_file = "htpasswd"\n';
    const { config } = await imported({ 'a.cfg': `${MINIMAL.replace('oidc"', 'gitlab"')}${lines}` });
    expect(config).toMatchObject({ login: { password: {}, oidc: [{ allow: closed }] }, routes: [{ allow: closed }] });
  });

  test('tokens are not accepted where a route cannot apply the rule of the login', async () => {
    const tokens = 'skip_jwt_bearer_tokens = true\n';
    const open = await imported({ 'a.cfg': `${MINIMAL}${tokens}` });
    expect(open.config).toMatchObject({ routes: [{ credential: ['session', { service: ['oidc'] }] }] });
    const byDomain = await imported({ 'a.cfg': `${MINIMAL.replace('"*"', '"example.com"')}${tokens}` });
    expect(byDomain.config).toMatchObject({ routes: [{ credential: 'session' }] });
    expect(byDomain.err).toMatch(/skip_jwt_bearer_tokens \(a\.cfg\)\n {4}A route cannot ask for the domain/);
  });
});

describe('public paths', () => {
  test.each([
    ['^/health$', [['exactPath', '/health']]],
    ['^/health/?$', [['exactPath', '/health']]],
    ['^/static/', [['path', '/static/*']]],
    ['^/static/.*', [['path', '/static/*']]],
    ['^/.+', [['path', '/*']]],
    ['^/api/public(/.*)?$', [['path', '/api/public']]],
    ['^/api(?:/|$)', [['path', '/api']]],
    [
      '^/(robots\\.txt|favicon\\.ico)$',
      [
        ['exactPath', '/robots.txt'],
        ['exactPath', '/favicon.ico'],
      ],
    ],
    ['^/', [['path', '/']]],
    ['/public', [['path', '/public']]],
    ['^/x[0-9]+$', null],
    ['\\.css$', null],
    ['^/a.b$', null],
    ['^/a|/b$', null],
    ['.*', null],
  ])('%s', (expression, matches) => {
    const read = readExpression(expression);
    expect(read?.matches.map(({ kind, pattern }) => [kind, pattern]) ?? null).toEqual(matches);
  });

  test('never match more than the expression does', () => {
    const segment = fc.constantFrom('a', 'b', 'ab', 'x1', 'a.b', 'css');
    const path = fc
      .tuple(fc.array(segment, { maxLength: 4 }), fc.boolean())
      .map(([parts, hasSlash]) => `/${parts.join('/')}${hasSlash && parts.length > 0 ? '/' : ''}`);
    const piece = fc.constantFrom(
      '/',
      'a',
      'b',
      'ab',
      '\\.',
      '.',
      '.*',
      '(a|b)',
      '(?:a|b\\.c)',
      '[ab]',
      '/?',
      '(/.*)?',
      '$',
      '|',
      '+',
      '^',
    );
    const expression = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''));
    const written = fc.tuple(fc.constantFrom('', '^', '^/', '/'), expression).map((parts) => parts.join(''));
    fc.assert(
      fc.property(written, fc.array(path, { minLength: 1, maxLength: 10 }), (source, paths) => {
        const read = readPublicPath(source);
        if (typeof read === 'string') return;
        for (const one of paths) {
          if (!read.matches.some(({ kind, pattern }) => matches(kind, pattern, one))) continue;
          // Routes treat a path with and without a trailing slash as the same.
          expect(
            [one, bare(one)].some((spelling) => new RegExp(source).test(spelling)),
            `${source} ${one}`,
          ).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

const bare = (path: string) => path.replace(/(.)\/$/, '$1');

/** Matches as routes do with patterns without parameters. */
function matches(kind: 'path' | 'exactPath', pattern: string, written: string): boolean {
  const path = bare(written);
  if (kind === 'exactPath') return path === pattern;
  if (pattern === '/') return true;
  if (!pattern.endsWith('/*')) return path === pattern || path.startsWith(`${pattern}/`);
  return path.startsWith(pattern.slice(0, -1)) && path.length >= pattern.length;
}

test('words are split as a shell would do', () => {
  expect(readWords(`oauth2-proxy \\\n --a="b c" # no\n '--d=e f' --g h\\ i ""`)).toEqual([
    'oauth2-proxy',
    '--a=b c',
    '--d=e f',
    '--g',
    'h i',
    '',
  ]);
  const word = fc.string({ unit: 'grapheme-ascii', maxLength: 12 });
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const quoted = words.map((one) => `'${one.replaceAll("'", `'"'"'`)}'`).join(' ');
      expect(readWords(quoted)).toEqual(words);
    }),
  );
});

test.each([
  ['168h0m0s', 604_800_000],
  ['1.5h', 5_400_000],
  ['300ms', 300],
  ['0', 0],
  ['3600', null],
  ['-1h', null],
])('the duration %s', (text, durationMs) => {
  expect(readDuration(text)).toBe(durationMs);
});

test('the how-to guide shows what the import writes', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/how-to/move-from-oauth2-proxy.md'), 'utf8');
  const block = (language: string) =>
    new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page)?.[1] ?? '';
  const { out } = await imported({ 'oauth2-proxy.cfg': block('toml') });
  const lines = out.split('\n').filter((line) => line !== '' && !/^# (?:Made|A comment)/.test(line));
  expect(block('yaml').trimEnd().split('\n')).toEqual(lines);
});
