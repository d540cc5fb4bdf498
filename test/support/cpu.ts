/**
 * Milliseconds of CPU time that this thread uses for some work. Unlike elapsed time, it does not grow while the machine
 * is busy with other work, so a test can bound it.
 */
export function cpuMs(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}
