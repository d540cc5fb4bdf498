/** The check that code and documents keep to the glossary. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { avoidedWords, findAvoided, glossaryParts } from '../../scripts/check-words.ts';

const GLOSSARY = readFileSync(join(import.meta.dirname, '../../CONTEXT.md'), 'utf8');
const AVOIDED = avoidedWords(
  '| word | means | avoid |\n| --- | --- | --- |\n| subject | `sub` | name, **user id** |\n',
);
const wordsIn = (text: string, path = 'src/a.ts') =>
  findAvoided(path, text, AVOIDED).map(({ line, word }) => `${line} ${word}`);

test('only words in bold are looked for, and each finding names the word to use', () => {
  expect([...AVOIDED]).toEqual([['user id', 'subject']]);
  expect(findAvoided('src/a.ts', 'x\nthe user id', AVOIDED)).toEqual([
    { path: 'src/a.ts', line: 2, word: 'user id', instead: 'subject' },
  ]);
});

test.each([
  ['userId', true],
  ['USER_ID', true],
  ['user-ids', true],
  ['User id', true],
  ['useridea', false],
  ['superuser idle', false],
])('%s is found in any spelling of identifiers: %s', (text, isFound) => {
  expect(wordsIn(`const ${text} = 1`)).toEqual(isFound ? ['1 user id'] : []);
});

test("the name of a signal is another program's word", () => {
  const kill = avoidedWords(GLOSSARY);
  expect(findAvoided('src/a.ts', "process.kill(pid, 'SIGKILL')", kill)).toEqual([]);
  expect(findAvoided('src/a.ts', 'async kill(): Promise<void>', kill)).toHaveLength(1);
});

test('habits of prose are looked for in documents only, words of the glossary everywhere', () => {
  const { everywhere, documents } = glossaryParts(GLOSSARY);
  const text = 'whoever holds a token of ours can egress';
  expect(findAvoided('docs/a.md', text, documents).map(({ word }) => word)).toEqual(['egress', 'whoever', 'of ours']);
  expect(findAvoided('src/a.ts', text, everywhere).map(({ word }) => word)).toEqual(['egress']);
  expect(() => glossaryParts('| word | avoid |')).toThrow('no section');
});

test('the glossary says each word once, and avoids none that it uses in its first column', () => {
  const rows = GLOSSARY.split('\n').filter((line) => /^\| (?!word|---)/.test(line));
  const words = rows
    .flatMap((row) => (row.split('|')[1] ?? '').replace(/\(.*?\)/g, '').split(','))
    .map((word) => word.trim());
  expect(words.length).toBeGreaterThan(40);
  expect(new Set(words).size).toBe(words.length);
  expect([...avoidedWords(GLOSSARY).keys()].filter((word) => words.includes(word))).toEqual([]);
});
