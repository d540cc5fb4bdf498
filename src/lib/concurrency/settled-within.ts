/** Bounded waiting. */

/** Waits until a promise settles, the limit has passed or the signal aborts, whichever comes first. Never rejects. */
export function settledWithin(work: Promise<unknown>, limitMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, limitMs).unref();
    signal?.addEventListener('abort', done);
    work.then(done, done);
    if (signal?.aborted === true) done();
  });
}
