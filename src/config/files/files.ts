/** files: checks, reads and watches the files that a configuration names. */

import { accessSync, constants, readFileSync, type Stats, statSync } from 'node:fs';
import { errorCode } from '../../lib/error-code.ts';

/** What the loader needs to know about files. */
export interface ConfigFiles {
  /** Says what is wrong with a file or directory that a key names, or `null`. */
  readonly problem: (path: string, kind: 'file' | 'directory') => string | null;
  /** Whether every user of the machine can read it; `false` when unknown. */
  readonly isWorldReadable: (path: string) => boolean;
  /** Reads the file of a `${file:…}`; `null` when files are not read. */
  readonly read: (path: string) => { readonly text: string } | { readonly problem: string } | null;
}

/** Longest file that `${file:…}` can read. */
const MAX_VALUE_BYTES = 64 * 1024;
const WORLD_READABLE = 0o004;

/** The files of this machine. */
export const systemFiles: ConfigFiles = {
  problem(path, kind) {
    const stats = statOrProblem(path, kind);
    if (typeof stats === 'string') return stats;
    if (kind === 'directory' && !stats.isDirectory()) return 'names a file, where a directory is needed';
    if (kind === 'file' && stats.isDirectory()) return 'names a directory, where a file is needed';
    try {
      accessSync(path, constants.R_OK);
      return null;
    } catch {
      return `names a ${kind} that this user may not read`;
    }
  },
  isWorldReadable(path) {
    const stats = statOrProblem(path, 'file');
    return typeof stats !== 'string' && (stats.mode & WORLD_READABLE) !== 0;
  },
  read(path) {
    const problem = systemFiles.problem(path, 'file');
    if (problem !== null) return { problem };
    const bytes = readFileSync(path);
    if (bytes.byteLength > MAX_VALUE_BYTES)
      return { problem: 'names a file of more than 64 KiB, which is too long for a value' };
    return { text: bytes.toString('utf8') };
  },
};

/** Assumes that every file is fine, to check a configuration on another machine. */
export const noFiles: ConfigFiles = {
  problem: () => null,
  isWorldReadable: () => false,
  read: () => null,
};

/** The problem of a file or directory that is not there. */
export const missing = (kind: 'file' | 'directory') => `names a ${kind} that does not exist`;

function statOrProblem(path: string, kind: 'file' | 'directory'): Stats | string {
  try {
    return statSync(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return missing(kind);
    return code === 'EACCES'
      ? `names a ${kind} in a directory that this user may not enter`
      : `names a ${kind} that cannot be read`;
  }
}
