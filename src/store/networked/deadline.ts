import { CommandTimeout } from '../redis/faults.ts';

/**
 * Waits for an answer, but no longer than this.
 *
 * When a busy process comes back to its timers, answers may lie unread in the sockets: they are given one turn to be
 * read before the answer counts as missing.
 *
 * @throws CommandTimeout when there is none in time; what the answer would have been is dropped
 */
export function answerWithin<T>(answer: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => reject(new CommandTimeout())), Math.max(ms, 0));
    answer.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
