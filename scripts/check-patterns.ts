/**
 * Fails when a regular expression of the product can take more than linear time: a client that controls its input
 * could stop the event loop with it (CWE-1333; OWASP: Regular expression denial of service).
 *
 * `recheck` judges every literal in `src/` and `packages/`: it proves a pattern safe or finds a text on which it is
 * slow. Patterns built at run time cannot be judged, so there are none.
 *
 * Usage: node scripts/check-patterns.ts
 */

import { globSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parse } from 'acorn';
import { simple } from 'acorn-walk';
import { check } from 'recheck';

/** More than any pattern here has needed, even on a busy machine. */
const TIMEOUT_MS = 60_000;
/** Some patterns are judged by texts that it makes up: the same ones each time. */
const SEED = 1;

/** A pattern and its place. */
interface Pattern {
  readonly place: string;
  readonly source: string;
  readonly flags: string;
}

const root = fileURLToPath(new URL('../', import.meta.url));
const files = globSync(['src/**/*.ts', 'packages/*/src/**/*.ts'], { cwd: root }).toSorted();
const problems: string[] = [];
const patterns = files.flatMap((file) => patternsIn(file, readFileSync(`${root}${file}`, 'utf8')));
if (patterns.length === 0) throw new Error('no pattern was found: this check looks in the wrong place');

// One at a time, because each takes a whole core.
for (const { place, source, flags } of patterns) {
  const result = await check(source, flags, { timeout: TIMEOUT_MS, randomSeed: SEED });
  if (result.status === 'safe') continue;
  const why =
    result.status === 'vulnerable'
      ? `${result.complexity.summary}, slow on ${result.attack.pattern}`
      : `cannot be judged (${result.error.kind})`;
  problems.push(`${place}: /${source}/${flags} is not linear: ${why}`);
}

for (const problem of problems) process.stderr.write(`${problem}\n`);
process.stdout.write(`${patterns.length} patterns, ${problems.length} not linear\n`);
// recheck's worker would keep the process alive.
process.exit(problems.length === 0 ? 0 : 1);

function patternsIn(file: string, text: string): Pattern[] {
  const found: Pattern[] = [];
  const code = stripTypeScriptTypes(text);
  const placeOf = (offset: number) => `${file}:${code.slice(0, offset).split('\n').length}`;
  simple(parse(code, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true }), {
    Literal({ start, regex }) {
      if (regex != null) found.push({ place: placeOf(start), source: regex.pattern, flags: regex.flags });
    },
    NewExpression({ start, callee }) {
      if (callee.type === 'Identifier' && callee.name === 'RegExp')
        problems.push(`${placeOf(start)}: a pattern that is made at run time cannot be judged: write a literal`);
    },
  });
  return found;
}
