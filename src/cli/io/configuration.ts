/**
 * io: what commands read and write: the configuration, the admin API, files, what people type, and output.
 *
 * This file loads the configuration.
 */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigFault } from '../../errors.ts';
import type { LoadedConfig, LoadResult } from '../../gateway/configuration/load.ts';
import type { ReadInstance, ReadResult } from '../../process/read.ts';
import type { CliIo } from '../command.ts';
import { readInput } from './input.ts';

/** Option of the commands that read a configuration. */
export const CONFIG_OPTION = {
  type: 'string',
  short: 'c',
  value: 'FILE',
  description: 'Configuration file; - is standard input.',
  default: '$SALLYPORT_CONFIG, else sallyport.yaml',
} as const;

/** Option of the commands that check a configuration. */
export const NO_FILES_OPTION = {
  type: 'boolean',
  description: 'Do not read the files that the configuration names, so that it can be checked on another machine.',
} as const;

/** Option of the commands whose output a script would read. */
export const JSON_OPTION = { type: 'boolean', description: 'Write JSON.' } as const;

const DEFAULT_PATH = 'sallyport.yaml';

/** Where the configuration is, by option, environment or default. */
export const configPath = (given: string | undefined, { env }: CliIo): string =>
  given ?? (env['SALLYPORT_CONFIG'] || DEFAULT_PATH);

/**
 * Reads and checks a configuration, whether it is valid or not.
 *
 * @throws ConfigFault when the file cannot be read
 */
export async function checkConfiguration(path: string, io: CliIo, skipsFiles: boolean): Promise<LoadResult> {
  const { loadConfig } = await import('../../gateway/configuration/load.ts');
  const { noFiles, systemFiles } = await import('../../config/files/files.ts');
  const text = await readConfiguration(path, io);
  return loadConfig(text, { path, cwd: io.cwd, env: io.env, files: skipsFiles ? noFiles : systemFiles });
}

/** The text of a configuration. Where there is none yet, the message says how to get one. */
async function readConfiguration(path: string, io: CliIo): Promise<string> {
  try {
    return await readInput(path, io);
  } catch (fault) {
    const isNone = path === DEFAULT_PATH && fault instanceof ConfigFault && !existsSync(resolve(io.cwd, path));
    if (!isNone) throw fault;
    throw new ConfigFault(`${fault.message} (\`sallyport init\` writes one, --config names another)`, { cause: fault });
  }
}

/** A result with a configuration. */
type ValidResult = LoadResult & { readonly loaded: LoadedConfig };

/**
 * Reads a configuration that must be valid.
 *
 * @throws ConfigFault with every mistake and its place
 */
export async function loadConfiguration(path: string, io: CliIo, skipsFiles: boolean): Promise<ValidResult> {
  return requireValid(path, await checkConfiguration(path, io, skipsFiles));
}

/**
 * Reads and checks a configuration together with what is in the files that it names.
 *
 * @throws ConfigFault when the file cannot be read
 */
export async function checkWithContents(path: string, io: CliIo): Promise<ReadResult> {
  const { readFiles } = await import('../../process/read.ts');
  return readFiles(await checkConfiguration(path, io, false), io.clocks);
}

/**
 * Reads a configuration that is going to be run.
 *
 * @throws ConfigFault with every mistake and its place, those in the files that it names included
 */
export async function loadToRun(path: string, io: CliIo): Promise<ReadInstance> {
  return (await requireValid(path, await checkWithContents(path, io))).loaded;
}

async function requireValid<R extends LoadResult>(
  path: string,
  result: R,
): Promise<R & { readonly loaded: NonNullable<R['loaded']> }> {
  const { loaded, problems, source } = result;
  if (loaded !== null) return { ...result, loaded };
  const { renderText } = await import('../../config/render.ts');
  throw new ConfigFault(
    renderText({ path, problems: problems.filter(({ severity }) => severity === 'error'), source }),
  );
}
