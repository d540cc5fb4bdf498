/** Waiting for something, but not for ever. */

/** Waits for a promise, but not longer than this, nor beyond an abort. `null` is no limit. */
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
