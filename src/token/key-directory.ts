/**
 * Signing keys on disk: one JSON file per key, written once and never changed, in a directory that several replicas can
 * share. Rotation is adding a file whose `activatesAt` lies ahead; forgetting a spent key is removing its file.
 */

import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readNamedDirectory, readNamedFile } from '../config/files/remembered-files.ts';
import { ConfigFault } from '../errors.ts';
import { randomHex } from '../lib/crypto/random-hex.ts';
import { errorCode } from '../lib/error-code.ts';
import { fromTimestamp, toTimestamp } from '../lib/text/timestamp.ts';
import type { DatedKey } from './keyring.ts';
import { generatePrivateJwk, importPrivateJwk, type SigningAlgorithm } from './signing-key.ts';

const keyFileSchema = z.strictObject({
  createdAt: z.iso.datetime(),
  activatesAt: z.iso.datetime(),
  privateJwk: z.looseObject({ kty: z.string(), kid: z.string(), alg: z.string(), d: z.string() }),
});

const KEY_FILE = /^[A-Za-z0-9_-]+\.key\.json$/;
const LOCK_FILE = 'rotation.lock';
/** A lock older than this was left behind by a process that died. */
const LOCK_STALE_MS = 60_000;

/**
 * Reads every key of a directory.
 *
 * @throws ConfigFault that names the file when one cannot be read: better no start than a key too few
 */
export async function readKeyDirectory(directory: string, algorithm: SigningAlgorithm): Promise<DatedKey[]> {
  const names = await keyFiles(directory);
  try {
    return await Promise.all(names.map((name) => readKeyFile(join(directory, name), algorithm)));
  } catch (fault) {
    // Another replica may have removed a spent key meanwhile.
    if ((await keyFiles(directory)).join() === names.join()) throw fault;
    return readKeyDirectory(directory, algorithm);
  }
}

const keyFiles = async (directory: string): Promise<string[]> =>
  (await readNamedDirectory(directory)).filter((name) => KEY_FILE.test(name)).toSorted();

async function readKeyFile(path: string, algorithm: SigningAlgorithm): Promise<DatedKey> {
  try {
    const text = (await readNamedFile(path)).toString();
    const { createdAt, activatesAt, privateJwk } = keyFileSchema.parse(JSON.parse(text));
    const signing = await importPrivateJwk(privateJwk, algorithm);
    return { signing, createdAtMs: fromTimestamp(createdAt), activatesAtMs: fromTimestamp(activatesAt) };
  } catch (cause) {
    const why = cause instanceof ConfigFault ? cause.message : 'is not a key file of `sallyport keys generate`';
    throw new ConfigFault(`${path} ${why}`, { cause });
  }
}

/**
 * Adds a new key to a directory.
 *
 * @param activatesAtMs  from when it signs; wall clock
 * @returns the key's `kid`
 * @throws ConfigFault when the directory cannot be written to
 */
export async function addKey(
  directory: string,
  algorithm: Exclude<SigningAlgorithm, 'HS256'>,
  createdAtMs: number,
  activatesAtMs: number,
): Promise<string> {
  const privateJwk = await generatePrivateJwk(algorithm);
  const kid = privateJwk.kid ?? '';
  const text = JSON.stringify(
    { createdAt: toTimestamp(createdAtMs), activatesAt: toTimestamp(activatesAtMs), privateJwk },
    null,
    2,
  );
  const path = join(directory, `${kid}.key.json`);
  await inWritable(directory, async () => {
    await mkdir(directory, { recursive: true });
    // Readers never see half a file: it is written under another name, readable by its owner only, and then renamed.
    await writeFile(`${path}.tmp`, `${text}\n`, { mode: 0o600, flag: 'wx' });
    await rename(`${path}.tmp`, path);
  });
  return kid;
}

/** Runs an operation that writes to a directory, and reports a directory that cannot be written to, such as a read-only mount. */
async function inWritable<T>(directory: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw new ConfigFault(`${directory} cannot be written to (${errorCode(cause) ?? 'unknown'})`, { cause });
  }
}

/** Removes a key's file. It must be spent. */
export async function removeKey(directory: string, kid: string): Promise<void> {
  await rm(join(directory, `${kid}.key.json`), { force: true });
}

/**
 * Runs a change of the directory while no other replica runs one.
 *
 * @returns `false` when another one has the lock, and nothing was done
 * @throws ConfigFault when the directory cannot be written to
 */
export async function withRotationLock(
  directory: string,
  nowMs: number,
  change: () => Promise<void>,
): Promise<boolean> {
  const path = join(directory, LOCK_FILE);
  if (!(await inWritable(directory, () => takeLock(path, nowMs)))) return false;
  try {
    await change();
    return true;
  } finally {
    await rm(path, { force: true });
  }
}

/** The lock holds the time at which it was taken, by the clock that judges it; `link` makes it appear whole or not at all. */
async function takeLock(path: string, nowMs: number): Promise<boolean> {
  const own = `${path}.${randomHex(16)}`;
  await writeFile(own, String(nowMs), { mode: 0o600, flag: 'wx' });
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(own, { force: true });
  }
  const takenMs = Number(await readFile(path, 'utf8').catch(() => nowMs));
  if (nowMs - takenMs < LOCK_STALE_MS) return false;
  await rm(path, { force: true });
  return takeLock(path, nowMs);
}
