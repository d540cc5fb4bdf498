/**
 * Passwords are verified on threads of their own, at the lowest scheduling priority, a few at a time, with a bounded
 * queue: a flood of logins costs other logins their time, not the requests of those who are logged in
 * (docs/adr/0006-password-hashing-threads.md; measured by bench/load/login-flood.ts).
 */

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { GatewayFault } from '../../../errors.ts';
import type { PasswordHash } from './hash.ts';
import type { HashJob } from './hash-thread.ts';

/** In TypeScript when run from source, in JavaScript when built. */
const THREAD = new URL(`./hash-thread${extname(import.meta.url)}`, import.meta.url);

interface Pending {
  readonly job: HashJob;
  readonly resolve: (isRight: boolean) => void;
  readonly reject: (fault: GatewayFault) => void;
}

/** Hashes passwords on threads of its own. */
export class PasswordHasher {
  readonly #concurrency: number;
  readonly #queue: Pending[] = [];
  readonly #threads = new Set<HashThread>();

  /** @param concurrency  threads at most; each is started when it is first needed and takes up to 64 MiB at work */
  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /** Whether as many verifications wait for a thread as may. */
  isFull(maxQueue: number): boolean {
    return this.#queue.length >= maxQueue;
  }

  /**
   * Whether a password has this hash, when its turn has come.
   *
   * @returns `null` when too many wait already
   * @throws GatewayFault `bug`, as a rejection, when the thread ends before it has answered
   */
  verify(password: string, stored: PasswordHash, maxQueue: number): Promise<boolean> | null {
    if (this.isFull(maxQueue)) return null;
    return new Promise((resolve, reject) => {
      this.#queue.push({ job: { password, stored }, resolve, reject });
      this.#startNext();
    });
  }

  /** Ends the threads. What waits or is under way is rejected. */
  async close(): Promise<void> {
    for (const { reject } of this.#queue.splice(0)) reject(threadEnded());
    await Promise.all([...this.#threads].map((thread) => thread.terminate()));
  }

  #startNext(): void {
    if (this.#queue.length === 0) return;
    const thread = this.#idleThread();
    if (thread === null) return;
    const next = this.#queue.shift();
    if (next !== undefined) thread.run(next);
  }

  #idleThread(): HashThread | null {
    for (const thread of this.#threads) if (thread.isIdle) return thread;
    if (this.#threads.size >= this.#concurrency) return null;
    const thread: HashThread = new HashThread(
      () => this.#startNext(),
      () => this.#threads.delete(thread),
    );
    this.#threads.add(thread);
    return thread;
  }
}

const threadEnded = (cause?: unknown) => new GatewayFault('bug', 'password hash thread ended', { cause });

class HashThread {
  readonly #worker = new Worker(THREAD, { name: 'password-hash' });
  #current: Pending | null = null;

  constructor(onIdle: () => void, onEnded: () => void) {
    this.#worker.unref();
    this.#worker.on('message', (isRight: boolean) => {
      this.#take()?.resolve(isRight);
      onIdle();
    });
    this.#worker.on('error', (cause) => {
      onEnded();
      this.#take()?.reject(threadEnded(cause));
    });
    this.#worker.on('exit', () => {
      onEnded();
      this.#take()?.reject(threadEnded());
      onIdle();
    });
  }

  get isIdle(): boolean {
    return this.#current === null;
  }

  /** Works on one job; the process stays alive until it is done. */
  run(pending: Pending): void {
    this.#current = pending;
    this.#worker.ref();
    this.#worker.postMessage(pending.job);
  }

  terminate(): Promise<number> {
    return this.#worker.terminate();
  }

  #take(): Pending | null {
    const current = this.#current;
    this.#current = null;
    this.#worker.unref();
    return current;
  }
}
