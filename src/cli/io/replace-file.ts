/** Replaces a file in one step. */

import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { ConfigFault } from '../../errors.ts';
import { errorCode } from '../../lib/error-code.ts';

/**
 * Writes a new file beside the old one, and puts it in its place: a reader sees either the old text or the new one.
 *
 * @param mode  permissions of the file
 * @throws ConfigFault when it cannot be written; the old file is as it was
 */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, text, { mode, flag: 'wx', flush: true });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new ConfigFault(`${path} cannot be written (${errorCode(cause) ?? 'unknown error'})`, { cause });
  }
}
