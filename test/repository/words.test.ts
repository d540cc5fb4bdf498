/** The check that code and documents follow the glossary. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { avoidedWords, findAvoided, findInFile, glossaryParts } from '../../scripts/check-words.ts';

const GLOSSARY = readFileSync(join(import.meta.dirname, '../../CONTEXT.md'), 'utf8');
const AVOIDED = avoidedWords(
  '| word | means | avoid |\n| --- | --- | --- |\n| subject | `sub` | name, **user id** |\n',
);
const wordsIn = (text: string, path = 'src/a.ts') =>
  findAvoided(path, text, AVOIDED).map(({ line, word }) => `${line} ${word}`);

test('only words in bold are found, and each finding names the word to use', () => {
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
])('the word "user id" is found in %s: %s', (text, isFound) => {
  expect(wordsIn(`const ${text} = 1`)).toEqual(isFound ? ['1 user id'] : []);
});

test('the name of a signal is accepted', () => {
  const kill = avoidedWords(GLOSSARY);
  expect(findAvoided('src/a.ts', "process.kill(pid, 'SIGKILL')", kill)).toEqual([]);
  expect(findAvoided('src/a.ts', 'async kill(): Promise<void>', kill)).toHaveLength(1);
});

describe('habits of prose are found in documents and comments, words of the glossary everywhere', () => {
  const parts = glossaryParts(GLOSSARY);
  const found = (path: string, text: string) =>
    findInFile(path, text, parts).map(({ line, word }) => `${line} ${word}`);

  test.each([
    ['docs/a.md', 'whoever holds a token of ours can egress', ['1 egress', '1 whoever', '1 of ours']],
    ['config/a.yaml', '# whoever can egress', ['1 egress']],
    ['src/a.ts', "const text = 'whoever can egress'", ['1 egress']],
    ['src/a.ts', 'a();\n  // whoever can egress', ['2 egress', '2 whoever']],
    ['src/a.ts', '/** A token of ours. */', ['1 of ours']],
    ['src/a.ts', '/**\n * A token.\n *\n * Somebody has it.\n */', ['4 somebody']],
    ['src/a.ts', 'const html = `\n  whoever\n`', []],
    ['test/a.test.ts', 'await redis.kill();\n// Whoever asks is refused.', ['2 whoever']],
  ] as const)('in %s: %j', (path, text, words) => {
    expect(found(path, text)).toEqual(words);
  });

  test('a glossary without the habits is refused', () => {
    expect(() => glossaryParts('| word | avoid |')).toThrow('no section');
  });
});

test('the glossary lists each word once, and avoids none that it lists', () => {
  const rows = GLOSSARY.split('\n').filter((line) => /^\| (?!word|---)/.test(line));
  const words = rows
    .flatMap((row) => (row.split('|')[1] ?? '').replace(/\(.*?\)/g, '').split(','))
    .map((word) => word.trim());
  expect(words.length).toBeGreaterThan(40);
  expect(new Set(words).size).toBe(words.length);
  expect([...avoidedWords(GLOSSARY).keys()].filter((word) => words.includes(word))).toEqual([]);
});
