/**
 * Lets one process at a time renew a login: a file beside it that names the owner. The lock of a process that has died
 * is taken over. Two processes that find the same stale lock may both continue, which is harmless: the gateway gives both the same
 * successor within its grace, and files are written whole.
 */

import { open, readFile, rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { ConfigFault } from '../../errors.ts';
import { errorCode } from '../../lib/error-code.ts';

/** Longer than a renewal can take. */
const PATIENCE_MS = 30_000;
const LOOK_AGAIN_MS = 25;

/**
 * Runs a function that no other process runs at the same time.
 *
 * @param path  of the lock; its directory exists
 * @param now   milliseconds, monotonic
 * @throws ConfigFault when another process has the lock for longer than it may take
 */
export async function withLock<T>(path: string, now: () => number, work: () => Promise<T>): Promise<T> {
  const untilMs = now() + PATIENCE_MS;
  while (!(await hasTaken(path))) {
    const owner = await ownerOf(path);
    if (owner !== null && !isAlive(owner)) await rm(path, { force: true });
    else if (now() > untilMs) throw new ConfigFault(`another process holds ${path}; delete it if there is none`);
    else await pause(LOOK_AGAIN_MS);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function hasTaken(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (cause) {
    if (errorCode(cause) === 'EEXIST') return false;
    throw new ConfigFault(`${path} cannot be written`, { cause });
  }
}

/** @returns `null` when the lock is gone, or was just created and does not name its owner yet */
async function ownerOf(path: string): Promise<number | null> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return errorCode(cause) !== 'ESRCH';
  }
}
