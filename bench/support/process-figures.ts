/** Figures of the operating system about a process and a core. Linux only: elsewhere every figure is `null`. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks of the kernel per second, in which `/proc` counts CPU time. */
const TICKS_PER_SEC = process.platform === 'linux' ? Number(execFileSync('getconf', ['CLK_TCK'])) : Number.NaN;

/**
 * CPU time that a process has used so far with all of its threads, microseconds. The sum of its threads has nanoseconds, but lacks those
 * that have ended; the total of the process has them, in clock ticks rounded down. Neither is ever too high, so the higher one counts.
 */
export function cpuTimeUs(pid: number): number | null {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The second field, the name of the program, is in brackets and may contain anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const totalUs = ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC) * 1e6;
  return Math.max(totalUs, threadTimesUs(pid));
}

/** CPU time of the threads that a process has now, microseconds; 0 where the kernel does not say. */
function threadTimesUs(pid: number): number {
  const directory = `/proc/${pid}/task`;
  let sumNs = 0;
  for (const thread of entries(directory)) {
    sumNs += Number(read(`${directory}/${thread}/schedstat`)?.split(' ', 1)[0] ?? 0);
  }
  return sumNs / 1_000;
}

/** CPU time that a process and all that it has started have used so far, microseconds: that of programs with workers. */
export function cpuTimeOfTreeUs(pid: number): number | null {
  const own = cpuTimeUs(pid);
  if (own === null) return null;
  const started = read(`/proc/${pid}/task/${pid}/children`)?.trim() ?? '';
  const pids = started === '' ? [] : started.split(' ').map(Number);
  return pids.reduce((sum, child) => sum + (cpuTimeOfTreeUs(child) ?? 0), own);
}

/** Time that a core has been busy so far with any process, microseconds. */
export function coreBusyUs(core: number): number | null {
  const line = read('/proc/stat')
    ?.split('\n')
    .find((candidate) => candidate.startsWith(`cpu${core} `));
  if (line === undefined) return null;
  const [user, nice, system, , , interrupts, softInterrupts] = line.split(/ +/).slice(1).map(Number) as number[];
  const ticks = [user, nice, system, interrupts, softInterrupts].reduce<number>((sum, part) => sum + (part ?? 0), 0);
  return (ticks / TICKS_PER_SEC) * 1e6;
}

/** Resident memory of a process, bytes. */
export function residentBytes(pid: number): number | null {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}

/** How many files a process may have open at most, where it asks for that. */
export function hardLimitOfOpenFiles(): number {
  const limit = execFileSync('/bin/sh', ['-c', 'ulimit -H -n'], { encoding: 'utf8' }).trim();
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function entries(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
