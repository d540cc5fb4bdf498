/** Bounded waiting. */

/**
 * Waits until a promise settles, the limit has passed or the signal aborts, whichever comes first. Never rejects.
 *
 * @param limitMs  `null`: no limit
 */
export function settledWithin(work: Promise<unknown>, limitMs: number | null, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      if (timer !== null) clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = limitMs === null ? null : setTimeout(done, limitMs).unref();
    signal.addEventListener('abort', done);
    work.then(done, done);
    if (signal.aborted) done();
  });
}
