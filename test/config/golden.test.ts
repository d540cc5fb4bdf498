/**
 * One file per rule: a configuration, `----`, and its findings. `UPDATE_GOLDEN=1` rewrites the findings; read the diff
 * before you commit it.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { renderText } from '../../src/config/render.ts';
import { PROBLEM_CODES } from '../../src/gateway/configuration/parts.ts';
import { CANARY, load } from './support.ts';

const DIRECTORY = join(import.meta.dirname, 'golden');
const SEPARATOR = '----\n';
const names = readdirSync(DIRECTORY).filter((name) => name.endsWith('.txt'));

/** The findings and, for a file that begins with `# effective`, the effective configuration. */
function said(input: string): string {
  const { loaded, problems, source } = load(input);
  const findings = renderText({ path: 'sallyport.yaml', problems, source });
  return input.startsWith('# effective') && loaded !== null ? `${findings}\n${stringify(loaded.effective)}` : findings;
}

test.each(names)('%s', (name) => {
  const path = join(DIRECTORY, name);
  const [input = '', expected = ''] = readFileSync(path, 'utf8').split(SEPARATOR);
  const actual = said(input);
  if (process.env['UPDATE_GOLDEN'] !== undefined) writeFileSync(path, `${input}${SEPARATOR}${actual}`);
  else expect(actual).toBe(expected);
});

test('LOG-01: no finding or effective configuration shows a secret from a file, a variable or the text', () => {
  for (const name of names) {
    const [input = ''] = readFileSync(join(DIRECTORY, name), 'utf8').split(SEPARATOR);
    const text = said(input);
    expect(text).not.toContain(CANARY);
    expect(text).not.toContain('hunter2');
  }
});

/** The first needs a long text, the others files beside the configuration: see `test/cli/contents.test.ts`. */
const NOT_IN_GOLDEN = ['config/too-large', 'tls/expired', 'tls/uncovered-host'];

test('a golden file produces every finding code', () => {
  const texts = names.map((name) => readFileSync(join(DIRECTORY, name), 'utf8')).join('\n');
  const missing = Object.keys(PROBLEM_CODES).filter(
    (code) => !NOT_IN_GOLDEN.includes(code) && !texts.includes(`[${code}]`),
  );
  expect(missing).toEqual([]);
});
