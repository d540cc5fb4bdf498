/**
 * The signing keys of a running gateway: in memory, from a shared secret, or from a directory that is watched and, when
 * asked to, rotated.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { FileReader } from '../config/files/named-files.ts';
import { remembering } from '../config/files/remembered-files.ts';
import { readHs256Secret } from '../config/files/secret-file.ts';
import { ConfigFault } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { addKey, readKeyDirectory, removeKey, withRotationLock } from './key-directory.ts';
import { type DatedKey, Keyring } from './keyring.ts';
import type { UpstreamTokenConfig as TokenConfig } from './section.ts';
import { newSigningKey, type SigningAlgorithm, secretSigningKey } from './signing-key.ts';

/** How often, and how far apart, a directory is read while another process makes the first key: 5 s. */
const FIRST_KEY_ATTEMPTS = 100;
const FIRST_KEY_PAUSE_MS = 50;

/** The signing keys of a gateway, from a directory, a secret, or made in memory. */
export interface SigningKeys {
  readonly keyring: Keyring;
  /** For the line that is printed at start. */
  readonly description: string;
  /** Whether they come from a file or a directory. */
  readonly areInFiles: boolean;
  /** Reads the directory again and rotates if it is time. Called on an interval by the gateway; safe to call at once. */
  refresh(): Promise<void>;
}

/**
 * Reads the signing keys that a configuration names, and makes none.
 *
 * @returns `null` where the key will be made in memory
 */
export async function readSigningKeys(
  { algorithm, keys, secretFile }: TokenConfig,
  reader: FileReader,
): Promise<readonly DatedKey[] | null> {
  if (algorithm === 'HS256') {
    const key = ['upstreamToken', 'secretFile'];
    return reader.read(key, secretFile, async (path) => [always(secretSigningKey(await readHs256Secret(path)))], null);
  }
  return reader.read(
    ['upstreamToken', 'keys', 'directory'],
    keys?.directory,
    async (directory) => {
      const found = await readKeyDirectory(directory, algorithm);
      // Where keys are rotated, the first one is made at start.
      const needsOne = keys?.rotateEvery === undefined;
      if (needsOne && new Keyring(found, 0, reader.clocks.wallMs).activeSinceMs() === null)
        throw noActiveKey(directory, algorithm);
      return found;
    },
    null,
  );
}

const noActiveKey = (directory: string, algorithm: SigningAlgorithm) =>
  new ConfigFault(
    `${directory} has no active ${algorithm} key: run \`sallyport keys generate --directory ${directory} --algorithm ${algorithm}\``,
  );

/**
 * Opens the signing keys that a configuration names.
 *
 * @param found            what {@link readSigningKeys} gave
 * @param tokenLifetimeMs  the longest life of a token that is going to be signed
 * @throws ConfigFault when the first key cannot be made in a directory
 */
export async function openSigningKeys(
  { algorithm, keys }: TokenConfig,
  found: readonly DatedKey[] | null,
  tokenLifetimeMs: number,
  wallMs: Clock,
): Promise<SigningKeys> {
  if (algorithm === 'HS256' || keys === undefined) {
    const inUse = found ?? [always(await newSigningKey(algorithm))];
    const description = algorithm === 'HS256' ? 'HS256 secret' : `${algorithm} key in memory`;
    const keyring = new Keyring(inUse, tokenLifetimeMs, wallMs);
    return { keyring, description, areInFiles: algorithm === 'HS256', refresh: async () => {} };
  }
  const directory = new KeyDirectory(keys, algorithm, new Keyring(found ?? [], tokenLifetimeMs, wallMs), wallMs);
  await directory.rotateIfDue();
  // Another replica that starts just now may be making the first key.
  const attempts = keys.rotateEvery === undefined ? 0 : FIRST_KEY_ATTEMPTS;
  for (let attempt = 0; attempt < attempts && directory.keyring.activeSinceMs() === null; attempt += 1) {
    await sleep(FIRST_KEY_PAUSE_MS);
    await directory.refresh();
  }
  if (directory.keyring.activeSinceMs() === null) throw noActiveKey(keys.directory, algorithm);
  return directory;
}

/** A key that has always been active. */
const always = (signing: DatedKey['signing']): DatedKey => ({ signing, activatesAtMs: 0, createdAtMs: 0 });

class KeyDirectory implements SigningKeys {
  readonly keyring: Keyring;
  readonly description: string;
  readonly areInFiles = true;
  readonly #directory: string;
  /** `null` when the gateway does not rotate keys. */
  readonly #rotateEveryMs: number | null;
  readonly #publishBeforeMs: number;
  readonly #algorithm: Exclude<SigningAlgorithm, 'HS256'>;
  readonly #wallMs: Clock;

  constructor(
    { directory, rotateEvery, publishBefore }: NonNullable<TokenConfig['keys']>,
    algorithm: Exclude<SigningAlgorithm, 'HS256'>,
    keyring: Keyring,
    wallMs: Clock,
  ) {
    this.#directory = directory;
    this.#rotateEveryMs = rotateEvery ?? null;
    this.#publishBeforeMs = publishBefore;
    this.#algorithm = algorithm;
    this.#wallMs = wallMs;
    this.keyring = keyring;
    this.description = `${algorithm} keys in a directory`;
  }

  async refresh(): Promise<void> {
    await this.#load();
    await this.rotateIfDue();
  }

  /** Makes a new key and forgets spent ones, if the gateway rotates keys and it is time. */
  async rotateIfDue(): Promise<void> {
    if (this.#rotateEveryMs !== null && (this.#newKeyDue() || this.#spent().length > 0)) {
      await withRotationLock(this.#directory, this.#wallMs(), () => this.#rotate());
      await this.#load();
    }
  }

  async #load(): Promise<void> {
    this.keyring.replace(await remembering(() => readKeyDirectory(this.#directory, this.#algorithm)));
  }

  #spent(): readonly DatedKey[] {
    return this.keyring.states().filter((key) => this.keyring.isSpent(key));
  }

  #newKeyDue(): boolean {
    const states = this.keyring.states();
    if (states.some((key) => key.state === 'next')) return false;
    const activeSinceMs = this.keyring.activeSinceMs();
    if (activeSinceMs === null) return true;
    return this.#wallMs() >= activeSinceMs + (this.#rotateEveryMs ?? 0) - this.#publishBeforeMs;
  }

  /** Under the lock: looks again, since another replica may just have done it. */
  async #rotate(): Promise<void> {
    await this.#load();
    const nowMs = this.#wallMs();
    if (this.#newKeyDue()) {
      // No verifier has cached a JWKS before the first key.
      const leadMs = this.keyring.activeSinceMs() === null ? 0 : this.#publishBeforeMs;
      await addKey(this.#directory, this.#algorithm, nowMs, nowMs + leadMs);
    }
    for (const { signing } of this.#spent()) await removeKey(this.#directory, signing.kid);
  }
}
