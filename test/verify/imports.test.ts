import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');

/** Everything that is loaded when a file of ours is: files by their path in `src`, packages by their name. */
function loadedWith(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const code = readFileSync(join(SRC, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const statements = code.matchAll(/^(?:import|export)\s+(?:([^'"]*?)\s+from\s+)?'([^']+)'/gm);
  for (const [, names = '', specifier = ''] of statements) {
    // What is only types is stripped.
    if (/^type\s/.test(names) || /^\{\s*(?:type\s+[^,}]+,?\s*)+\}$/.test(names.trim())) continue;
    if (specifier.startsWith('.')) loadedWith(relative(SRC, join(SRC, dirname(file), specifier)), found);
    else found.add(specifier);
  }
  return found;
}

test('sallyport/verify loads jose, modules of Node, and a few small files: no gateway, no configuration, no store', () => {
  const loaded = [...loadedWith('verify/index.ts')];
  expect(loaded.filter((name) => !name.endsWith('.ts') && !isBuiltin(name))).toEqual(['jose']);
  const elsewhere = loaded.filter((name) => name.endsWith('.ts') && !/^(?:verify|lib|jwt)\//.test(name));
  expect(elsewhere).toEqual([]);
  expect(loaded.length).toBeLessThan(35);
});
