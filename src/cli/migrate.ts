/** `sallyport migrate`: replaces former names in a configuration. */

import { realpath, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConfigFault } from '../errors.ts';
import { counted } from '../lib/text/counted.ts';
import { defineCommand, EXIT } from './command.ts';
import { configPath } from './io/configuration.ts';
import { readInput } from './io/input.ts';
import { replaceFile } from './io/replace-file.ts';

/** `sallyport migrate`. */
export const migrateCommand = defineCommand({
  name: 'migrate',
  summary: 'Replace former names of keys in a configuration',
  description: [
    'A configuration of an older version works as before: the former names are understood, and "validate" warns about them. This command replaces them in the file itself. Comments, order, anchors and quotes stay; where a key moves to another map, whitespace may change. Running it again changes nothing.',
    'Reads neither variables nor the files that the configuration names. docs/upgrading.md lists the names.',
  ],
  args: [
    {
      name: 'FILE',
      isOptional: true,
      description:
        'Configuration file, replaced in one step; - rewrites standard input to standard output. Default: $SALLYPORT_CONFIG, else sallyport.yaml.',
    },
  ],
  options: {
    at: {
      type: 'string',
      value: 'KEY',
      description: 'Where the configuration is in the file: config in the values of the Helm chart.',
      default: 'the whole file',
    },
    check: { type: 'boolean', description: 'Write nothing, and fail if there is something to replace.' },
  },
  examples: [
    ['sallyport migrate', 'Rewrite sallyport.yaml'],
    ['sallyport migrate --check config/sallyport.yaml', 'In a pull request'],
    ['sallyport migrate --at config values.yaml', 'The values of the Helm chart'],
    ['sallyport migrate - < sallyport.yaml | diff sallyport.yaml -', 'See what would change'],
  ],
  exit: {
    ok: 'rewritten, or nothing to replace',
    failed: 'it cannot be read, rewritten or written; or with --check: there is something to replace',
  },
  async run({ options, args, io }) {
    const path = args[0] ?? configPath(undefined, io);
    const before = await readInput(path, io);
    const { migrate } = await import('../config/text/migrate.ts');
    const { RENAMES } = await import('../gateway/configuration/renames.ts');
    const { renamesBelow } = await import('../config/text/renames.ts');
    const { renderText } = await import('../config/render.ts');
    const renames = options.at === undefined ? RENAMES : renamesBelow(options.at, RENAMES);
    const { text, problems, source } = migrate(before, renames);
    if (text === null) throw new ConfigFault(renderText({ path, problems, source }));
    const isChanged = text !== before;
    const report = path === '-' ? io.stderr : io.stdout;
    for (const { line, column, message } of problems) report.write(`${path}:${line}:${column}: ${message}\n`);
    if (options.check) {
      report.write(`${path}: ${isChanged ? `has ${counted(problems.length, 'former name')}` : 'nothing to replace'}\n`);
      return isChanged ? EXIT.failed : EXIT.ok;
    }
    if (path === '-') io.stdout.write(text);
    else if (isChanged) await writeInPlace(resolve(io.cwd, path), text);
    report.write(`${path}: ${isChanged ? 'rewritten' : 'nothing to replace'}\n`);
    return EXIT.ok;
  },
});

/** Replaces the file that a path leads to, also through links, and keeps its permissions. */
async function writeInPlace(path: string, text: string): Promise<void> {
  const file = await realpath(path);
  await replaceFile(file, text, (await stat(file)).mode & 0o777);
}
