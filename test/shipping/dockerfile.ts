/** The Dockerfile as data: stages, each with its instructions. Covers only the syntax that this repository uses. */

import { readFileSync } from 'node:fs';
import { repositoryPath } from '../support/kubernetes/render.ts';

export interface Instruction {
  readonly name: string;
  /** `--chown=0:0` → `chown: 0:0`. */
  readonly flags: Readonly<Record<string, string>>;
  /** The text after the flags. */
  readonly text: string;
}

interface Stage {
  readonly image: string;
  readonly alias: string;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  /** `ARG` before the first stage: name → default. */
  readonly args: Readonly<Record<string, string>>;
  readonly stages: readonly Stage[];
}

/** Reads the Dockerfile of this repository. */
export function readDockerfile(): Dockerfile {
  const instructions = readFileSync(repositoryPath('Dockerfile'), 'utf8')
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(readInstruction);
  const starts = instructions.flatMap(({ name }, index) => (name === 'FROM' ? [index] : []));
  const args = instructions.slice(0, starts[0]).map(({ text }) => splitAt(text, '='));
  return {
    args: Object.fromEntries(args),
    stages: starts.map((start, index) => {
      const [, image = '', alias = ''] = /^(\S+) AS (\S+)$/.exec(instructions[start]?.text ?? '') ?? [];
      return { image, alias, instructions: instructions.slice(start + 1, starts[index + 1]) };
    }),
  };
}

function readInstruction(line: string): Instruction {
  const [name, rest] = splitAt(line, ' ');
  const words = rest.split(' ');
  const flagCount = words.findIndex((word) => !word.startsWith('--'));
  const flags = words.slice(0, flagCount).map((word) => splitAt(word.slice(2), '='));
  return { name, flags: Object.fromEntries(flags), text: words.slice(flagCount).join(' ') };
}

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
