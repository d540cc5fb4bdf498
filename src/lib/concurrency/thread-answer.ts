/** Threads that give one answer. */

import type { Worker } from 'node:worker_threads';

/**
 * The answer of a thread that was just started.
 *
 * @param isAnswer  under `node --watch`, Node itself sends the names of the files that a thread loads
 * @throws Error, as a rejection, when the thread fails, or ends before it has answered
 */
export function threadAnswer<T extends object>(
  thread: Worker,
  isAnswer: (message: object) => message is T,
): Promise<T> {
  const { threadName } = thread;
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  thread.on('message', (message: object) => {
    if (isAnswer(message)) resolve(message);
  });
  thread.on('error', reject);
  thread.on('exit', () => reject(new Error(`the thread ${threadName} ended before it had answered`)));
  return promise;
}
