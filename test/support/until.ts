/** Asked less often the longer it takes, so that asking does not take the processor from what is waited for. */
const LONGEST_PAUSE_MS = 50;

/**
 * Waits for a condition that nothing announces.
 *
 * @param timeoutMs  when to give up; the default is far longer than anything takes on a machine that is busy with other
 *   work, because it is a last resort, not a promise
 */
export async function until(holds: () => boolean | Promise<boolean>, what: string, timeoutMs = 150_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  for (let pauseMs = 1; !(await holds()); pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/**
 * What a machine that is busy with other things may add to a time that is promised: a test fails when something waits for
 * what it must not wait for, not when the machine is slow. The times themselves are printed.
 */
export const BUSY_MS = 5_000;
