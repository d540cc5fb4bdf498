/**
 * A thread that verifies passwords, one at a time. Started by `hasher.ts` with `worker_threads`.
 *
 * On Linux `setpriority` with 0 sets the nice value of the calling thread alone (setpriority(2), "C library/kernel
 * differences"), so this thread gets what the event loop leaves. Elsewhere it would set that of the whole process.
 */

import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { type PasswordHash, verifyPasswordSync } from './hash.ts';

/** What the thread is asked. */
export interface HashJob {
  readonly password: string;
  readonly stored: PasswordHash;
}

const LOWEST_PRIORITY = 19;
if (process.platform === 'linux') setPriority(0, LOWEST_PRIORITY);

parentPort?.on('message', ({ password, stored }: HashJob) => {
  const { salt, hash } = stored;
  // Buffers arrive as plain Uint8Arrays.
  parentPort?.postMessage(
    verifyPasswordSync(password, { ...stored, salt: Buffer.from(salt), hash: Buffer.from(hash) }),
  );
});
