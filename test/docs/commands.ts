/** Whether a command in a document or a workflow can be run: its program, commands, options, paths and addresses exist. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { COMMANDS } from '../../src/cli/commands.ts';
import { parseLine } from '../../src/cli/parse.ts';
import { isRecorded, readCommandLine } from './command-lines.ts';
import type { ShellCommand } from './shell.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Programs whose options are not recorded: parts of the shell, those with few options, and those that were not installed. */
const UNRECORDED = new Set(
  'apt-get awk cd chromium command echo grpcurl node npx printf redis-server test umask'.split(' '),
);
/** Docker commands that come with a plugin, which are not recorded either. */
const PLUGINS = new Set(['buildx', 'compose']);

/** What is wrong with a command. @param page  the document, in the repository; paths may be relative to it */
export function commandProblems(page: string, { program, args }: ShellCommand): readonly string[] {
  if (program === 'sudo') return commandProblems(page, { program: args[0] ?? '', args: args.slice(1) });
  if (program === 'sallyport') return sallyportProblems(args);
  const problems = [...pathProblems(page, args), ...args.flatMap(urlProblems)];
  if (UNRECORDED.has(program) || (program === 'docker' && PLUGINS.has(args[0] ?? ''))) return problems;
  if (!isRecorded(program)) return [`${program} is not a program that pages use`];
  const line = readCommandLine(program, args);
  problems.push(...line.problems, ...insideProblems(program, line));
  return program === 'npm' && line.command === 'run' ? [...problems, ...scriptProblems(line)] : problems;
}

/** Whether a word in the prose is a program whose command may follow. */
export const isProgram = (word = ''): boolean => word === 'sallyport' || isRecorded(word);

/** The same for a command in prose: required parts may be missing, and its name may be shortened, as in `sallyport users`. */
export function mentionProblems(page: string, command: ShellCommand): readonly string[] {
  const named = `${command.args.join(' ')} `;
  if (command.program === 'sallyport' && COMMANDS.some(({ name }) => `${name} `.startsWith(named))) return [];
  return commandProblems(page, command).filter((problem) => !/(?: is missing| needs a value.*)$/.test(problem));
}

type Line = ReturnType<typeof readCommandLine>;

/** Where the image and the Pods have the gateway's files. */
const MOUNTED = /^\/etc\/sallyport\/(?:config|secrets|keys|redis|tls)\//;

/** What is wrong with the command that a container or a Pod is told to run, if it is the gateway. */
function insideProblems(program: string, { command, operands, behind }: Line): readonly string[] {
  const [first = '', ...rest] = program === 'kubectl' ? behind : operands;
  const isImage = program === 'docker' && command === 'run' && /(?:^|\/)sallyport(?::[\w.-]+)?$/.test(first);
  const [inner, ...args] = isImage ? ['sallyport', ...rest] : program === 'kubectl' ? [first, ...rest] : rest;
  if (inner !== 'sallyport') return [];
  const lost = args.filter((arg) => arg.startsWith('/etc/sallyport/') && !MOUNTED.test(arg));
  return [...sallyportProblems(args), ...lost.map((path) => `no container has ${path}`)];
}

function pathProblems(page: string, args: readonly string[]): string[] {
  const named = args.filter((arg) => /^(?:k8s|examples|test|bench|demo|docs|scripts)\/[\w./-]+$/.test(arg));
  const isHere = (path: string) => existsSync(join(ROOT, path)) || existsSync(join(ROOT, dirname(page), path));
  return named
    .filter((path) => !isHere(path) && !path.startsWith('k8s/overlays/'))
    .map((path) => `${path} is not there`);
}

function scriptProblems({ operands: [name = ''], behind }: Line): readonly string[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
  if (!(name in scripts)) return [`npm has no script ${name}`];
  return name === 'sallyport' && behind.length > 0 ? sallyportProblems(behind) : [];
}

function sallyportProblems(args: readonly string[]): readonly string[] {
  if (args.length === 0 || args[0]?.startsWith('-') === true) return [];
  const named = COMMANDS.filter(({ name }) => name.split(' ').every((word, index) => args[index] === word));
  const command = named.toSorted((one, other) => other.name.length - one.name.length)[0];
  if (command === undefined) return [`sallyport has no command ${args.join(' ')}`];
  try {
    parseLine(command, args.slice(command.name.split(' ').length));
    return [];
  } catch (thrown) {
    return [`sallyport ${args.join(' ')}: ${(thrown as Error).message}`];
  }
}

/** The gateway's own endpoints, as their page lists them. */
const ENDPOINTS = [
  ...readFileSync(join(ROOT, 'docs/reference/endpoints.md'), 'utf8').matchAll(/^\| \w+[^|]* \| `([^`?[]+)/gm),
].map(
  ([, path = '']) =>
    new RegExp(`^${path.replaceAll(/\{(?:base|basePath)\}/g, '/auth').replaceAll(/\{\w+\}|:\w+/g, '[^/]+')}$`),
);

/** What is wrong with an address, if it is one of the gateway's own. */
export function urlProblems(arg: string): readonly string[] {
  const [, path] = /^https?:\/\/(?:localhost|127\.0\.0\.1|shop\.example\.com)(?::\d+)?(\/[^?#]*)/.exec(arg) ?? [];
  if (path === undefined || !/^\/(?:auth|\.well-known|-)\//.test(path)) return [];
  return ENDPOINTS.some((endpoint) => endpoint.test(path)) ? [] : [`the gateway has no ${path}`];
}
