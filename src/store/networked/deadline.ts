/** Answers that come in time, or count as missing. */

/** The store did not answer in time. */
export class AnswerTimeout extends Error {
  override readonly name = 'AnswerTimeout';
}

/**
 * Waits for an answer, but no longer than this.
 *
 * When a busy process comes back to its timers, answers may lie unread in the sockets: they get one turn of the event
 * loop to be read before the answer counts as missing.
 *
 * @throws AnswerTimeout when there is none in time; an answer that comes later is dropped
 */
export function answerWithin<T>(answer: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => reject(new AnswerTimeout())), Math.max(ms, 0));
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

/** Whether a promise is fulfilled, once it is settled. */
export const isFulfilled = (promise: Promise<unknown>): Promise<boolean> =>
  promise.then(
    () => true,
    () => false,
  );
