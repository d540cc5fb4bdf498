/** Polls less often the longer it takes, so that polling does not take CPU time from the work. */
const LONGEST_PAUSE_MS = 50;

/**
 * Waits for a condition that nothing announces.
 *
 * @param timeoutMs  when to give up; the default is far longer than anything takes on a busy machine, because it is a
 *   last resort, not a promise
 */
export async function until(holds: () => boolean | Promise<boolean>, what: string, timeoutMs = 150_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  for (let pauseMs = 1; !(await holds()); pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/**
 * The time that a busy machine may add to a promised time: a test fails when something waits for what it must not wait
 * for, not when the machine is slow. The times themselves are printed.
 */
export const BUSY_MS = 5_000;
