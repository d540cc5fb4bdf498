/**
 * Reads the files that a configuration names. Each part reads its own with a {@link FileReader}, which collects what is
 * wrong, and then builds from what it got. So `validate`, `start` and a reload find the same mistakes, all at once, and read
 * each file once.
 */

import { ConfigFault } from '../../errors.ts';
import type { Clocks } from '../../lib/clock.ts';
import { NOT_A_CERTIFICATE, pairProblem, readCertificates } from '../../lib/crypto/pem.ts';
import { type Code, formatPath, type KeyPath } from '../findings/problem.ts';
import { readNamedFile, remembering } from './remembered-files.ts';

/** Reads files and collects the mistakes in them. */
export class FileReader {
  readonly clocks: Clocks;
  /** One for each file that cannot be used, with the key that names it. */
  readonly mistakes: ConfigFault[] = [];
  /** About files that can be used, but are probably not what is meant. */
  readonly warnings: { readonly code: Code; readonly fault: ConfigFault }[] = [];
  readonly #isSkipped: (key: KeyPath) => boolean;

  /** @param isSkipped  whether the file of a key is left alone. Default: every file is read */
  constructor(clocks: Clocks, isSkipped: (key: KeyPath) => boolean = () => false) {
    this.clocks = clocks;
    this.#isSkipped = isSkipped;
  }

  /**
   * Reads the file of a key.
   *
   * @param path  `undefined` when the key is not there
   * @param read  throws a ConfigFault, or an error of the system, when the content cannot be used
   * @returns what `read` returns; the stand-in where there is no file, where it is skipped, and where it cannot be used
   */
  async read<T, S>(
    key: KeyPath,
    path: string | undefined,
    read: (path: string) => T | Promise<T>,
    standIn: S,
  ): Promise<T | S> {
    if (path === undefined || this.#isSkipped(key)) return standIn;
    try {
      return await remembering(() => read(path));
    } catch (thrown) {
      this.mistakes.push(faultAt(key, thrown));
      return standIn;
    }
  }
}

/** The fault of a file, with the key that names it in its message and as its `key`. One line per mistake. */
export function faultAt(key: KeyPath, thrown: unknown): ConfigFault {
  const place = (thrown instanceof ConfigFault ? thrown.key : null) ?? key;
  const name = formatPath(place);
  const lines = messagesOf(thrown).map((message) => (message.startsWith(name) ? message : `${name}: ${message}`));
  return new ConfigFault(lines.join('\n'), { cause: thrown, key: place });
}

function messagesOf(thrown: unknown): readonly string[] {
  if (thrown instanceof ConfigFault) return thrown.message.split('\n');
  if (thrown instanceof Error && 'syscall' in thrown) return ['cannot be read'];
  throw thrown;
}

/**
 * Reads a file with CA certificates.
 *
 * @throws ConfigFault when it cannot be read or has none
 */
export async function readCa(path: string): Promise<string> {
  const pem = await readPem(path);
  if (readCertificates(pem) === null) throw new ConfigFault(`${path} ${NOT_A_CERTIFICATE}`);
  return pem;
}

/** A certificate chain and the key of its leaf, PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads a certificate and its key.
 *
 * @param at  the way to the keys `certFile` and `keyFile`
 * @throws ConfigFault with the key of the file that cannot be read or used
 */
export async function readPair(
  at: KeyPath,
  { certFile, keyFile }: { readonly certFile: string; readonly keyFile: string },
): Promise<Pair> {
  const named = (name: 'certFile' | 'keyFile', path: string) =>
    readPem(path).catch((thrown: unknown) => Promise.reject(faultAt([...at, name], thrown)));
  const [cert, key] = await Promise.all([named('certFile', certFile), named('keyFile', keyFile)]);
  const problem = pairProblem(cert, key);
  if (problem === null) return { cert, key };
  const path = problem.of === 'certFile' ? certFile : keyFile;
  throw faultAt([...at, problem.of], new ConfigFault(`${path} ${problem.what}`));
}

/** Decodes any bytes; the caller reports text that is not PEM. */
async function readPem(path: string): Promise<string> {
  try {
    return (await readNamedFile(path)).toString('latin1');
  } catch (cause) {
    throw new ConfigFault(`${path} cannot be read`, { cause });
  }
}
