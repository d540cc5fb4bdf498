/** A command line read by the description of its command. */

import { parseArgs } from 'node:util';
import { didYouMean } from '../lib/text/nearest.ts';
import { type Command, type OptionSpec, UsageFault } from './command.ts';

interface ParsedLine {
  readonly options: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly args: readonly string[];
  readonly wantsHelp: boolean;
}

/** A session handle that begins with a hyphen, as one of 64 does. No option looks like it. */
const HANDLE = /^-[A-Za-z0-9_-]{42}$/;
/** Put before such an argument, so that it is not read as an option. */
const NOT_AN_OPTION = '\0';

const unmarked = (text: string): string => (text.startsWith(NOT_AN_OPTION) ? text.slice(NOT_AN_OPTION.length) : text);

const HELP: OptionSpec = { type: 'boolean', short: 'h', description: 'Show this help.' };

/** The options of a command, with the one that every command has. */
export const allOptions = (command: Command): Readonly<Record<string, OptionSpec>> => ({
  ...command.options,
  help: HELP,
});

/**
 * Reads the arguments behind the name of a command.
 *
 * @throws UsageFault for what the command does not have
 */
export function parseLine(command: Command, argv: readonly string[]): ParsedLine {
  const specs = allOptions(command);
  const { tokens, positionals } = parseArgs({
    args: argv.map((arg) => (HANDLE.test(arg) ? `${NOT_AN_OPTION}${arg}` : arg)),
    options: Object.fromEntries(
      Object.entries(specs).map(([name, { type, short }]) => [name, { type, ...(short !== undefined && { short }) }]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, (string | true)[]>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const value = readOption(specs, token);
    given.set(token.name, [...(given.get(token.name) ?? []), value]);
  }
  const args = positionals.map(unmarked);
  const wantsHelp = given.has('help');
  if (!wantsHelp) {
    requireAll(command, given);
    checkArguments(command, args);
  }
  return { options: collect(command, given), args, wantsHelp };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function readOption(specs: Readonly<Record<string, OptionSpec>>, token: OptionToken): string | true {
  const { name, rawName, value, inlineValue } = token;
  const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
  if (spec === undefined)
    throw new UsageFault(`unknown option ${rawName}${didYouMean(name, Object.keys(specs), '--')}`);
  if (spec.type === 'boolean') {
    if (value !== undefined) throw new UsageFault(`${rawName} takes no value`);
    return true;
  }
  const isSwallowed = inlineValue === false && value?.startsWith('-') === true && value.length > 1;
  if (value === undefined || isSwallowed) throw new UsageFault(`${rawName} needs a value: ${spec.value}`);
  if (spec.choices !== undefined && !spec.choices.includes(value)) {
    const hint = didYouMean(value, spec.choices);
    throw new UsageFault(`${rawName} must be one of ${spec.choices.join(', ')}${hint}`);
  }
  return unmarked(value);
}

function requireAll(command: Command, given: ReadonlyMap<string, readonly (string | true)[]>): void {
  for (const [name, spec] of Object.entries(command.options)) {
    if (spec.type === 'string' && spec.isRequired === true && !given.has(name)) {
      throw new UsageFault(`--${name} is missing`);
    }
    if ((given.get(name)?.length ?? 0) > 1 && !('multiple' in spec)) {
      throw new UsageFault(`--${name} is given more than once`);
    }
  }
}

function checkArguments(command: Command, args: readonly string[]): void {
  const specs = command.args ?? [];
  const missing = specs.filter(({ isOptional }) => isOptional !== true)[args.length];
  if (missing !== undefined) throw new UsageFault(`${missing.name} is missing`);
  const excess = specs.at(-1)?.isRepeatable === true ? undefined : args[specs.length];
  if (excess !== undefined) throw new UsageFault(`${JSON.stringify(excess)} is one argument too many`);
}

function collect(command: Command, given: ReadonlyMap<string, readonly (string | true)[]>): ParsedLine['options'] {
  return Object.fromEntries(
    Object.entries(command.options).map(([name, spec]) => {
      const values = given.get(name) ?? [];
      if (spec.type === 'boolean') return [name, values.length > 0];
      const texts = values.filter((value) => typeof value === 'string');
      return [name, 'multiple' in spec ? texts : texts[0]];
    }),
  );
}
