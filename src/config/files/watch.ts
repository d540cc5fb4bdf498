/**
 * Notices when the contents of files change, however they are replaced: written in place, renamed over, deleted and created
 * again, or swapped as a whole directory behind a symbolic link, as Kubernetes does with ConfigMaps and Secrets
 * (docs/adr/0015-watching-files.md says why this is not a library).
 *
 * The directory of each file is watched, not the file: a watch on a file follows its inode and goes silent at the second
 * swap. Events only trigger a look; a hash of the contents decides. A file that is missing, unreadable or empty may be
 * halfway through a replacement: that is a change only if it stays so. A slow poll backs up the events, for file systems that
 * send none and for directories that cannot be watched at the moment. The files are small and few, and are read
 * synchronously.
 */

import { hash } from 'node:crypto';
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { errorCode } from '../../lib/error-code.ts';

/** What a watch reports. */
export interface WatchEvents {
  /** Called with the absolute paths of the files whose contents changed. */
  readonly onChange: (changed: readonly string[]) => void;
  /**
   * A directory cannot be watched: it is missing or unreadable, or the system is out of watches. Only the poll looks at its
   * files until `onRestored`, and tries again each time. Called once per directory and error code.
   */
  readonly onFault: (directory: string, error: NodeJS.ErrnoException) => void;
  /** A directory that was reported is watched again. */
  readonly onRestored: (directory: string) => void;
}

/** The delays of a watch, in milliseconds. */
interface WatchTiming {
  /** From the first event to the look, so that further events are covered by it. Default: 100. */
  readonly settleMs: number;
  /** Between looks without an event. Default: 30 000. */
  readonly pollMs: number;
  /** How long a file must be missing, unreadable or empty before that is a change. Default: 2 000. */
  readonly goneMs: number;
}

const DEFAULT_TIMING: WatchTiming = { settleMs: 100, pollMs: 30_000, goneMs: 2_000 };

const NONE: ReadonlySet<string> = new Set();

/** What files were like when they were read, by absolute path; `null` for those that could not be. */
export type SeenFiles = ReadonlyMap<string, string | null>;

const NOTHING: SeenFiles = new Map();

/** Notes what files are like now, for a watch on them that begins later: what changes in between is reported by it. */
export const seeFiles = (paths: Iterable<string>): SeenFiles =>
  new Map([...paths].map((path) => [resolve(path), contentHash(path)]));

/** A directory that should be watched. */
interface WatchedDirectory {
  /** `null` while it cannot be watched. */
  readonly watcher: FSWatcher | null;
  /** Identifies the watched directory: the watcher goes silent when the directory is created again. */
  readonly identity: string | null;
  /** The error code that was reported; `null` when all is well. */
  readonly fault: string | null;
}

const UNWATCHED: WatchedDirectory = { watcher: null, identity: null, fault: null };

/** A watch on files, until it is closed. It does not keep the process alive, and nothing that happens to the files makes it throw. */
export class FileWatch {
  readonly #events: WatchEvents;
  readonly #timing: WatchTiming;
  readonly #known = new Map<string, string | null>();
  readonly #directories = new Map<string, WatchedDirectory>();
  readonly #poll: NodeJS.Timeout;
  #settling: NodeJS.Timeout | null = null;
  #confirming: NodeJS.Timeout | null = null;
  #isClosed = false;

  /** @param seen  what the files were like when they were read; default: they are read now */
  constructor(
    paths: readonly string[],
    events: WatchEvents,
    seen: SeenFiles = NOTHING,
    timing: Partial<WatchTiming> = {},
  ) {
    this.#events = events;
    this.#timing = { ...DEFAULT_TIMING, ...timing };
    this.follow(paths, seen);
    this.#poll = setInterval(() => this.#lookSoon(0), this.#timing.pollMs).unref();
  }

  /**
   * Watches these files from now on, and no others. Reads new ones before it returns, so that every later change is
   * noticed; files that were watched before are still compared with their last known contents.
   */
  follow(paths: readonly string[], seen: SeenFiles = NOTHING): void {
    const followed = new Set(paths.map((path) => resolve(path)));
    const directories = new Set([...followed].map((path) => dirname(path)));
    for (const path of this.#known.keys()) if (!followed.has(path)) this.#known.delete(path);
    for (const [directory, { watcher }] of this.#directories) {
      if (directories.has(directory)) continue;
      watcher?.close();
      this.#directories.delete(directory);
    }
    for (const directory of directories) {
      if (!this.#directories.has(directory)) this.#directories.set(directory, UNWATCHED);
    }
    // Watch first, then read: a change in between is seen twice rather than not at all.
    this.#watchDirectories();
    for (const path of followed) {
      const before = seen.get(path);
      if (!this.#known.has(path)) this.#known.set(path, before === undefined ? contentHash(path) : before);
    }
    if (seen.size > 0) this.#lookSoon(0);
  }

  /** Stops watching. No event is reported afterwards. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#settling ?? undefined);
    clearTimeout(this.#confirming ?? undefined);
    for (const { watcher } of this.#directories.values()) watcher?.close();
  }

  /** The first event sets the time of the look and later ones do not postpone it, so a busy directory cannot prevent it. */
  #lookSoon(delayMs: number): void {
    if (this.#settling !== null || this.#isClosed) return;
    this.#settling = setTimeout(() => {
      this.#settling = null;
      this.#watchDirectories();
      this.#look();
    }, delayMs).unref();
  }

  /** @param confirmed  files that were gone some time ago: if they still are, that is a change */
  #look(confirmed = NONE): void {
    const changed: string[] = [];
    const gone = new Set<string>();
    for (const [path, before] of this.#known) {
      const now = contentHash(path);
      if (now === before) continue;
      if (now === null && !confirmed.has(path)) {
        gone.add(path);
        continue;
      }
      this.#known.set(path, now);
      changed.push(path);
    }
    if (gone.size > 0) this.#confirmSoon(gone);
    if (changed.length > 0 && !this.#isClosed) this.#events.onChange(changed);
  }

  #confirmSoon(gone: ReadonlySet<string>): void {
    if (this.#confirming !== null || this.#isClosed) return;
    this.#confirming = setTimeout(() => {
      this.#confirming = null;
      this.#look(gone);
    }, this.#timing.goneMs).unref();
  }

  /** Puts a watch on every directory that has none, or that was replaced by another one. */
  #watchDirectories(): void {
    for (const [directory, before] of this.#directories) {
      try {
        const identity = identityOf(directory);
        if (before.watcher !== null && identity === before.identity) continue;
        before.watcher?.close();
        this.#directories.set(directory, { watcher: this.#watch(directory), identity, fault: null });
        if (before.fault !== null) this.#events.onRestored(directory);
      } catch (error) {
        this.#report(directory, error as NodeJS.ErrnoException);
      }
    }
  }

  /** @throws when the directory cannot be watched */
  #watch(directory: string): FSWatcher {
    const watcher = watch(directory, { persistent: false }, () => this.#lookSoon(this.#timing.settleMs));
    watcher.on('error', (error) => {
      if (this.#directories.get(directory)?.watcher === watcher) this.#report(directory, error);
    });
    return watcher;
  }

  #report(directory: string, error: NodeJS.ErrnoException): void {
    const before = this.#directories.get(directory) ?? UNWATCHED;
    before.watcher?.close();
    const fault = error.code ?? error.name;
    this.#directories.set(directory, { ...UNWATCHED, fault });
    if (fault !== before.fault && !this.#isClosed) this.#events.onFault(directory, error);
  }
}

/** `null` for a file that is missing, unreadable or empty. Of a directory it is the names and times of its entries. */
function contentHash(path: string): string | null {
  try {
    const bytes = readFileSync(path);
    return bytes.byteLength === 0 ? null : hash('sha256', bytes, 'base64');
  } catch (error) {
    return errorCode(error) === 'EISDIR' ? entriesOf(path) : null;
  }
}

function entriesOf(directory: string): string | null {
  try {
    const entries = readdirSync(directory).map((name) => `${name} ${statSync(join(directory, name)).mtimeMs}`);
    return entries.toSorted().join('\n');
  } catch {
    return null;
  }
}

/**
 * Inodes are reused, so the time of birth is part of it.
 *
 * @throws when the directory is missing or cannot be reached
 */
function identityOf(directory: string): string {
  const { dev, ino, birthtimeNs } = statSync(directory, { bigint: true });
  return `${dev}:${ino}:${birthtimeNs}`;
}
