/**
 * Milliseconds of processor time that this thread takes for some work. Unlike the time on the clock it does not grow while
 * the machine does other things, so a test can bound it.
 */
export function cpuMs(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}
