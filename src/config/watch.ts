/**
 * Notices when files get another content, however they are replaced: written in place, renamed over, deleted and made
 * again, or swapped as a whole directory behind a symbolic link, as Kubernetes does with ConfigMaps and Secrets.
 *
 * The directory of each file is watched, not the file: a watch on a file follows its inode and goes silent at the second
 * swap. Events only say "look again"; what counts is a hash of the content. A slow poll stands behind the events for
 * file systems that send none. The files are small and few, and are read at once.
 */

import { hash } from 'node:crypto';
import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs';
import { dirname, resolve } from 'node:path';

export interface WatchTiming {
  /** After the first event, how long more of them are gathered. */
  readonly settleMs: number;
  /** How often is looked without an event. */
  readonly pollMs: number;
}

const DEFAULT_TIMING: WatchTiming = { settleMs: 100, pollMs: 30_000 };

/** A directory under watch, and which one it was: a watch goes silent when its directory is made anew. */
interface WatchedDirectory {
  readonly watcher: FSWatcher | null;
  readonly identity: string | null;
}

/** A running watch. It does not keep the process alive. */
export class FileWatch {
  readonly #onChange: (changed: readonly string[]) => void;
  readonly #settleMs: number;
  readonly #known = new Map<string, string | null>();
  readonly #directories = new Map<string, WatchedDirectory>();
  readonly #poll: NodeJS.Timeout;
  #settling: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(paths: readonly string[], onChange: (changed: readonly string[]) => void, timing: WatchTiming) {
    this.#onChange = onChange;
    this.#settleMs = timing.settleMs;
    this.follow(paths);
    this.#poll = setInterval(() => this.#lookSoon(0), timing.pollMs).unref();
  }

  /**
   * Watches these files from now on, and no others. Their contents are known when it returns, so that every change after
   * that is noticed; a file that was watched before is compared with what it was when it was last looked at.
   */
  follow(paths: readonly string[]): void {
    const followed = new Set(paths.map((path) => resolve(path)));
    const directories = new Set([...followed].map((path) => dirname(path)));
    for (const path of this.#known.keys()) if (!followed.has(path)) this.#known.delete(path);
    for (const [directory, { watcher }] of this.#directories) {
      if (directories.has(directory)) continue;
      watcher?.close();
      this.#directories.delete(directory);
    }
    for (const directory of directories) {
      if (!this.#directories.has(directory)) this.#directories.set(directory, { watcher: null, identity: null });
    }
    // Watched first: a change that comes between is then seen twice rather than not at all.
    this.#watchDirectories();
    for (const path of followed) if (!this.#known.has(path)) this.#known.set(path, contentHash(path));
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#poll);
    if (this.#settling !== null) clearTimeout(this.#settling);
    for (const { watcher } of this.#directories.values()) watcher?.close();
  }

  /** The first event sets the time of the look, and later ones do not put it off: a busy directory cannot prevent it. */
  #lookSoon(delayMs: number): void {
    if (this.#settling !== null || this.#isClosed) return;
    this.#settling = setTimeout(() => {
      this.#settling = null;
      this.#watchDirectories();
      this.#look();
    }, delayMs).unref();
  }

  #look(): void {
    const changed: string[] = [];
    for (const [path, before] of this.#known) {
      const now = contentHash(path);
      // A file that is gone may be on its way back: whoever uses it goes on with what it has.
      if (now === null || now === before) continue;
      this.#known.set(path, now);
      changed.push(path);
    }
    if (changed.length > 0 && !this.#isClosed) this.#onChange(changed);
  }

  /** Puts a watch on every directory that has none, or that is another one by now. */
  #watchDirectories(): void {
    for (const [directory, present] of this.#directories) {
      const identity = identityOf(directory);
      if (present.watcher !== null && identity === present.identity) continue;
      present.watcher?.close();
      this.#directories.set(directory, { watcher: identity === null ? null : this.#watch(directory), identity });
    }
  }

  #watch(directory: string): FSWatcher | null {
    try {
      const watcher = watch(directory, { persistent: false }, () => this.#lookSoon(this.#settleMs));
      watcher.on('error', () => watcher.close());
      return watcher;
    } catch {
      // No watches left, or a file system without them: the poll does it.
      return null;
    }
  }
}

/**
 * Watches files.
 *
 * @param onChange  called with the absolute paths of files whose content is another one than before
 */
export function watchFiles(
  paths: readonly string[],
  onChange: (changed: readonly string[]) => void,
  timing: Partial<WatchTiming> = {},
): FileWatch {
  return new FileWatch(paths, onChange, { ...DEFAULT_TIMING, ...timing });
}

/** `null` for a file that is not there, or empty: one that is written in place is empty for a moment. */
function contentHash(path: string): string | null {
  try {
    const bytes = readFileSync(path);
    return bytes.byteLength === 0 ? null : hash('sha256', bytes, 'base64');
  } catch {
    return null;
  }
}

/** Inodes are used again, so the time of birth is part of it. */
function identityOf(directory: string): string | null {
  const stats = statSync(directory, { throwIfNoEntry: false, bigint: true });
  return stats === undefined ? null : `${stats.dev}:${stats.ino}:${stats.birthtimeNs}`;
}
