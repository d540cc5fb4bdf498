/**
 * Drains WebSockets one after the other rather than all at once, so that their clients do not all reconnect to the other
 * replicas at the same moment (WS-15).
 */

import type { Tunnel } from './tunnel.ts';

const TICK_MS = 20;
/** A few tunnels are not worth longer pauses. */
const LONGEST_PAUSE_MS = 10;

/**
 * Drains the tunnels, spread evenly over a time, and those that open meanwhile or later: a request on a kept connection may
 * still open one.
 *
 * @param tunnels   those that are open
 * @param windowMs  how long it may take
 * @param signal    stops it
 */
export async function drainTunnels(
  tunnels: () => readonly Tunnel[],
  windowMs: number,
  signal: AbortSignal,
): Promise<void> {
  const perTick = Math.ceil(TICK_MS / Math.min(windowMs / tunnels().length, LONGEST_PAUSE_MS));
  while (!signal.aborted) {
    const open = tunnels().filter(({ isEnding }) => !isEnding);
    for (const tunnel of open.slice(0, perTick)) tunnel.drain();
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
}
