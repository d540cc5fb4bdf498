/** `docs/reference/lifetimes.md` and its picture show the defaults of the configuration. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/gateway/configuration/load.ts';
import { formatDuration, parseDurationMs } from '../../src/lib/text/units.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/reference/lifetimes.md'), 'utf8');
const PICTURE = readFileSync(join(ROOT, 'docs/images/lifetimes.svg'), 'utf8');

/** Every section, without the keys that have a default. */
const BARE = `version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 127.0.0.1:8080, trustedProxies: [127.0.0.1] }, admin: { tokenFile: token } }
store: { redis: { url: redis://127.0.0.1 } }
session: { remember: {} }
login: { oidc: [{ name: one, issuer: https://id.example.com, clientId: shop }] }
refresh: {}
upstreamToken: { keys: { directory: keys } }
tokenEndpoint: { clients: { cart: { clientSecretFile: secret, exchange: { orders: {} } } } }
issuers: { one: { issuer: https://id.example.com, jwksUrl: https://id.example.com/jwks, algorithms: [ES256] } }
upstreams: { app: { endpoints: [https://app.internal] } }
routes: [{ id: app, match: { path: / }, credential: [session, { service: [one] }], upstream: app }]
`;

const { loaded, problems } = loadConfig(BARE, {
  path: 'sallyport.yaml',
  cwd: '/',
  env: {},
  files: { problem: () => null, isWorldReadable: () => false, read: () => null },
});

function valueAt(key: string): unknown {
  let at: unknown = loaded?.config;
  for (const part of key.split(/\.|(?=\[\])/)) {
    const name = part === '[]' ? 0 : part === '<name>' ? 'one' : part;
    at = (at as Record<string | number, unknown> | undefined)?.[name];
  }
  return at;
}

const rows = [...PAGE.matchAll(/^\| ([^|]+) \| \*\*(\S+)\*\* \| (?:fixed|`([^`]+)`) \|/gm)].map(
  ([, name = '', shown = '', key]) => ({ name, shown, key: key ?? null }),
);

test('the configuration that the rows are compared to is valid', () => {
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  expect(rows.length).toBeGreaterThan(20);
});

describe('the lifetime of', () => {
  test.each(rows.map((row) => [`${row.name} (${row.key ?? 'fixed'})`, row] as const))(
    '%s is the default',
    (_name, { name, shown, key }) => {
      const shownMs = shown === 'off' ? undefined : parseDurationMs(shown);
      if (key !== null) expect(valueAt(key)).toBe(shownMs);
      else expect(shownMs).toBeGreaterThan(0);
      const value = shownMs == null ? 'off by default' : formatDuration(shownMs);
      expect(PICTURE).toMatch(
        new RegExp(
          `<text x="16"[^>]*>${name}</text>\n<text class="key"[^>]*>${escaped(key ?? 'fixed')}</text>\n(?:<rect[^\n]*\n)?<text [^>]*>${value}</text>`,
        ),
      );
    },
  );
});

const escaped = (text: string) => text.replaceAll('<', '&lt;').replaceAll(/[.[\]]/g, '\\$&');

test('the picture has light and dark colours, and no scripts, fonts or external resources', () => {
  expect(PICTURE).not.toMatch(/<script|href=|url\(|@import|\bon\w+=/);
  expect(PICTURE).toContain('@media (prefers-color-scheme:dark)');
  expect(PICTURE).toMatch(/role="img" aria-labelledby="title"/);
});
