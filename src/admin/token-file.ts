/** The bearer token of the admin API: read from its file, compared in constant time, read again when the file changes. */

import { hash, timingSafeEqual } from 'node:crypto';
import { MIN_SECRET_LENGTH, readSecret } from '../config/files/secret-file.ts';
import { FileWatch } from '../config/files/watch.ts';
import { ConfigFault } from '../errors.ts';
import { basicPassword, bearerCredential } from '../lib/http/bearer.ts';
import { fileWatchReports } from '../telemetry/file-watch.ts';
import { errorFields, type Logger } from '../telemetry/log.ts';
import type { AdminSeries } from './series.ts';

const TOKEN_PATTERN = /^[\x21-\x7e]+$/;

/** The token in use. Keeps the previous one while the file is unusable. */
export class AdminToken {
  readonly #path: string;
  readonly #watch: FileWatch;
  readonly #log: Logger;
  /** SHA-256, so that the compared values always have the same length. */
  #digest: Buffer;

  /** @param digest  what {@link readAdminToken} gave */
  constructor(path: string, digest: Buffer, log: Logger, { tokenWatchErrors }: AdminSeries) {
    this.#path = path;
    this.#log = log;
    this.#digest = digest;
    const onChange = () => void this.#readAgain();
    this.#watch = new FileWatch([path], { onChange, ...fileWatchReports('admin_token', log, tokenWatchErrors) });
    // It may have changed since it was read.
    onChange();
  }

  /**
   * Whether an Authorization header presents the token.
   *
   * @param asPassword  also as the password of HTTP Basic, with any user name
   */
  isPresentedBy(authorization = '', asPassword = false): boolean {
    const token = bearerCredential(authorization) ?? (asPassword ? basicPassword(authorization) : null);
    return token !== null && timingSafeEqual(hash('sha256', token, 'buffer'), this.#digest);
  }

  /** Stops following the file. */
  close(): void {
    this.#watch.close();
  }

  async #readAgain(): Promise<void> {
    try {
      this.#digest = await readAdminToken(this.#path);
    } catch (fault) {
      this.#log.error({ fault: errorFields(fault) }, 'admin token reload failed; keeping the previous token');
    }
  }
}

/**
 * Reads the file.
 *
 * @returns SHA-256 of the token
 * @throws ConfigFault when the file cannot be read, or its contents are too short or not visible ASCII
 */
export async function readAdminToken(path: string): Promise<Buffer> {
  const token = await readSecret(path);
  if (token.length < MIN_SECRET_LENGTH || !TOKEN_PATTERN.test(token)) {
    throw new ConfigFault(
      `${path} must hold at least ${MIN_SECRET_LENGTH} visible ASCII characters without spaces, such as from \`openssl rand -base64 32\``,
    );
  }
  return hash('sha256', token, 'buffer');
}
