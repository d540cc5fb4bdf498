/**
 * Which cases of the attack catalogue have a test. A case is covered by a test whose title begins with its id, wherever
 * under `test/` it is; the ids are listed here, so that a case that loses its last test is noticed.
 */

import { globSync, readFileSync } from 'node:fs';
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

/** Cases about what does not exist (yet), and why. */
const NOT_YET: Readonly<Record<string, string>> = {
  'COK-16': 'no cookie is signed: the session cookie is an opaque id',
  'UPS-05': 'an upstream is found by its configured name, not by a key made of parts',
  'UPS-11': 'addresses are not checked after resolution: endpoints are named by the operator',
};

/** `'HDR-02: …'` and, in a table, `'HDR-02'`; also several ids with commas between them. */
function idsAtStartOfStrings(source: string): string[] {
  const starts = source.matchAll(/['"`](?<ids>(?:[A-Z]{2,4}-\d\d(?:, )?)+)/g);
  return [...starts].flatMap((start) => start.groups?.['ids']?.split(', ') ?? []);
}

test('every case of the catalogue that concerns what exists has a test', () => {
  const files = globSync('test/**/*.test.ts').filter((file) => !import.meta.filename.endsWith(file));
  const titled = new Set(files.flatMap((file) => idsAtStartOfStrings(readFileSync(file, 'utf8'))));
  const missing = CASES.filter((id) => !titled.has(id));
  expect(missing.filter((id) => !(id in NOT_YET))).toEqual([]);
});
