/** The table of oauth2-proxy's options is complete and matches both the configuration and the import. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ALPHA_ROWS } from '../../../src/cli/import/oauth2-proxy/alpha-rows.ts';
import { importOauth2Proxy } from '../../../src/cli/import/oauth2-proxy/import.ts';
import type { OptionRow } from '../../../src/cli/import/oauth2-proxy/options/row.ts';
import { OAUTH2_PROXY_VERSION, OPTIONS } from '../../../src/cli/import/oauth2-proxy/options/table.ts';
import { schemasAt } from '../../../src/config/walk.ts';
import { bareSchema } from '../../../src/gateway/configuration/schema.ts';

const FOLDER = join(import.meta.dirname, 'oauth2-proxy');
const linesOf = (name: string) =>
  readFileSync(join(FOLDER, name), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

describe('the table', () => {
  test('has every option of oauth2-proxy, and no other', () => {
    const listed = OPTIONS.map(({ flag, key }) => `${flag} ${key}`);
    expect(listed.toSorted()).toEqual(linesOf('options.txt').toSorted());
    expect(readFileSync(join(FOLDER, 'options.txt'), 'utf8')).toContain(`oauth2-proxy v${OAUTH2_PROXY_VERSION}:`);
  });

  test('has every key of the alpha configuration, and no other', () => {
    expect(ALPHA_ROWS.map(({ path }) => path).toSorted()).toEqual(linesOf('alpha-keys.txt').toSorted());
    expect(readFileSync(join(FOLDER, 'alpha-keys.txt'), 'utf8')).toContain(`oauth2-proxy v${OAUTH2_PROXY_VERSION},`);
  });

  test('names existing keys of the configuration', () => {
    const rows = [...OPTIONS, ...ALPHA_ROWS.flatMap(({ as }) => (typeof as === 'string' ? [] : [as]))];
    const named = new Set(rows.flatMap(({ becomes }) => (typeof becomes === 'string' ? [] : becomes)));
    expect(named.size).toBeGreaterThan(50);
    expect([...named].filter((key) => !isKey(key))).toEqual([]);
  });
});

/** Whether the configuration has a key, written as in the reference: `login.oidc[].allow.groups`, `upstreams.<name>.endpoints`. */
function isKey(key: string): boolean {
  const path = key.split(/\.|(?=\[\])/).map((part) => (part === '[]' ? 0 : part));
  return schemasAt(SCHEMA, path).length > 0;
}

const SCHEMA = bareSchema();

/** Values that are not the default, for options that need a certain form. */
const EXAMPLES: Readonly<Record<string, string>> = {
  auth_request_response_mode: '"form_post"',
  authenticated_emails_file: '"emails"',
  cookie_refresh: '"5m"',
  cookie_samesite: '"strict"',
  custom_sign_in_logo: '"logo.svg"',
  email_domains: '["example.com"]',
  extra_jwt_issuers: '["https://ci.example.com=shop"]',
  http_address: '"0.0.0.0:80"',
  https_address: '":8443"',
  login_url: '"https://id.example.com/authorize"',
  metrics_address: '":9100"',
  oidc_issuer_url: '"https://other.example.com"',
  profile_url: '"https://id.example.com/userinfo"',
  provider: '"adfs"',
  proxy_prefix: '"/sso"',
  redeem_url: '"https://id.example.com/token"',
  redirect_url: '"https://other.example.com/oauth2/callback"',
  redis_cluster_connection_urls: '["redis://a:6379", "redis://b:6379"]',
  redis_connection_url: '"redis://redis:6379"',
  redis_sentinel_connection_urls: '["redis://a:26379", "redis://b:26379"]',
  session_store_type: '"redis"',
  skip_auth_regex: '["^/health$"]',
  skip_auth_routes: '["^/health$"]',
  tls_min_version: '"TLS1.3"',
  upstreams: '["http://127.0.0.1:3001/"]',
  validate_url: '"https://github.example.com/api/v3/user"',
};

/** Other settings without which oauth2-proxy ignores an option. */
const BESIDE: Readonly<Record<string, string>> = {
  allowed_roles: 'provider = "keycloak-oidc"',
  azure_tenant: 'provider = "azure"\noidc_issuer_url = ""',
  authenticated_emails_file: 'email_domains = []',
  client_secret_file: 'client_secret = ""',
  cookie_refresh: 'scope = "openid offline_access"',
  entra_id_allowed_tenants: 'provider = "entra-id"',
  force_https: 'tls_cert_file = "tls.crt"\ntls_key_file = "tls.key"',
  https_address: 'tls_cert_file = "tls.crt"\ntls_key_file = "tls.key"',
  htpasswd_user_groups: 'htpasswd_file = "htpasswd"\nallowed_groups = ["staff"]',
  gitlab_groups: 'provider = "gitlab"',
  github_org: 'provider = "github"',
  github_team: 'provider = "github"\ngithub_org = "acme"',
  github_users: 'provider = "github"',
  jwt_key: 'provider = "login.gov"\nclient_secret = ""',
  jwt_key_file: 'provider = "login.gov"\nclient_secret = ""',
  keycloak_groups: 'provider = "keycloak-oidc"',
  login_url: 'provider = "nextcloud"',
  oidc_extra_audiences: 'skip_jwt_bearer_tokens = true',
  profile_url: 'provider = "nextcloud"',
  provider_ca_files: '',
  redeem_url: 'provider = "nextcloud"',
  extra_jwt_issuers: 'skip_jwt_bearer_tokens = true',
  pass_basic_auth: 'pass_user_headers = false',
  pass_user_headers: 'pass_basic_auth = false',
  redis_ca_path: 'session_store_type = "redis"\nredis_connection_url = "rediss://redis:6379"',
  redis_cluster_connection_urls: 'session_store_type = "redis"\nredis_use_cluster = true',
  redis_connection_url: 'session_store_type = "redis"',
  redis_password: 'session_store_type = "redis"\nredis_connection_url = "redis://redis:6379"',
  redis_sentinel_connection_urls: 'session_store_type = "redis"\nredis_use_sentinel = true',
  redis_sentinel_master_name:
    'session_store_type = "redis"\nredis_use_sentinel = true\nredis_sentinel_connection_urls = ["redis://a:26379"]',
  redis_sentinel_password:
    'session_store_type = "redis"\nredis_use_sentinel = true\nredis_sentinel_connection_urls = ["redis://a:26379"]',
  redis_use_cluster: 'session_store_type = "redis"\nredis_cluster_connection_urls = ["redis://a:6379"]',
  redis_use_sentinel: 'session_store_type = "redis"\nredis_sentinel_connection_urls = ["redis://a:26379"]',
  redis_username: 'session_store_type = "redis"\nredis_connection_url = "redis://redis:6379"',
  tls_cert_file: 'tls_key_file = "tls.key"',
  tls_key_file: 'tls_cert_file = "tls.crt"',
  tls_min_version: 'tls_cert_file = "tls.crt"\ntls_key_file = "tls.key"',
  trusted_proxy_ips: 'reverse_proxy = true',
  validate_url: 'provider = "github"',
};

const BASE = {
  provider: '"oidc"',
  client_id: '"shop"',
  client_secret: '"secret"',
  oidc_issuer_url: '"https://id.example.com"',
  email_domains: '["*"]',
  redirect_url: '"https://shop.example.com/oauth2/callback"',
  upstreams: '["http://127.0.0.1:3000/"]',
};

function exampleOf({ key, type, default: preset }: OptionRow): string {
  const example = EXAMPLES[key];
  if (example !== undefined) return example;
  switch (type) {
    case 'boolean':
      return String(preset !== true);
    case 'number':
      return '12345';
    case 'duration':
      return '"5m"';
    case 'list':
      return '["10.0.0.0/8"]';
    default:
      return '"other"';
  }
}

/** Imports a file that sets one option to a value other than its default. */
async function importWith(row: OptionRow, written = exampleOf(row)) {
  const beside = (BESIDE[row.key] ?? '').split('\n').filter((line) => line !== '');
  const others = Object.fromEntries(beside.map((line) => line.split(' = ') as [string, string]));
  const lines = Object.entries({ ...BASE, ...others, [row.key]: written }).map(([key, value]) => `${key} = ${value}`);
  const imported = await importOauth2Proxy([{ name: 'oauth2-proxy.cfg', text: lines.join('\n') }], {
    origins: [],
    secretsDirectory: null,
    readNamed: (path) => ({ emails: 'ada@example.com\n', htpasswd: 'ada:x\n' })[path] ?? null,
  });
  const [, dropped = ''] = /\nNot carried over\n([\s\S]*?)(?:\n\n|$)/.exec(imported.report) ?? [];
  return { ...imported, isDropped: dropped.includes(`  ${row.key} (oauth2-proxy.cfg)\n`) };
}

const inFiles = OPTIONS.filter(
  ({ key }) => !['config', 'alpha_config', 'config_test', 'convert_config_to_alpha', 'version'].includes(key),
);
const rowsThat = (fits: (row: OptionRow) => boolean) => inFiles.filter(fits).map((row) => [row.key, row] as const);

describe('an option that becomes a key', () => {
  test.each(rowsThat(({ becomes }) => typeof becomes !== 'string'))('%s is carried over', async (_key, row) => {
    const { yaml, isDropped, report } = await importWith(row);
    expect([isDropped, report]).toEqual([false, report]);
    const written = parse(yaml) as unknown;
    // Both are on by default, so setting them leaves the headers out.
    if (row.key === 'pass_user_headers' || row.key === 'pass_basic_auth') {
      expect(has(written, 'routes[].identityHeaders')).toBe(false);
      return;
    }
    expect((row.becomes as readonly string[]).filter((key) => has(written, key))).not.toEqual([]);
  });
});

/** Whether a configuration has a key somewhere. */
function has(value: unknown, key: string): boolean {
  const [part = '', ...rest] = key.split(/\.|(?=\[\])/);
  if (part === '') return value !== undefined;
  if (typeof value !== 'object' || value === null) return false;
  const inner =
    part === '[]' || part === '<name>'
      ? Object.values(value)
      : Object.hasOwn(value, part)
        ? [(value as Record<string, unknown>)[part]]
        : [];
  return inner.some((one) => has(one, rest.join('.').replaceAll('.[]', '[]')));
}

describe('an option without an equivalent', () => {
  test.each(rowsThat(({ becomes }) => becomes === 'dropped'))('%s is reported', async (_key, row) => {
    const [provider] = row.onlyWith ?? [];
    const beside = provider === undefined ? row : { ...row };
    const { isDropped, report } = await importWith(beside);
    expect(isDropped, report).toBe(true);
  });
});

describe('an option that is built in', () => {
  test.each(rowsThat(({ becomes, contrary }) => becomes === 'builtIn' && contrary === undefined))(
    '%s needs nothing',
    async (_key, row) => {
      expect((await importWith(row)).isDropped).toBe(false);
    },
  );

  test.each(rowsThat(({ contrary }) => contrary !== undefined))(
    '%s is reported if it is set to the contrary',
    async (_key, row) => {
      expect((await importWith(row, JSON.stringify(row.contrary))).isDropped).toBe(true);
    },
  );
});
