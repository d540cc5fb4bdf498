/**
 * The contents of files that were read and could be used, so that a process that takes the place of another one starts with
 * what that one has read, when the files cannot be used any more.
 *
 * Only its reader knows whether a file can be used, so contents are remembered once the whole of {@link remembering}
 * has succeeded, and they stand in for all files of {@link readingRemembered} at once: parts of different times need
 * not fit.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { readdir, readFile } from 'node:fs/promises';

/** By path; a directory has the names in it, one a line. */
export type FileContents = ReadonlyMap<string, Uint8Array>;

const remembered = new Map<string, Uint8Array>();
const reading = new AsyncLocalStorage<Map<string, Uint8Array>>();
const standIns = new AsyncLocalStorage<{ readonly files: FileContents; isOver: boolean }>();

/** The contents of all files that this process has read and could use. They may be secrets. */
export const rememberedFiles = (): FileContents => remembered;

/** Reads a file. Rejects with the error of the system. */
export async function readNamedFile(path: string): Promise<Buffer> {
  return contentsOf(path, () => readFile(path));
}

/** The names in a directory. Rejects with the error of the system. */
export async function readNamedDirectory(path: string): Promise<string[]> {
  const names = await contentsOf(path, async () => Buffer.from((await readdir(path)).join('\n')));
  return names.toString().split('\n');
}

/** Whether remembered contents stand in for a file. */
export const isRemembered = (path: string): boolean => standInFor(path) !== undefined;

/** Reads files, and remembers their contents when that succeeds. */
export async function remembering<T>(read: () => T | Promise<T>): Promise<T> {
  const seen = new Map<string, Uint8Array>();
  const result = await reading.run(seen, read);
  for (const [path, contents] of seen) remembered.set(path, contents);
  return result;
}

/** Runs something that reads files, which get these contents until it is done. Others are read from the disk. */
export async function readingRemembered<T>(files: FileContents, use: () => Promise<T>): Promise<T> {
  const standIn = { files, isOver: false };
  try {
    return await standIns.run(standIn, use);
  } finally {
    // What it has started, such as a timer that reads again, continues.
    standIn.isOver = true;
  }
}

function standInFor(path: string): Uint8Array | undefined {
  const standIn = standIns.getStore();
  return standIn === undefined || standIn.isOver ? undefined : standIn.files.get(path);
}

async function contentsOf(path: string, read: () => Promise<Buffer>): Promise<Buffer> {
  const standIn = standInFor(path);
  const contents = standIn === undefined ? await read() : Buffer.from(standIn);
  reading.getStore()?.set(path, contents);
  return contents;
}
