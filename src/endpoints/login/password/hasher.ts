/**
 * Passwords are verified on threads of their own, at the lowest scheduling priority, a few at a time, with a bounded
 * queue: a flood of logins costs other logins their time, not the requests of those who are logged in
 * (docs/adr/0006-password-hashing-threads.md; measured by bench/load/login-flood.ts). The queue is shared fairly between
 * networks, so a flood from one of them keeps nobody else from logging in.
 */

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { GatewayFault } from '../../../errors.ts';
import { FairQueue } from '../../../lib/concurrency/fair-queue.ts';
import { inSpan } from '../../../telemetry/traces/request-trace.ts';
import type { PasswordHash } from './hash.ts';
import type { HashJob } from './hash-thread.ts';

/** In TypeScript when run from source, in JavaScript when built. */
const THREAD = new URL(`./hash-thread${extname(import.meta.url)}`, import.meta.url);

interface Pending {
  readonly job: HashJob;
  /** With `null` when it has to leave the queue. */
  readonly resolve: (isRight: boolean | null) => void;
  readonly reject: (fault: GatewayFault) => void;
}

/** Where a verification waits. */
export interface HashPlace {
  /** Who shares the queue: the name of a group, and below it that of a member. */
  readonly path: readonly string[];
  /** Verifications that may wait. */
  readonly maxQueue: number;
}

/** Hashes passwords on threads of its own. */
export class PasswordHasher {
  readonly #concurrency: number;
  readonly #queue = new FairQueue<Pending>();
  readonly #threads = new Set<HashThread>();

  /** @param concurrency  threads at most; each is started when it is first needed and takes up to 64 MiB at work */
  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /**
   * Whether a password has this hash, when its turn has come.
   *
   * @returns `null` when too many wait, and others have fewer in the queue; nothing was computed then
   * @throws GatewayFault `bug`, as a rejection, when the thread ends before it has answered
   */
  verify(password: string, stored: PasswordHash, { path, maxQueue }: HashPlace): Promise<boolean | null> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean | null>();
    return inSpan('hash password', () => {
      this.#queue.add({ job: { password, stored }, resolve, reject }, path, maxQueue)?.resolve(null);
      this.#startNext();
      return promise;
    });
  }

  /** Ends the threads. What waits or is under way is rejected. */
  async close(): Promise<void> {
    for (const { reject } of this.#queue.clear()) reject(threadEnded());
    await Promise.all([...this.#threads].map((thread) => thread.terminate()));
  }

  #startNext(): void {
    if (this.#queue.size === 0) return;
    const thread = this.#idleThread();
    if (thread === null) return;
    const next = this.#queue.next();
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
    this.#worker.on('message', (isRight: unknown) => {
      // Under `node --watch`, Node itself sends the names of the files that a thread loads: no answer, and truthy.
      if (typeof isRight !== 'boolean') return;
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
