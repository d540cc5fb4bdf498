/** `docs/adr/README.md`: the decisions, by number, with the titles that their pages have. */

import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { generated } from './markdown.ts';

const ADR = join(import.meta.dirname, '../../docs/adr');

/** The page. Throws when a decision has no title of the form "# 7. Text", or a number that differs from its file's. */
export function decisionsPage(): string {
  const files = globSync('[0-9]*.md', { cwd: ADR }).toSorted();
  const lines = files.map((file) => {
    const [, number, title] = /^# (\d+)\. (.+)$/m.exec(readFileSync(join(ADR, file), 'utf8')) ?? [];
    if (title === undefined || Number(number) !== Number.parseInt(basename(file), 10))
      throw new Error(`docs/adr/${file} must begin with "# ${Number.parseInt(basename(file), 10)}. Title"`);
    return `- [${number}. ${title}](${file})`;
  });
  return `${generated('the pages of this folder')}
# Decisions

What was decided, in which situation, what was considered, and what follows. A decision that is hard to reverse, or that a reader
would question, has a page here ([when to write one](../../CONTRIBUTING.md#commits-reviews-and-merging)).

${lines.join('\n')}
`;
}
