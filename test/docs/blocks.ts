/** The code blocks of documents, with the information from their fences. */

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** Every document of the repository. */
const DOCUMENTS: readonly string[] = globSync(
  '{*.md,docs/**/*.md,k8s/**/*.md,examples/**/*.md,bench/*.md,packages/*/README.md,charts/**/*.md}',
  { cwd: ROOT },
).toSorted();

/** One block of code. */
export interface Block {
  /** The path of the document in the repository. */
  readonly path: string;
  /** The number of the first line of code, from 1. */
  readonly line: number;
  /** Empty if the fence names none: a drawing, or output. */
  readonly language: string;
  /** The name after `recipe=`: a test of its own runs the block. */
  readonly recipe: string | null;
  /** The place of the block in a larger file, after `in=`: `routes[]`, `pod`. */
  readonly inside: string | null;
  /** Why nothing checks the block: `unchecked="…"`. */
  readonly unchecked: string | null;
  readonly text: string;
}

/** The blocks of all documents, in order. A block may be indented, as in a list. */
export const allBlocks = (): readonly Block[] =>
  DOCUMENTS.flatMap((path) => blocksOf(path, readFileSync(join(ROOT, path), 'utf8')));

/** A code span in the prose of a document, such as a command. */
interface Mention {
  readonly path: string;
  readonly text: string;
}

/** The code spans in the prose of all documents. */
export const allMentions = (): readonly Mention[] =>
  DOCUMENTS.flatMap((path) => {
    const prose = readFileSync(join(ROOT, path), 'utf8').replace(/^ *(`{3,})[^`\n]*\n[\s\S]*?^ *\1$/gm, '');
    return [...prose.matchAll(/(?<!`)`([^`\n]+)`(?!`)/g)].map(([, text = '']) => ({ path, text }));
  });

/** The blocks of one document. */
export function blocksOf(path: string, markdown: string): readonly Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const [, indent, fence = '', info = ''] = /^( *)(`{3,})(.*)$/.exec(lines[at] ?? '') ?? [];
    if (indent === undefined) continue;
    const end = lines.findIndex((line, index) => index > at && line.trim() === fence);
    if (end === -1) throw new Error(`${path}:${at + 1}: the block has no end`);
    const text = lines.slice(at + 1, end).map((line) => line.slice(Math.min(indent.length, line.search(/\S|$/))));
    blocks.push({
      path,
      line: at + 2,
      language: /^\w*/.exec(info)?.[0] ?? '',
      recipe: /\brecipe=(\S+)/.exec(info)?.[1] ?? null,
      inside: /\bin=(\S+)/.exec(info)?.[1] ?? null,
      unchecked: /\bunchecked="([^"]+)"/.exec(info)?.[1] ?? null,
      text: `${text.join('\n')}\n`,
    });
    at = end;
  }
  return blocks;
}
