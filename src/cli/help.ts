/** The help of commands, for the terminal and for `docs/reference/cli.md`, generated from their descriptions. */

import type { Command, OptionSpec } from './command.ts';
import { allOptions } from './parse.ts';

const WIDTH = 100;

/** The output of `sallyport --help`. */
export function programHelp(commands: readonly Command[]): string {
  return [
    'Sallyport: a session cookie goes in, a two-minute token goes upstream.',
    '',
    'Usage: sallyport COMMAND [ARGUMENTS]',
    '',
    ...commandList(commands),
    'Options:',
    '  -h, --help     Show this help; sallyport COMMAND --help shows that of a command.',
    '  -V, --version  Show the version.',
    '',
    'Environment:',
    '  SALLYPORT_CONFIG     The configuration file, unless --config is given. Default: sallyport.yaml.',
    '  SALLYPORT_ADMIN_URL  The admin listener, unless --admin-url is given. Default: from the configuration.',
    '  SALLYPORT_REVISION   The commit of this build, for version and metrics. Set in the image.',
    '',
    'Exit codes: 0 success, 1 failure, 2 the command line is wrong.',
    '',
  ].join('\n');
}

/** The output of `sallyport keys --help`: the commands that begin with that word. */
export function familyHelp(word: string, family: readonly Command[]): string {
  const usage = [`Usage: sallyport ${word} COMMAND [ARGUMENTS]`, ''];
  return [...usage, ...commandList(family), `sallyport ${word} COMMAND --help shows the help of a command.`, ''].join(
    '\n',
  );
}

function commandList(commands: readonly Command[]): string[] {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return ['Commands:', ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`), ''];
}

/** The output of `sallyport COMMAND --help`. */
export function commandHelp(command: Command): string {
  const sections: string[][] = [
    [`${command.summary}.`],
    [`Usage: ${usage(command)}`],
    ...(command.description ?? []).map((paragraph) => wrap(paragraph, 0)),
  ];
  if (command.args !== undefined) {
    const width = Math.max(...command.args.map(({ name }) => name.length));
    sections.push(['Arguments:', ...command.args.flatMap(({ name, description }) => entry(name, width, description))]);
  }
  const options = Object.entries(allOptions(command)).map(
    ([name, spec]) => [heading(name, spec), sentence(spec)] as const,
  );
  const width = Math.max(...options.map(([head]) => head.length));
  sections.push(['Options:', ...options.flatMap(([head, text]) => entry(head, width, text))]);
  sections.push(['Examples:', ...command.examples.flatMap(([line, meaning]) => [`  # ${meaning}`, `  ${line}`])]);
  const { ok, failed } = command.exit;
  const failure = failed === null ? '' : ` 1 ${failed},`;
  sections.push(wrap(`Exit codes: 0 ${ok},${failure} 2 the command line is wrong.`, 0));
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** `sallyport explain METHOD URL [OPTIONS]`. */
function usage({ name, args = [] }: Command): string {
  const places = args.map(({ name: place, isOptional, isRepeatable }) => {
    const shown = isRepeatable === true ? `${place}...` : place;
    return isOptional === true ? `[${shown}]` : shown;
  });
  return ['sallyport', name, ...places, '[OPTIONS]'].join(' ');
}

/** `-c, --config FILE`. */
function heading(name: string, spec: OptionSpec): string {
  const short = spec.short === undefined ? '    ' : `-${spec.short}, `;
  return `${short}--${name}${spec.type === 'string' ? ` ${spec.value}` : ''}`;
}

/** The description of an option with its choices and its default. */
function sentence(spec: OptionSpec): string {
  if (spec.type === 'boolean') return spec.description;
  return [
    spec.description,
    ...(spec.choices === undefined ? [] : [`One of ${spec.choices.join(', ')}.`]),
    ...(spec.default === undefined ? [] : [`Default: ${spec.default}.`]),
    ...(spec.multiple === true ? ['Can be given several times.'] : []),
  ].join(' ');
}

function entry(head: string, width: number, text: string): string[] {
  const [first = '', ...rest] = wrap(text, width + 4);
  return [`  ${head.padEnd(width)}  ${first}`, ...rest.map((line) => ' '.repeat(width + 4) + line)];
}

function wrap(text: string, indent: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > WIDTH - indent) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
