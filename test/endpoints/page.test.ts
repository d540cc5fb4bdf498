/** The reference page of the endpoints lists those that the gateway has. */

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PUBLIC_ENDPOINTS } from '../../scripts/reference/endpoints.ts';

const ROOT = join(import.meta.dirname, '../../src/endpoints');

test('A6: the page lists every endpoint and no other', () => {
  const source = globSync('**/*.ts', { cwd: ROOT })
    .map((file) => readFileSync(join(ROOT, file), 'utf8'))
    .join('\n');
  const rows = [
    ...[...source.matchAll(/\brow\('([A-Z]+)', ['`]([^'`]+)['`]/g)].map(
      ([, method, path = '']) => `${method} {base}${path.replace(/\$\{(\w+)\}/, ':$1')}`,
    ),
    // The path of a callback is a setting of its provider.
    ...[...source.matchAll(/\brow\('([A-Z]+)', settings\.callbackPath,/g)].map(
      ([, method]) => `${method} {base}/callback/:name`,
    ),
    ...[...source.matchAll(/method: '([A-Z]+)',\s+path: `\$\{[\w.]+\}([^`]+)`/g)].map(
      ([, method, path]) => `${method} {base}${path}`,
    ),
    ...[...source.matchAll(/method: '([A-Z]+)',\s+path: '([^']+)'/g)].map(([, method, path]) => `${method} ${path}`),
    ...[...source.matchAll(/\brow\((?:'([^']+)'|JWKS_PATH), \(\)/g)].map(
      ([, path = '/.well-known/jwks.json']) => `GET ${path}`,
    ),
  ];
  expect(rows.toSorted()).toEqual(PUBLIC_ENDPOINTS.map(([method, path]) => `${method} ${path}`).toSorted());
});
