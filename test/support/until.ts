/** Waits for a condition that nothing announces. Fails when it has not come about in a time that is far too long. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, timeoutMs = 20_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/**
 * What a machine that is busy with other things may add to a time that is promised: a test fails when something waits for
 * what it must not wait for, not when the machine is slow. The times themselves are printed.
 */
export const BUSY_MS = 5_000;
