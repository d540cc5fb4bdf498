/**
 * Compares command lines of other programs to their help, as recorded by scripts/record-command-lines.ts: each command exists, and has
 * the options that follow it. Values and operands are not checked.
 */

import { readFileSync } from 'node:fs';

/** What a program accepts. Options are in one text, separated by spaces; one with a value ends in `=`. */
export interface CommandLines {
  readonly version: string;
  /** Options that it accepts after each of its commands. */
  readonly everywhere: string;
  /** The options of each command, by its words; the empty text stands for the program itself. */
  readonly commands: Readonly<Record<string, string>>;
}

/** A command line that was read. */
interface ReadCommandLine {
  readonly problems: readonly string[];
  /** The command by its words, `compose run`. */
  readonly command: string;
  /** Its operands, in order; those of a command that runs a program include the options of that program. */
  readonly operands: readonly string[];
  /** The words after `--`. */
  readonly behind: readonly string[];
}

const PROGRAMS = JSON.parse(readFileSync(new URL('command-lines.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, CommandLines>
>;

/** Commands that run a program: what follows their first operand is for that program. */
const RUNNING = new Set(['docker run', 'docker exec', 'docker compose run', 'docker compose exec']);

/** Whether {@link readCommandLine} knows a program. */
export const isRecorded = (program: string): boolean => Object.hasOwn(PROGRAMS, program);

/** Reads the arguments of a recorded program. */
export function readCommandLine(program: string, args: readonly string[]): ReadCommandLine {
  const { everywhere, commands } = PROGRAMS[program] as CommandLines;
  const [problems, operands]: [string[], string[]] = [[], []];
  let command = '';
  let at = 0;
  for (; at < args.length && args[at] !== '--'; at++) {
    const word = args[at] as string;
    const title = `${program} ${command}`.trim();
    const longer = `${command} ${word}`.trim();
    if (RUNNING.has(title) && operands.length > 0) operands.push(word);
    else if (word.startsWith('-') && word !== '-') {
      const found = optionsOf(word, new Set(`${commands[command] ?? ''} ${everywhere}`.split(' ')));
      if (found === 'unknown') problems.push(`${title} has no option ${word}`);
      if (found === 'value follows') at++;
    } else if (operands.length === 0 && (Object.hasOwn(commands, longer) || hasCommands(commands, longer)))
      command = longer;
    else if (hasCommands(commands, command))
      return { problems: [`${title} has no command ${word}`], command, operands, behind: [] };
    else operands.push(word);
  }
  return { problems, command, operands, behind: args.slice(at + 1) };
}

const hasCommands = (commands: CommandLines['commands'], command: string) =>
  Object.keys(commands).some((name) => name !== '' && (command === '' || name.startsWith(`${command} `)));

/** Reads one word: a long option, a short one, or several short ones (`-it`), the last of which may have its value in the word. */
function optionsOf(word: string, options: ReadonlySet<string>): 'unknown' | 'value follows' | 'complete' {
  const [name = '', value] = word.split('=', 2);
  if (options.has(`${name}=`)) return value === undefined ? 'value follows' : 'complete';
  if (options.has(name)) return 'complete';
  if (word.startsWith('--')) return 'unknown';
  for (let at = 1; at < word.length; at++) {
    if (options.has(`-${word[at]}=`)) return at === word.length - 1 ? 'value follows' : 'complete';
    if (!options.has(`-${word[at]}`)) return 'unknown';
  }
  return 'complete';
}
