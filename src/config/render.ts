/** Formats findings for people and programs. */

import { counted } from '../lib/text/counted.ts';
import type { Problem } from './findings/problem.ts';
import type { ConfigSource } from './text/source.ts';

/** A configuration file and its findings. */
interface RenderSubject {
  /** Of the file, as it was given. */
  readonly path: string;
  readonly problems: readonly Problem[];
  readonly source: ConfigSource;
}

/** `2 errors, 1 warning`. */
export function countText(problems: readonly Problem[]): string {
  const count = (severity: Problem['severity']) => problems.filter((problem) => problem.severity === severity).length;
  const parts = [counted(count('error'), 'error'), counted(count('warning'), 'warning')].filter(
    (part) => !part.startsWith('0'),
  );
  return parts.length === 0 ? 'no problems' : parts.join(', ');
}

/** One line: `sallyport.yaml:17:7 error unknown key "upstrem" in routes[2] [config/unknown-key]`. */
function renderLine(path: string, { line, column, severity, message, code, hint }: Problem): string {
  return `${path}:${line}:${column}: ${severity}: ${message}${hint === null ? '' : ` (${hint})`} [${code}]`;
}

/** A finding with the line that it is about, and carets under the place. */
function renderWithFrame({ path, source }: RenderSubject, problem: Problem): string {
  const { line, column, severity, message, code } = problem;
  return [`${path}:${line}:${column}  ${severity}  ${message}  [${code}]`, ...frame(source, problem)].join('\n');
}

/** Longest part of a line that is shown. */
const MAX_WIDTH = 120;

function frame(source: ConfigSource, { line, column, endColumn, hint }: Problem): string[] {
  const width = String(line).length;
  const gutter = (number: number | null) => String(number ?? '').padStart(width);
  // Of a long line, only the part around the place is shown.
  const from = column > MAX_WIDTH - 20 ? column - 40 : 0;
  const cut = (text: string) => text.slice(from, from + MAX_WIDTH).trimEnd();
  const before = cut(source.shownLine(line - 1));
  const carets = '^'.repeat(Math.max(1, Math.min(endColumn - column, from + MAX_WIDTH - column + 1)));
  return [
    ...(line > 1 && before.trim() !== '' ? [`   ${gutter(line - 1)} | ${before}`] : []),
    ` > ${gutter(line)} | ${cut(source.shownLine(line))}`,
    `   ${gutter(null)} | ${' '.repeat(column - 1 - from)}${carets}${hint === null ? '' : ` ${hint}`}`,
  ];
}

/** For a terminal: every finding with its frame, then the count. */
export function renderText(subject: RenderSubject): string {
  return `${renderFrames(subject)}${countText(subject.problems)}\n`;
}

/** Every finding with its frame, each followed by an empty line. */
export const renderFrames = (subject: RenderSubject): string =>
  subject.problems.map((problem) => `${renderWithFrame(subject, problem)}\n\n`).join('');

/** For a log: one line for each finding that makes a configuration unusable. */
export const errorLines = ({ path, problems }: Pick<RenderSubject, 'path' | 'problems'>): string[] =>
  problems.filter(({ severity }) => severity === 'error').map((problem) => renderLine(path, problem));

/** Workflow commands of GitHub Actions: annotations at the place in the file. */
export function renderGithub({ path, problems }: Pick<RenderSubject, 'path' | 'problems'>): string {
  const data = (text: string) => text.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
  const property = (text: string) => data(text).replace(/:/g, '%3A').replace(/,/g, '%2C');
  return problems
    .map(({ severity, line, column, endColumn, code, message, hint }) => {
      const place = `file=${property(path)},line=${line},col=${column},endColumn=${endColumn},title=${property(code)}`;
      return `::${severity} ${place}::${data(hint === null ? message : `${message} (${hint})`)}\n`;
    })
    .join('');
}
