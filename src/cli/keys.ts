/** `sallyport keys generate|rotate|list`: the key directory that signs upstream tokens, from a shell. */

import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConfigFault } from '../errors.ts';
import { counted } from '../lib/text/counted.ts';
import { toTimestamp } from '../lib/text/timestamp.ts';
import type { Keyring } from '../token/keyring.ts';
import type { SigningAlgorithm } from '../token/signing-key.ts';
import { type CliIo, defineCommand, EXIT, type OptionValues, UsageFault } from './command.ts';
import { CONFIG_OPTION, configPath, JSON_OPTION, loadConfiguration } from './io/configuration.ts';
import { formatTable, show } from './io/output.ts';

type KeyAlgorithm = Exclude<SigningAlgorithm, 'HS256'>;

const ALGORITHMS = ['ES256', 'EdDSA', 'RS256', 'PS256'] as const satisfies readonly KeyAlgorithm[];

const DIRECTORY_OPTIONS = {
  config: {
    ...CONFIG_OPTION,
    description: 'Configuration with the directory and the algorithm; - is standard input.',
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

/** Where keys are and what they are for. */
interface KeySettings {
  readonly directory: string;
  readonly algorithm: KeyAlgorithm;
  readonly publishBeforeMs: number;
  readonly tokenLifetimeMs: number;
}

/** From the options, or from the configuration. */
async function keySettings(options: OptionValues<typeof DIRECTORY_OPTIONS>, io: CliIo): Promise<KeySettings> {
  if (options.directory !== undefined) {
    const algorithm = (options.algorithm ?? 'ES256') as KeyAlgorithm;
    const directory = resolve(io.cwd, options.directory);
    return { directory, algorithm, publishBeforeMs: 15 * 60_000, tokenLifetimeMs: 120_000 };
  }
  if (options.algorithm !== undefined) throw new UsageFault('--algorithm needs --directory');
  const path = configPath(options.config, io);
  const { loaded } = await loadConfiguration(path, io, true);
  const { keys, algorithm } = loaded.config.upstreamToken;
  const { longestSignedMs } = await import('../gateway/configuration/token-lifetimes.ts');
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
    'Writes one file, readable by its owner only, and creates the directory if it is missing. The key signs from now on. Add later keys with "sallyport keys rotate", or set upstreamToken.keys.rotateEvery to let the gateway rotate them.',
  ],
  options: { ...DIRECTORY_OPTIONS, json: JSON_OPTION },
  examples: [
    ['sallyport keys generate', 'For sallyport.yaml'],
    ['sallyport keys generate --directory /var/lib/sallyport/keys --algorithm EdDSA', 'Without a configuration'],
  ],
  exit: { ok: 'created', failed: 'the directory already has keys, or cannot be written' },
  async run({ options, io }) {
    const settings = await keySettings(options, io);
    const { addKey } = await import('../token/key-directory.ts');
    await mkdir(settings.directory, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
      throw new ConfigFault(`${settings.directory} cannot be created`, { cause });
    });
    const present = (await readKeyring(settings, io)).states();
    if (present.length > 0) {
      const keys = counted(present.length, 'key');
      throw new ConfigFault(`${settings.directory} already has ${keys}: use \`sallyport keys rotate\``);
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
  summary: 'Add a signing key that replaces the current one',
  description: [
    'The new key is published in the JWKS at once, and signs after upstreamToken.keys.publishBefore (with --directory: 15 minutes), so that verifiers have seen it by then. The old key stays published until its last token has expired. Running gateways read the directory every 10 seconds.',
    '--now makes the new key sign at once: use it when a key has leaked, and remove the file of the leaked key as well. Verifiers with a cached JWKS refuse new tokens until they fetch it again.',
  ],
  options: {
    ...DIRECTORY_OPTIONS,
    now: { type: 'boolean', description: 'Sign with the new key at once.' },
    json: JSON_OPTION,
  },
  examples: [
    ['sallyport keys rotate', 'For sallyport.yaml'],
    ['sallyport keys rotate --now', 'The current key has leaked'],
  ],
  exit: { ok: 'added', failed: 'there already is a next key, another rotation is in progress, or writing fails' },
  async run({ options, io }) {
    const settings = await keySettings(options, io);
    const { addKey, withRotationLock } = await import('../token/key-directory.ts');
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
        throw new ConfigFault(`key ${next.signing.kid} is already due to sign from ${toTimestamp(next.activatesAtMs)}`);
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
    'next: published, does not sign yet. active: signs. retired: no longer signs; stays published until the last token that it signed has expired.',
  ],
  options: { ...DIRECTORY_OPTIONS, json: JSON_OPTION },
  examples: [['sallyport keys list', 'For sallyport.yaml']],
  exit: { ok: 'listed', failed: 'the directory or a key in it cannot be read' },
  async run({ options, io }) {
    const keyring = await readKeyring(await keySettings(options, io), io);
    const rows = keyring.states().map((key) => ({
      kid: key.signing.kid,
      algorithm: key.signing.algorithm,
      state: key.state,
      published: !keyring.isSpent(key),
      activatesAt: toTimestamp(key.activatesAtMs),
      createdAt: toTimestamp(key.createdAtMs),
    }));
    const table = formatTable(rows, {
      KID: ({ kid }) => kid,
      ALGORITHM: ({ algorithm }) => algorithm,
      STATE: ({ state }) => state,
      PUBLISHED: ({ published }) => (published ? 'yes' : 'no'),
      'SIGNS FROM': ({ activatesAt }) => activatesAt,
      CREATED: ({ createdAt }) => createdAt,
    });
    show(io, options.json, rows, table);
    return EXIT.ok;
  },
});
