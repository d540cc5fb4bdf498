import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');

/** Everything that a file loads: files by their path in the repository, packages by their name. */
function loadedWith(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const code = readFileSync(join(ROOT, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const statements = code.matchAll(/^(?:import|export)\s+(?:([^'"]*?)\s+from\s+)?'([^']+)'/gm);
  for (const [, names = '', specifier = ''] of statements) {
    // Type-only imports are stripped.
    if (/^type\s/.test(names) || /^\{\s*(?:type\s+[^,}]+,?\s*)+\}$/.test(names.trim())) continue;
    if (specifier.startsWith('.')) loadedWith(relative(ROOT, join(ROOT, dirname(file), specifier)), found);
    else found.add(isBuiltin(specifier) ? specifier : packageOf(specifier));
  }
  return found;
}

/** `jose` of `jose/jwk/thumbprint`, `@scope/name` of `@scope/name/part`. */
const packageOf = (specifier: string) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;

test('@sallyport/verify loads only jose, Node modules, jwt/ and lib/: no gateway, configuration or store', () => {
  const loaded = [...loadedWith('packages/verify/src/index.ts')];
  expect(loaded.filter((name) => !name.endsWith('.ts') && !isBuiltin(name))).toEqual(['jose']);
  const elsewhere = loaded.filter(
    (name) => name.endsWith('.ts') && !/^(?:packages\/verify\/src|src\/(?:lib|jwt))\//.test(name),
  );
  expect(elsewhere).toEqual([]);
  expect(loaded.length).toBeLessThan(40);
});
