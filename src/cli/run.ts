/**
 * Finds the command, runs it, and turns its result into output and an exit code. Never throws, and never prints a stack.
 */

import { ConfigFault } from '../errors.ts';
import { didYouMean } from '../lib/text/nearest.ts';
import { type CliIo, type Command, EXIT, type ExitCode, UsageFault } from './command.ts';
import { COMMAND_GROUPS, COMMANDS } from './commands.ts';
import { commandHelp, familyHelp, programHelp } from './help.ts';
import { parseLine } from './parse.ts';

/** Runs a command line, without the name of the program. */
export async function runCli(argv: readonly string[], io: CliIo): Promise<ExitCode> {
  try {
    return await dispatch(argv, io);
  } catch (thrown) {
    return report(thrown, 'sallyport --help', io);
  }
}

async function dispatch(argv: readonly string[], io: CliIo): Promise<ExitCode> {
  const [first] = argv;
  if (first === undefined) {
    io.stderr.write(programHelp(COMMAND_GROUPS));
    return EXIT.usage;
  }
  if (first === '--help' || first === '-h') return showHelp([], io);
  if (first === 'help') return showHelp(argv.slice(1), io);
  if (first === '--version' || first === '-V') return dispatch(['version'], io);
  if (argv.length === 2 && (argv[1] === '--help' || argv[1] === '-h') && familyOf(first).length > 0)
    return showHelp([first], io);
  const { command, rest } = findCommand(argv);
  try {
    const { options, args, wantsHelp } = parseLine(command, rest);
    if (!wantsHelp) return await command.run({ options: options as never, args, io });
    io.stdout.write(commandHelp(command));
    return EXIT.ok;
  } catch (thrown) {
    return report(thrown, `sallyport ${command.name} --help`, io);
  }
}

/** The command with the longest name that is a prefix of the words. */
function findCommand(argv: readonly string[]): { command: Command; rest: readonly string[] } {
  for (const length of [2, 1]) {
    const name = argv.slice(0, length).join(' ');
    const command = COMMANDS.find((candidate) => candidate.name === name);
    if (command !== undefined) return { command, rest: argv.slice(length) };
  }
  const [first = '', second] = argv;
  const family = familyOf(first).map(({ name }) => name);
  if (family.length > 0) {
    const hint = second === undefined ? '' : didYouMean(`${first} ${second}`, family);
    throw new UsageFault(`${first} is a group of commands: ${family.join(', ')}${hint}`);
  }
  const known = new Set(COMMANDS.map(({ name }) => name.split(' ')[0] ?? ''));
  throw new UsageFault(`unknown command ${JSON.stringify(first)}${didYouMean(first, known)}`);
}

/** The commands of a group, such as `keys`. */
const familyOf = (word: string): Command[] => COMMANDS.filter(({ name }) => name.startsWith(`${word} `));

function showHelp(words: readonly string[], io: CliIo): ExitCode {
  const [first] = words;
  if (first === undefined) io.stdout.write(programHelp(COMMAND_GROUPS));
  else if (words.length === 1 && familyOf(first).length > 0) io.stdout.write(familyHelp(first, familyOf(first)));
  else io.stdout.write(commandHelp(findCommand(words).command));
  return EXIT.ok;
}

/** @param help  the command line that shows what would be right */
function report(thrown: unknown, help: string, io: CliIo): ExitCode {
  if (thrown instanceof UsageFault) {
    io.stderr.write(`sallyport: ${thrown.message}\nSee ${help}\n`);
    return EXIT.usage;
  }
  if (thrown instanceof ConfigFault) io.stderr.write(`${thrown.message.trimEnd()}\n`);
  else io.stderr.write(`sallyport: unexpected: ${thrown instanceof Error ? thrown.message : 'non-error thrown'}\n`);
  return EXIT.failed;
}
