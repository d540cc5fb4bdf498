/** `sallyport keys generate|rotate|list`: the key directory that signs upstream tokens, from a shell. */

import { resolve } from 'node:path';
import { counted } from '../lib/counted.ts';
import type { Keyring } from '../token/keyring.ts';
import type { SigningAlgorithm } from '../token/signing-key.ts';
import { type CliIo, defineCommand, EXIT, UsageFault } from './command.ts';
import { CONFIG_OPTION, configPath, JSON_OPTION, loadConfiguration } from './configuration.ts';

type KeyAlgorithm = Exclude<SigningAlgorithm, 'HS256'>;

const ALGORITHMS = ['ES256', 'EdDSA', 'RS256', 'PS256'] as const satisfies readonly KeyAlgorithm[];

const DIRECTORY_OPTIONS = {
  config: {
    ...CONFIG_OPTION,
    description: 'Take directory and algorithm from this configuration; - is standard input.',
  },
  directory: { type: 'string', value: 'DIR', description: 'Directory of the keys, instead of a configuration.' },
  algorithm: {
    type: 'string',
    value: 'ALG',
    choices: ALGORITHMS,
    description: 'Signature algorithm, with --directory.',
    default: 'ES256',
  },
} as const;

/** Where keys are and what they are for. Durations in milliseconds. */
interface KeySettings {
  readonly directory: string;
  readonly algorithm: KeyAlgorithm;
  readonly publishBeforeMs: number;
  readonly tokenLifetimeMs: number;
}

interface DirectoryOptions {
  readonly config: string | undefined;
  readonly directory: string | undefined;
  readonly algorithm: string | undefined;
}

/** By options, or by the configuration. */
async function keySettings(command: string, options: DirectoryOptions, io: CliIo): Promise<KeySettings> {
  if (options.directory !== undefined) {
    const algorithm = (options.algorithm ?? 'ES256') as KeyAlgorithm;
    const directory = resolve(io.cwd, options.directory);
    return { directory, algorithm, publishBeforeMs: 15 * 60_000, tokenLifetimeMs: 120_000 };
  }
  if (options.algorithm !== undefined) throw new UsageFault('--algorithm goes with --directory', command);
  const path = configPath(options.config, io);
  const { loaded } = await loadConfiguration(path, io, true);
  const { keys, algorithm } = loaded.config.upstreamToken;
  const { ConfigFault } = await import('../errors.ts');
  const { longestSignedMs } = await import('../gateway/token-lifetimes.ts');
  if (keys === undefined || algorithm === 'HS256') {
    throw new ConfigFault(`${path}: upstreamToken.keys.directory is not set, so there are no keys on disk`);
  }
  return {
    directory: keys.directory,
    algorithm,
    publishBeforeMs: keys.publishBefore,
    tokenLifetimeMs: longestSignedMs(loaded.config),
  };
}

async function readKeyring({ directory, algorithm, tokenLifetimeMs }: KeySettings, io: CliIo): Promise<Keyring> {
  const { existsSync } = await import('node:fs');
  const { ConfigFault } = await import('../errors.ts');
  const { readKeyDirectory } = await import('../token/key-directory.ts');
  const { Keyring: Ring } = await import('../token/keyring.ts');
  if (!existsSync(directory)) throw new ConfigFault(`${directory}: no such directory`);
  return new Ring(await readKeyDirectory(directory, algorithm), tokenLifetimeMs, io.clocks.wallMs);
}

/** `sallyport keys generate`. */
export const keysGenerate = defineCommand({
  name: 'keys generate',
  summary: 'Create the first signing key of a key directory',
  description: [
    'Writes one file, readable by its owner only, and creates the directory if it is missing. The key signs from now on. Later keys come from "sallyport keys rotate", or from the gateway itself when upstreamToken.keys.rotateEvery is set.',
  ],
  options: { ...DIRECTORY_OPTIONS, json: JSON_OPTION },
  examples: [
    ['sallyport keys generate', 'For sallyport.yaml'],
    ['sallyport keys generate --directory /var/lib/sallyport/keys --algorithm EdDSA', 'Without a configuration'],
  ],
  exit: { ok: 'created', failed: 'the directory already has keys, or cannot be written' },
  async run({ options, io }) {
    const settings = await keySettings('keys generate', options, io);
    const { ConfigFault } = await import('../errors.ts');
    const { addKey } = await import('../token/key-directory.ts');
    const { mkdir } = await import('node:fs/promises');
    await mkdir(settings.directory, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
      throw new ConfigFault(`${settings.directory} cannot be made`, { cause });
    });
    const present = (await readKeyring(settings, io)).states();
    if (present.length > 0) {
      throw new ConfigFault(
        `${settings.directory} has ${counted(present.length, 'key')} already: use \`sallyport keys rotate\``,
      );
    }
    const nowMs = io.clocks.wallMs();
    const kid = await addKey(settings.directory, settings.algorithm, nowMs, nowMs);
    io.stdout.write(
      options.json
        ? `${JSON.stringify({ kid, algorithm: settings.algorithm, directory: settings.directory })}\n`
        : `${settings.algorithm} key ${kid} in ${settings.directory}, signs from now on\n`,
    );
    return EXIT.ok;
  },
});

/** `sallyport keys rotate`. */
export const keysRotate = defineCommand({
  name: 'keys rotate',
  summary: 'Add a signing key that takes over',
  description: [
    'The new key is published in the JWKS at once, and signs after upstreamToken.keys.publishBefore (with --directory: 15 minutes), so that verifiers have seen it by then. The old key stays published until its last token has expired. Running gateways read the directory every 10 seconds.',
    '--now lets the new key sign at once: for a key that has leaked. Verifiers that keep the old JWKS refuse tokens until they read it again; remove the file of the leaked key, too.',
  ],
  options: {
    ...DIRECTORY_OPTIONS,
    now: { type: 'boolean', description: 'Sign with the new key at once.' },
    json: JSON_OPTION,
  },
  examples: [
    ['sallyport keys rotate', 'For sallyport.yaml'],
    ['sallyport keys rotate --now', 'The present key has leaked'],
  ],
  exit: { ok: 'added', failed: 'there is already a next key, another rotation is in progress, or writing fails' },
  async run({ options, io }) {
    const settings = await keySettings('keys rotate', options, io);
    const { ConfigFault } = await import('../errors.ts');
    const { addKey, withRotationLock } = await import('../token/key-directory.ts');
    const { toTimestamp } = await import('../lib/timestamp.ts');
    const nowMs = io.clocks.wallMs();
    const activatesAtMs = options.now ? nowMs : nowMs + settings.publishBeforeMs;
    let kid: string | null = null;
    await readKeyring(settings, io);
    const isDone = await withRotationLock(settings.directory, nowMs, async () => {
      const states = (await readKeyring(settings, io)).states();
      const next = states.find(({ state }) => state === 'next');
      if (states.length === 0)
        throw new ConfigFault(`${settings.directory} has no keys: use \`sallyport keys generate\``);
      if (next !== undefined && !options.now) {
        throw new ConfigFault(`key ${next.signing.kid} is next already, from ${toTimestamp(next.activatesAtMs)}`);
      }
      kid = await addKey(settings.directory, settings.algorithm, nowMs, activatesAtMs);
    });
    if (!isDone) throw new ConfigFault(`another process is rotating the keys in ${settings.directory}: try again`);
    const from = toTimestamp(activatesAtMs);
    io.stdout.write(
      options.json
        ? `${JSON.stringify({ kid, algorithm: settings.algorithm, activatesAt: from })}\n`
        : `${settings.algorithm} key ${kid}, signs from ${options.now ? 'now on' : from}\n`,
    );
    return EXIT.ok;
  },
});

/** `sallyport keys list`. */
export const keysList = defineCommand({
  name: 'keys list',
  summary: 'List the signing keys of a key directory and their states',
  description: [
    'next: published, does not sign yet. active: signs. retired: does not sign any more; published while tokens that it signed may live.',
  ],
  options: { ...DIRECTORY_OPTIONS, json: JSON_OPTION },
  examples: [['sallyport keys list', 'For sallyport.yaml']],
  exit: { ok: 'listed', failed: 'the directory or a key in it cannot be read' },
  async run({ options, io }) {
    const keyring = await readKeyring(await keySettings('keys list', options, io), io);
    const { toTimestamp } = await import('../lib/timestamp.ts');
    const { formatTable } = await import('./table.ts');
    const rows = keyring.states().map((key) => ({
      kid: key.signing.kid,
      algorithm: key.signing.algorithm,
      state: key.state,
      published: key.state !== 'retired' || !keyring.isSpent(key),
      activatesAt: toTimestamp(key.activatesAtMs),
      createdAt: toTimestamp(key.createdAtMs),
    }));
    io.stdout.write(
      options.json
        ? `${JSON.stringify(rows, null, 2)}\n`
        : formatTable(
            ['KID', 'ALGORITHM', 'STATE', 'PUBLISHED', 'SIGNS FROM', 'CREATED'],
            rows.map((row) => [
              row.kid,
              row.algorithm,
              row.state,
              row.published ? 'yes' : 'no',
              row.activatesAt,
              row.createdAt,
            ]),
          ),
    );
    return EXIT.ok;
  },
});
