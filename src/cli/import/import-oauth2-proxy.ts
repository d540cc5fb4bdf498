/** import: `sallyport import oauth2-proxy` translates a configuration of oauth2-proxy. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigFault } from '../../errors.ts';
import { type CliIo, defineCommand, EXIT } from '../command.ts';
import { readInput } from '../io/input.ts';
import type { Imported } from './oauth2-proxy/import.ts';

/** `sallyport import oauth2-proxy`. */
export const importOauth2ProxyCommand = defineCommand({
  name: 'import oauth2-proxy',
  summary: 'Translate a configuration of oauth2-proxy',
  description: [
    'Reads its configuration file (TOML), its command line, its environment (OAUTH2_PROXY_…), its alpha configuration (YAML), or a manifest of Kubernetes or Compose that contains them; several files together are one configuration. Writes a configuration to standard output, with comments that name the original options. Reports on standard error what could not be carried over and why, what is different now, and what you have to do.',
    'The result admits nobody who could not get in before: a rule without an equivalent is replaced by one that admits nobody. Files that options name (the email file, the htpasswd file) are read if they exist. docs/reference/oauth2-proxy.md lists every option.',
  ],
  args: [{ name: 'FILE', isRepeatable: true, description: 'Files of oauth2-proxy; - is standard input.' }],
  options: {
    'public-origin': {
      type: 'string',
      value: 'ORIGIN',
      multiple: true,
      description: 'Origin that browsers use, instead of that of redirect_url.',
    },
    secrets: {
      type: 'string',
      value: 'DIRECTORY',
      description: 'Write each secret found into a file in this directory, readable by its owner only.',
      default: 'no secret is written; the report names them',
    },
    report: { type: 'string', value: 'FILE', description: 'Write the report there, instead of to standard error.' },
    strict: { type: 'boolean', description: 'Fail when something could not be carried over.' },
  },
  examples: [
    ['sallyport import oauth2-proxy oauth2-proxy.cfg > sallyport.yaml', 'From its file'],
    [
      'sallyport import oauth2-proxy --secrets secrets flags.txt oauth2-proxy.env > sallyport.yaml',
      'From a command line and an environment; secrets become files',
    ],
    [
      'kubectl get deployment oauth2-proxy -o yaml | sallyport import oauth2-proxy --public-origin https://shop.example.com -',
      'From a cluster',
    ],
  ],
  exit: { ok: 'written', failed: 'a file cannot be read, or with --strict: something could not be carried over' },
  async run({ options, args, io }) {
    const { importOauth2Proxy } = await import('./oauth2-proxy/import.ts');
    const files = await Promise.all(
      args.map(async (name) => ({ name: shownName(name), text: await readInput(name, io) })),
    );
    const imported = await importOauth2Proxy(files, {
      origins: options['public-origin'],
      secretsDirectory: options.secrets ?? null,
      readNamed: (path) => readOrNull(resolve(io.cwd, path)),
    });
    const problems = await problemsOf(imported, io);
    if (options.secrets !== undefined) writeSecrets(resolve(io.cwd, options.secrets), imported);
    io.stdout.write(imported.yaml);
    const report = `${imported.report}${problems}`;
    if (options.report === undefined) io.stderr.write(report);
    else writeFileSync(resolve(io.cwd, options.report), report);
    return options.strict && imported.dropped > 0 ? EXIT.failed : EXIT.ok;
  },
});

const shownName = (name: string) => (name === '-' ? 'standard input' : name);

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** What `validate` would report: every problem except those of files, which do not exist yet. */
async function problemsOf({ yaml }: Imported, io: CliIo): Promise<string> {
  const { loadConfig } = await import('../../gateway/configuration/load.ts');
  const { noFiles } = await import('../../config/files/files.ts');
  const { renderText } = await import('../../config/render.ts');
  const path = 'sallyport.yaml';
  const { problems, source } = loadConfig(yaml, { path, cwd: io.cwd, env: io.env, files: noFiles });
  return problems.length === 0 ? '' : `\nFindings of "sallyport validate"\n${renderText({ path, problems, source })}`;
}

function writeSecrets(directory: string, { secrets }: Imported): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const { name, value } of secrets) {
    const path = join(directory, name);
    try {
      writeFileSync(path, value, { mode: 0o600, flag: 'wx' });
    } catch (cause) {
      throw new ConfigFault(`${path} cannot be written: it already exists, or the directory is not writable`, {
        cause,
      });
    }
  }
}
