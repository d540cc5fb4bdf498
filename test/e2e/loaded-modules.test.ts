/** What a gateway loads at start: memory and time that every sidecar pays for. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GatewayProcess } from '../support/process.ts';

const ROOT = join(import.meta.dirname, '../..');
const PACKAGES = Object.keys(
  (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { dependencies: object }).dependencies,
);

test('a gateway loads only the packages that its configuration uses, and no second HTTP client', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-modules-'));
  const file = join(directory, 'loaded.json');
  const recorder = `${join(ROOT, 'test/support/record-modules.ts')}?to=${encodeURIComponent(file)}`;
  try {
    await using gateway = await GatewayProcess.start({ nodeArgs: ['--import', `file://${recorder}`] });
    gateway.signal('SIGTERM');
    await gateway.ended;
    const loaded = JSON.parse(readFileSync(file, 'utf8')) as readonly string[];
    const packages = PACKAGES.filter((name) => loaded.some((it) => it.includes(`/node_modules/${name}/`)));
    expect(packages).toEqual(['@opentelemetry/api', 'jose', 'lru-cache', 'pino', 'prom-client', 'yaml', 'zod']);
    // Of jose, only the modules that are used.
    expect(loaded.filter((it) => /\/jose\/.*\/(?:jwe\/.*|webapi\/index\.js)/.test(it))).toEqual([]);
    // What an import statement of node:http loads: see src/lib/http/node-http.ts.
    expect(loaded.filter((it) => it.includes('undici'))).toEqual([]);
    expect(loaded).toContain('NativeModule http');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
