/**
 * Where logins are kept: `$XDG_CONFIG_HOME/sallyport/logins/`, one file per gateway, for its owner alone. A file is written
 * whole or not at all. A file that others can read is not used: anyone with its refresh token owns the login.
 */

import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { ConfigFault } from '../../errors.ts';
import { errorCode } from '../../lib/error-code.ts';
import { jsonOf } from '../../lib/text/json.ts';
import type { CliIo } from '../command.ts';
import { replaceFile } from '../io/replace-file.ts';

const loginSchema = z.strictObject({
  origin: z.string(),
  accessToken: z.string().min(1),
  /** Wall clock. */
  expiresAtMs: z.number(),
  refreshToken: z.string().min(1),
});

/** A login, as it is kept. */
export type StoredLogin = z.output<typeof loginSchema>;

const OWNER_ONLY = 0o600;
const OTHERS = 0o077;

/** The login to one gateway. */
export class LoginFile {
  readonly #directory: string;
  readonly path: string;

  constructor(origin: string, io: Pick<CliIo, 'env'>) {
    this.#directory = join(configDirectory(io), 'sallyport', 'logins');
    this.path = join(this.#directory, `${encodeURIComponent(origin)}.json`);
  }

  /**
   * The login; `null` when there is none.
   *
   * @throws ConfigFault when others can read the file, or it is not a login
   */
  async read(): Promise<StoredLogin | null> {
    const file = await this.#open();
    if (file === null) return null;
    try {
      await this.#assertPrivate(file);
      const parsed = loginSchema.safeParse(jsonOf(await file.readFile('utf8')));
      if (parsed.success) return parsed.data;
      throw new ConfigFault(`${this.path} is not a login: delete it, and log in again`);
    } finally {
      await file.close();
    }
  }

  /** Writes the login, in place of one that was there. */
  async write(login: StoredLogin): Promise<void> {
    await this.prepare();
    await replaceFile(this.path, `${JSON.stringify(login)}\n`, OWNER_ONLY);
  }

  /** Creates the directory, if it does not exist. */
  async prepare(): Promise<void> {
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new ConfigFault(`${this.#directory} cannot be created (${reasonOf(cause)})`, { cause });
    }
  }

  /** Deletes the login. */
  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }

  async #open(): Promise<FileHandle | null> {
    try {
      return await open(this.path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (cause) {
      if (errorCode(cause) === 'ENOENT') return null;
      throw new ConfigFault(`${this.path} cannot be read (${reasonOf(cause)})`, { cause });
    }
  }

  async #assertPrivate(file: FileHandle): Promise<void> {
    const { mode, uid } = await file.stat();
    if (process.platform === 'win32') return;
    if (uid !== process.getuid?.()) throw new ConfigFault(`${this.path} belongs to another user: it is not used`);
    if ((mode & OTHERS) !== 0)
      throw new ConfigFault(
        `${this.path} can be read by others: it is not used. Log out and in again, since they may have a copy; chmod 600 lets you do so`,
      );
  }
}

/** By the XDG Base Directory Specification: a relative path does not count. */
function configDirectory({ env }: Pick<CliIo, 'env'>): string {
  const given = env['XDG_CONFIG_HOME'] ?? '';
  return isAbsolute(given) ? given : join(env['HOME'] || homedir(), '.config');
}

const reasonOf = (cause: unknown): string => errorCode(cause) ?? 'unknown error';
