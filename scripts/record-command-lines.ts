/**
 * Records which commands and options the programs have that documents and workflows use, from their own help, for a test that checks
 * every command line there: test/docs/command-lines.ts.
 *
 *   node scripts/record-command-lines.ts kubectl=1.35.4 helm=3.22.0
 *
 * The programs named are recorded again, the others keep what they have. Docker needs its plugins `compose` and
 * `buildx`.
 */

import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { CommandLines } from '../test/docs/command-lines.ts';
import { findProgram } from '../test/support/programs.ts';

const FILE = new URL('../test/docs/command-lines.json', import.meta.url);

/** What prints the options of a command, where it is not `--help`. */
const HELP: Readonly<Record<string, readonly string[]>> = {
  curl: ['--help', 'all'],
  git: ['-h'],
  openssl: ['-help'],
};
/** What prints the options that a program takes behind every command, where the help of the command leaves them out. */
const EVERYWHERE: Readonly<Record<string, readonly string[]>> = { kubectl: ['options'] };
/** Commands of programs that do not list theirs in a form that can be read here. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  // Of more than two hundred, those that are used here.
  gh: ['attestation verify', 'release create', 'release download'],
  git: ['merge-base', 'push', 'rev-parse', 'tag'],
  npm: ['audit signatures', 'ci', 'deprecate', 'install', 'pack', 'publish', 'run', 'sbom', 'start', 'test'],
  openssl: ['rand', 's_client', 'x509'],
  promtool: ['check rules', 'test rules'],
  // Its commands and its expressions are in the same place.
  yq: [],
};

function recordOf(program: string, version: string): CommandLines {
  const commands: Record<string, string> = {};
  const given = COMMANDS[program];
  const visit = (path: readonly string[]): void => {
    const help = printed(program, [...path, ...(HELP[program] ?? ['--help'])]);
    commands[path.join(' ')] = optionsIn(help);
    if (given === undefined) for (const name of commandsIn(help)) visit([...path, name]);
  };
  visit([]);
  for (const command of given ?? []) visit(command.split(' '));
  const everywhere =
    program === 'npm'
      ? optionsOfNpm()
      : optionsIn(EVERYWHERE[program] === undefined ? '' : printed(program, EVERYWHERE[program]));
  return { version, everywhere, commands };
}

function printed(program: string, args: readonly string[]): string {
  const { stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, COLUMNS: '200' },
  });
  if (error !== undefined) throw error;
  return `${stdout}${stderr}`;
}

/** As the help of Go's programs lists them below a heading; an asterisk marks a plugin of Docker. */
function commandsIn(help: string): readonly string[] {
  const names = new Set<string>();
  let isList = false;
  for (const line of help.split('\n')) {
    const [, name] = /^ {0,3}([a-z][\w-]*)[:*]?(?: {2}| [A-Z])/.exec(line) ?? [];
    if (name === undefined && /^\S/.test(line)) isList = /\bcommands\b/i.test(line);
    if (isList && name !== undefined && name !== 'help') names.add(name);
  }
  return [...names];
}

/** An option that a text begins with, and what separates it from its other names. */
const OPTION = /^(-{1,2}\w[\w.-]*)(?:, | ?\| ?)?/;

/**
 * The options that lines begin with, in the order of the help. One that takes a value ends in `=`: its names are followed by an equals
 * sign (but for `=false:` and the like of kubectl), or by one space and `<` or a single word.
 */
function optionsIn(help: string): string {
  const options = new Set<string>();
  for (const line of help.split('\n')) {
    const names: string[] = [];
    let rest = line.trimStart().replaceAll('[no-]', '');
    for (let found = OPTION.exec(rest); found !== null; found = OPTION.exec(rest)) {
      names.push(found[1] as string);
      rest = rest.slice(found[0].length);
    }
    const takesValue = /^(?:=(?!(?:true|false):)| <| [^\s-]\S*(?: {2}|$))/.test(rest);
    for (const name of names) options.add(takesValue ? `${name}=` : name);
  }
  return [...options].join(' ');
}

/** From the table that npm reads its arguments by: its help leaves out options that every command takes, and short ones. */
function optionsOfNpm(): string {
  const npm = dirname(dirname(realpathSync(findProgram(['npm']) ?? 'npm')));
  const { definitions, shorthands } = createRequire(import.meta.url)(
    join(npm, 'node_modules/@npmcli/config/lib/definitions'),
  ) as {
    definitions: Readonly<Record<string, { readonly type: unknown }>>;
    shorthands: Readonly<Record<string, readonly string[]>>;
  };
  const takesValue = (name: string) => ![definitions[name]?.type].flat().includes(Boolean);
  const long = Object.keys(definitions).map((name) => `--${name}${takesValue(name) ? '=' : ''}`);
  const others = Object.entries(shorthands).map(([name, [option = '', value]]) => {
    const dashes = name.length === 1 ? '-' : '--';
    return `${dashes}${name}${value === undefined && takesValue(option.replace(/^--(?:no-)?/, '')) ? '=' : ''}`;
  });
  return [...new Set([...long, ...others])].join(' ');
}

const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, CommandLines>;
for (const word of process.argv.slice(2)) {
  const [program = '', version = ''] = word.split('=');
  recorded[program] = recordOf(program, version);
}
const sorted = Object.fromEntries(Object.entries(recorded).toSorted(([one], [other]) => (one < other ? -1 : 1)));
writeFileSync(FILE, `${JSON.stringify(sorted, null, 2)}\n`);
