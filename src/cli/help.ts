/** The help of commands, for the terminal and for `docs/reference/cli.md`, generated from their descriptions. */

import type { Command, OptionSpec } from './command.ts';
import { allOptions } from './parse.ts';

const WIDTH = 100;

/** The output of `sallyport --help`. @param groups  the commands by what they are for */
export function programHelp(groups: Readonly<Record<string, readonly Command[]>>): string {
  const width = widest(Object.values(groups).flat());
  return [
    'Sallyport, an authentication gateway: a session cookie comes in, a two-minute token goes upstream.',
    '',
    'Usage: sallyport COMMAND [ARGUMENTS] [OPTIONS]',
    '',
    'To begin, run sallyport dev in front of an application on this machine,',
    'or sallyport init to write a configuration.',
    '',
    ...Object.entries(groups).flatMap(([title, commands]) => [`${title}:`, ...summaries(commands, width), '']),
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
  return [
    `Usage: sallyport ${word} COMMAND [ARGUMENTS] [OPTIONS]`,
    '',
    'Commands:',
    ...summaries(family, widest(family)),
    '',
    `sallyport ${word} COMMAND --help shows the help of a command.`,
    '',
  ].join('\n');
}

const widest = (commands: readonly Command[]): number => Math.max(...commands.map(({ name }) => name.length));

const summaries = (commands: readonly Command[], width: number): string[] =>
  commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);

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
  const codes = [ok, failed, 'the command line is wrong'];
  sections.push([
    'Exit codes:',
    ...codes.flatMap((meaning, code) => (meaning === null ? [] : entry(String(code), 1, meaning))),
  ]);
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
