/**
 * Every case of the attack catalogue has a test: one whose title begins with the id of the case, anywhere under `test/`. The
 * ids are listed here, so that losing the last test of a case is noticed.
 */

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const range = (prefix: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => `${prefix}-${String(from + at).padStart(2, '0')}`);

/** Identity and forwarding headers, hop-by-hop, paths, hosts, framing, cookies, WebSockets, upstreams, resources, refresh, OIDC. */
const CASES = [
  ...range('HDR', 1, 24),
  ...range('HBH', 1, 8),
  ...range('PTH', 1, 33),
  ...range('HST', 1, 14),
  ...range('SMG', 1, 43),
  ...range('COK', 1, 20),
  ...range('WS', 1, 18),
  ...range('UPS', 1, 12),
  ...range('TLS', 1, 7),
  ...range('JWT', 1, 57),
  ...range('DOS', 1, 8),
  ...range('REF', 1, 15),
  ...range('OIDC', 1, 19),
  ...['DOS-15', 'DOS-18', 'DOS-19', 'CSRF-15', 'CFG-13', 'CFG-14'],
];

/** Cases that do not apply (yet), and why. */
const NOT_YET: Readonly<Record<string, string>> = {
  'COK-16': 'no cookie is signed: the session cookie is an opaque id',
  'UPS-05': 'an upstream is found by its configured name, not by a key made of parts',
  'UPS-11': 'addresses are not checked after resolution: endpoints are named by the operator',
};

/**
 * The plans of the OpenID conformance suite for relying parties that use the code flow, with their modules, as of August 2026
 * (`openid/client` of its sources). Dynamic registration, session management and third-party initiated login are left out: the
 * gateway does not offer them.
 */
const PLANS: Readonly<Record<string, readonly string[]>> = {
  'oidcc-client-basic-certification-test-plan': [
    'oidcc-client-test',
    'oidcc-client-test-invalid-iss',
    'oidcc-client-test-missing-sub',
    'oidcc-client-test-invalid-aud',
    'oidcc-client-test-missing-iat',
    'oidcc-client-test-kid-absent-single-jwks',
    'oidcc-client-test-kid-absent-multiple-jwks',
    'oidcc-client-test-idtoken-sig-rs256',
    'oidcc-client-test-idtoken-sig-none',
    'oidcc-client-test-invalid-sig-rs256',
    'oidcc-client-test-userinfo-invalid-sub',
    'oidcc-client-test-nonce-invalid',
    'oidcc-client-test-scope-userinfo-claims',
    'oidcc-client-test-client-secret-basic',
  ],
  // The modules of the basic plan again.
  'oidcc-client-formpost-basic-certification-test-plan': [],
  'oidcc-client-config-certification-test-plan': [
    'oidcc-client-test-discovery-openid-config',
    'oidcc-client-test-discovery-jwks-uri-keys',
    'oidcc-client-test-discovery-issuer-mismatch',
    'oidcc-client-test-idtoken-sig-none',
    'oidcc-client-test-signing-key-rotation-just-before-signing',
    'oidcc-client-test-signing-key-rotation',
  ],
  // Not part of the certification.
  'oidcc-client-refreshtoken-test-plan': [
    'oidcc-client-test-refresh-token',
    'oidcc-client-test-refresh-token-invalid-issuer',
    'oidcc-client-test-refresh-token-invalid-sub',
  ],
  'oidcc-client-rp-initiated-logout-rp-basic': [
    'oidcc-client-test-rp-init-logout',
    'oidcc-client-test-rp-init-logout-other-state',
    'oidcc-client-test-rp-init-logout-no-state',
  ],
  'oidcc-client-front-channel-logout-rp-basic': ['oidcc-client-test-rp-frontchannel-rpinitlogout'],
  'oidcc-client-back-channel-logout-rp-basic': [
    'oidcc-client-test-rp-backchannel-rpinitlogout',
    'oidcc-client-test-rp-backchannel-rpinitlogout-alg-none',
    'oidcc-client-test-rp-backchannel-rpinitlogout-no-event',
    'oidcc-client-test-rp-backchannel-rpinitlogout-with-nonce',
    'oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg',
    'oidcc-client-test-rp-backchannel-rpinitlogout-wrong-aud',
    'oidcc-client-test-rp-backchannel-rpinitlogout-wrong-event',
    'oidcc-client-test-rp-backchannel-rpinitlogout-wrong-iss',
  ],
};

/** Finds `'HDR-02: …'` and, in a table, `'HDR-02'`; also several ids separated by commas. */
function idsAtStartOfStrings(source: string): string[] {
  const starts = source.matchAll(/['"`](?<ids>(?:[A-Z]{2,4}-\d\d(?:, )?)+)/g);
  return [...starts].flatMap((start) => start.groups?.['ids']?.split(', ') ?? []);
}

test('every case of the catalogue that applies has a test', () => {
  const files = globSync('test/**/*.test.ts').filter((file) => !import.meta.filename.endsWith(file));
  const titled = new Set(files.flatMap((file) => idsAtStartOfStrings(readFileSync(file, 'utf8'))));
  const missing = CASES.filter((id) => !titled.has(id));
  expect(missing.filter((id) => !(id in NOT_YET))).toEqual([]);
});

test('every module of the conformance plans has a test', () => {
  const source = readFileSync(join(import.meta.dirname, 'oidc-conformance.test.ts'), 'utf8');
  const titled = new Set([...source.matchAll(/'(oidcc-client-[a-z0-9-]+)[':]/g)].map(([, name]) => name));
  const expected = Object.entries(PLANS).flatMap(([plan, modules]) => [plan, ...modules]);
  expect(expected.filter((name) => !titled.has(name))).toEqual([]);
});
