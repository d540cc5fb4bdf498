/**
 * The signing keys of a running gateway: in memory, from a shared secret, or from a directory that is watched and, when
 * asked to, rotated.
 */

import { readHs256Secret } from '../config/secret-file.ts';
import { ConfigFault } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { addKey, readKeyDirectory, removeKey, withRotationLock } from './key-directory.ts';
import { type DatedKey, Keyring } from './keyring.ts';
import type { UpstreamTokenConfig as TokenConfig } from './section.ts';
import { generatePrivateJwk, importPrivateJwk, type SigningAlgorithm, secretSigningKey } from './signing-key.ts';

/** The signing keys of a gateway, from a directory, a secret, or made in memory. */
export interface SigningKeys {
  readonly keyring: Keyring;
  /** For the line that is printed at start. */
  readonly description: string;
  /** Reads the directory again and rotates if it is time. Called on an interval by the gateway; safe to call at once. */
  refresh(): Promise<void>;
}

/**
 * Opens the signing keys that a configuration names.
 *
 * @param tokenLifetimeMs  the longest life of a token that is going to be signed
 * @throws ConfigFault when no usable key is found
 */
export async function openSigningKeys(
  config: TokenConfig,
  tokenLifetimeMs: number,
  wallMs: Clock,
): Promise<SigningKeys> {
  const { algorithm } = config;
  if (algorithm === 'HS256') return secretKeys(config.secretFile, tokenLifetimeMs, wallMs);
  if (config.keys === undefined) return memoryKeys(algorithm, tokenLifetimeMs, wallMs);

  const directory = new KeyDirectory(config.keys, algorithm, tokenLifetimeMs, wallMs);
  await directory.refresh();
  if (directory.keyring.activeSinceMs() === null) {
    throw new ConfigFault(
      `${config.keys.directory} has no active ${algorithm} key: run \`sallyport keys generate --directory ${config.keys.directory} --algorithm ${algorithm}\``,
    );
  }
  return directory;
}

/**
 * Checks that {@link openSigningKeys} would find keys, and makes none.
 *
 * @throws ConfigFault when it would not
 */
export async function checkSigningKeys(config: TokenConfig, wallMs: Clock): Promise<void> {
  const { algorithm, keys, secretFile } = config;
  if (algorithm === 'HS256') {
    await secretKeys(secretFile, 0, wallMs);
  } else if (keys?.rotateEvery === undefined) {
    if (keys !== undefined) await openSigningKeys(config, 0, wallMs);
  } else {
    // Where keys are rotated, the first one is made at start.
    await readKeyDirectory(keys.directory, algorithm);
  }
}

async function secretKeys(path: string | undefined, tokenLifetimeMs: number, wallMs: Clock): Promise<SigningKeys> {
  if (path === undefined) throw new ConfigFault('upstreamToken.algorithm HS256 needs upstreamToken.secretFile');
  const signing = secretSigningKey(await readHs256Secret(path));
  return fixed(new Keyring([always(signing)], tokenLifetimeMs, wallMs), 'HS256 secret');
}

async function memoryKeys(
  algorithm: Exclude<SigningAlgorithm, 'HS256'>,
  tokenLifetimeMs: number,
  wallMs: Clock,
): Promise<SigningKeys> {
  const signing = await importPrivateJwk(await generatePrivateJwk(algorithm), algorithm);
  return fixed(new Keyring([always(signing)], tokenLifetimeMs, wallMs), `${algorithm} key in memory`);
}

const always = (signing: DatedKey['signing']): DatedKey => ({ signing, activatesAtMs: 0, createdAtMs: 0 });
const fixed = (keyring: Keyring, description: string): SigningKeys => ({
  keyring,
  description,
  refresh: async () => {},
});

class KeyDirectory implements SigningKeys {
  readonly keyring: Keyring;
  readonly description: string;
  readonly #directory: string;
  /** `null` when the gateway does not rotate keys. */
  readonly #rotateEveryMs: number | null;
  readonly #publishBeforeMs: number;
  readonly #algorithm: Exclude<SigningAlgorithm, 'HS256'>;
  readonly #wallMs: Clock;

  constructor(
    { directory, rotateEvery, publishBefore }: NonNullable<TokenConfig['keys']>,
    algorithm: Exclude<SigningAlgorithm, 'HS256'>,
    tokenLifetimeMs: number,
    wallMs: Clock,
  ) {
    this.#directory = directory;
    this.#rotateEveryMs = rotateEvery ?? null;
    this.#publishBeforeMs = publishBefore;
    this.#algorithm = algorithm;
    this.#wallMs = wallMs;
    this.keyring = new Keyring([], tokenLifetimeMs, wallMs);
    this.description = `${algorithm} keys in a directory`;
  }

  async refresh(): Promise<void> {
    await this.#load();
    if (this.#rotateEveryMs !== null && this.#changeDue()) {
      await withRotationLock(this.#directory, this.#wallMs(), () => this.#rotate());
      await this.#load();
    }
  }

  async #load(): Promise<void> {
    this.keyring.replace(await readKeyDirectory(this.#directory, this.#algorithm));
  }

  #changeDue(): boolean {
    return (
      this.#newKeyDue() || this.keyring.states().some((key) => key.state === 'retired' && this.keyring.isSpent(key))
    );
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
      // The very first key has nobody to wait for.
      const leadMs = this.keyring.activeSinceMs() === null ? 0 : this.#publishBeforeMs;
      await addKey(this.#directory, this.#algorithm, nowMs, nowMs + leadMs);
    }
    for (const key of this.keyring.states()) {
      if (key.state === 'retired' && this.keyring.isSpent(key)) await removeKey(this.#directory, key.signing.kid);
    }
  }
}
