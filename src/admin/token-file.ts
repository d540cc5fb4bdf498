/**
 * The bearer token of the admin API: read from its file, compared in constant time, read again when the file changes.
 */

import { hash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type FileWatch, watchFiles } from '../config/watch.ts';
import { ConfigFault } from '../errors.ts';
import { bearerCredential } from '../lib/bearer.ts';

/** 32 characters of base64 are 192 bits. */
const MIN_LENGTH = 32;
const TOKEN_PATTERN = /^[\x21-\x7e]+$/;

export class AdminToken {
  readonly #path: string;
  readonly #watch: FileWatch;
  /** SHA-256, so that what is compared is always of one length. */
  #digest: Buffer;

  /**
   * @param onProblem  called when the file changes into one that cannot be used; the token stays as it was
   * @throws ConfigFault when the file cannot be used now
   */
  constructor(path: string, onProblem: (fault: ConfigFault) => void) {
    this.#path = path;
    this.#digest = readAdminToken(path);
    this.#watch = watchFiles([path], () => this.#readAgain(onProblem));
  }

  /** Whether this is the value of an Authorization header that presents the token. */
  isPresentedBy(authorization: string | undefined): boolean {
    const token = bearerCredential(authorization ?? '');
    return token !== null && timingSafeEqual(hash('sha256', token, 'buffer'), this.#digest);
  }

  close(): void {
    this.#watch.close();
  }

  #readAgain(onProblem: (fault: ConfigFault) => void): void {
    try {
      this.#digest = readAdminToken(this.#path);
    } catch (fault) {
      onProblem(fault as ConfigFault);
    }
  }
}

/**
 * Reads the file.
 *
 * @returns SHA-256 of the token
 * @throws ConfigFault when it cannot be read, or is too short or no token
 */
export function readAdminToken(path: string): Buffer {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new ConfigFault(`listeners.admin.tokenFile: ${path} cannot be read`, { cause });
  }
  if (text.length < MIN_LENGTH || !TOKEN_PATTERN.test(text)) {
    throw new ConfigFault(
      `listeners.admin.tokenFile: ${path} must hold at least ${MIN_LENGTH} visible ASCII characters without spaces, such as from \`openssl rand -base64 32\``,
    );
  }
  return hash('sha256', text, 'buffer');
}
