/**
 * Checks that code and documents do not use the words that CONTEXT.md avoids. Of its last column only the words in bold
 * are looked for, because they have no other meaning here; the rest depends on context and is a reviewer's matter. Words
 * of the section "In documents" are looked for in Markdown and in comments of TypeScript. In tests nothing else is looked
 * for: they use other programs, with their words.
 *
 * Usage: node scripts/check-words.ts
 */

import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

const FILES = [
  '{src,demo,scripts,bench,site}/**/*.ts',
  'packages/*/src/**/*.ts',
  'test/**/*.ts',
  'docs/**/*.md',
  'demo/*.{yaml,html}',
  'config/*.yaml',
  '*.md',
];
const EXCLUDED = ['**/node_modules/**', 'CONTEXT.md', 'scripts/check-words.ts'];

/** Places where a word in bold is right: another program's name for its own thing. */
const EXCEPTIONS: readonly { readonly word: string; readonly path?: string; readonly text?: RegExp }[] = [
  { word: 'kill', text: /\bprocess\.kill\(|\bSIGKILL\b/ },
  // The direction of a Kubernetes NetworkPolicy.
  { word: 'egress', path: 'scripts/reference/chart-values.ts' },
  // Titles of tests, in which a worker process is killed.
  { word: 'kill', text: /workers\.test\.ts`, "/ },
  // The Go example.
  { word: 'ctx', path: 'docs/verify.md' },
  { word: 'ctx', text: /\bz\.RefinementCtx\b/ },
  { word: 'user id', text: /user[_-]id[_-]claim|userIDClaim/i },
  { word: 'user id', text: /(?:\b|_)X[-_.]User[-_.]Id\b/i },
];

/** A place with an avoided word. */
export interface WordFinding {
  readonly path: string;
  readonly line: number;
  readonly word: string;
  /** The word of the glossary for the same thing. */
  readonly instead: string;
}

type Words = ReadonlyMap<string, string>;

/** Words in bold in the last column of a glossary's tables, each with the words of the first column. */
export function avoidedWords(glossary: string): Words {
  const rows = glossary.split('\n').filter((line) => /^\|.*\|$/.test(line));
  return new Map(
    rows.flatMap((row) => {
      const cells = row.slice(1, -1).split('|');
      const words = [...(cells.at(-1) ?? '').matchAll(/\*\*([^*]+)\*\*/g)];
      return words.map(([, word = '']) => [word.toLowerCase(), (cells[0] ?? '').trim()] as const);
    }),
  );
}

/** The avoided words of the whole repository, and those of documents besides. */
export function glossaryParts(glossary: string): { readonly everywhere: Words; readonly documents: Words } {
  const at = glossary.indexOf('\n## In documents\n');
  if (at === -1) throw new Error('CONTEXT.md has no section "In documents"');
  return { everywhere: avoidedWords(glossary.slice(0, at)), documents: avoidedWords(glossary) };
}

/**
 * The text of the comments in TypeScript, with every other line left empty, so that line numbers stay. A comment behind
 * code on the same line is not found.
 */
function commentsOf(text: string): string {
  return text
    .split('\n')
    .map((line) => (/^\s*(?:\/[/*]|\*(?:[ /]|$))/.test(line) ? line : ''))
    .join('\n');
}

/** What is wrong with a file: avoided words anywhere, habits of prose in documents and comments. */
export function findInFile(path: string, text: string, parts: ReturnType<typeof glossaryParts>): WordFinding[] {
  if (path.endsWith('.md')) return findAvoided(path, text, parts.documents);
  const everywhere = path.startsWith('test/') ? [] : findAvoided(path, text, parts.everywhere);
  if (!path.endsWith('.ts')) return everywhere;
  const habits = new Map([...parts.documents].filter(([word]) => !parts.everywhere.has(word)));
  return [...everywhere, ...findAvoided(path, commentsOf(text), habits)];
}

/** The avoided words of a text. They count in identifiers too: `userId` and `USER_ID` are "user id". */
export function findAvoided(path: string, text: string, avoided: Words): WordFinding[] {
  return text.split('\n').flatMap((line, index) => {
    const plain = line
      .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
      .replace(/[_-]/g, ' ')
      .toLowerCase();
    return [...avoided]
      .filter(([word]) => new RegExp(`(?<![a-z])${word}(?:s|es|ed|ing)?(?![a-z])`).test(plain))
      .filter(([word]) => !isException(word, path, line))
      .map(([word, instead]) => ({ path, line: index + 1, word, instead }));
  });
}

const isException = (word: string, path: string, line: string) =>
  EXCEPTIONS.some(
    (row) => row.word === word && (row.path ?? path) === path && (row.text === undefined || row.text.test(line)),
  );

if (import.meta.main) {
  const parts = glossaryParts(readFileSync(`${ROOT}CONTEXT.md`, 'utf8'));
  const paths = globSync(FILES, { cwd: ROOT, exclude: EXCLUDED }).toSorted();
  const findings = paths.flatMap((path) => findInFile(path, readFileSync(`${ROOT}${path}`, 'utf8'), parts));
  for (const { path, line, word, instead } of findings) {
    process.stderr.write(`${path}:${line}: "${word}": CONTEXT.md says ${instead}\n`);
  }
  if (parts.everywhere.size === 0 || paths.length < 100) throw new Error('CONTEXT.md or the files were not found');
  if (findings.length > 0) process.exitCode = 1;
}
