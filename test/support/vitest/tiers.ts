/**
 * The tiers of the tests. The tier of a file follows from its imports, direct or through other files of the test tree,
 * so that there is no list to maintain: `shipping` is a folder, what can start any other process is `e2e`, what can
 * start Redis is `redis`, what runs whole gateways, identity providers or password hashes in its own process is `gateway`,
 * and the rest, the fast ones, is `unit`.
 */

import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type Tier = 'unit' | 'gateway' | 'redis' | 'e2e' | 'shipping';

const ROOT = join(import.meta.dirname, '../../..');
const TESTS = join(ROOT, 'test');
const REDIS = join(TESTS, 'support/redis.ts');
const GATEWAY = [
  'test/support/gateway.ts',
  'test/support/providers/identity-provider.ts',
  'src/endpoints/login/password/hash.ts',
].map((name) => join(ROOT, name));
const STARTS_PROCESSES = ['node:child_process', 'playwright-core'];
/** Imports of values; types are erased. */
const IMPORT = /^(?:import|export)\s(?!type\s)[^'"]*?from\s*'([^']+)'|^import\s*'([^']+)'/gm;

/** The test files of each tier, relative to the root of the repository. */
export function filesByTier(): Readonly<Record<Tier, readonly string[]>> {
  const importsOf = new Map<string, readonly string[]>();
  const files = globSync('test/**/*.test.ts', { cwd: ROOT }).toSorted();
  const tiers: Record<Tier, string[]> = { unit: [], gateway: [], redis: [], e2e: [], shipping: [] };
  for (const file of files) tiers[tierOf(file, importsOf)].push(file);
  return tiers;
}

function tierOf(file: string, importsOf: Map<string, readonly string[]>): Tier {
  if (file.startsWith('test/shipping/')) return 'shipping';
  const reached = new Set<string>();
  reach(join(ROOT, file), importsOf, reached);
  if (STARTS_PROCESSES.some((name) => reached.has(name))) return 'e2e';
  if (reached.has(REDIS)) return 'redis';
  return GATEWAY.some((name) => reached.has(name)) ? 'gateway' : 'unit';
}

/** Collects the direct and indirect imports of a file: paths of the test tree, names of packages. */
function reach(file: string, importsOf: Map<string, readonly string[]>, reached: Set<string>): void {
  if (reached.has(file)) return;
  reached.add(file);
  const isOpened = file.startsWith(TESTS) && file !== REDIS && existsSync(file);
  if (!isOpened) return;
  const imports = importsOf.get(file) ?? readImports(file);
  importsOf.set(file, imports);
  for (const name of imports) reach(name, importsOf, reached);
}

function readImports(file: string): readonly string[] {
  const names = [...readFileSync(file, 'utf8').matchAll(IMPORT)].map(([, from, bare = '']) => from ?? bare);
  return names.map((name) => (name.startsWith('.') ? join(dirname(file), name) : name));
}
