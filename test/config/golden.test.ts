/**
 * One file per rule: a configuration, `----`, and what is said about it. `UPDATE_GOLDEN=1` writes what is said now; read
 * the difference before you commit it.
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

/** Findings, or for a file that begins with `# effective` what the configuration comes to. */
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

test('LOG-01: no secret of a file, a variable or the text is in any finding or effective configuration', () => {
  for (const name of names) {
    const [input = ''] = readFileSync(join(DIRECTORY, name), 'utf8').split(SEPARATOR);
    const text = said(input);
    expect(text).not.toContain(CANARY);
    expect(text).not.toContain('hunter2');
  }
});

/** One needs a long text, the others files beside the configuration: `test/cli/contents.test.ts` has it. */
const NOT_IN_GOLDEN = ['config/too-large', 'tls/expired', 'tls/uncovered-host'];

test('every code of a finding is produced by a golden file', () => {
  const texts = names.map((name) => readFileSync(join(DIRECTORY, name), 'utf8')).join('\n');
  const missing = Object.keys(PROBLEM_CODES).filter(
    (code) => !NOT_IN_GOLDEN.includes(code) && !texts.includes(`[${code}]`),
  );
  expect(missing).toEqual([]);
});
