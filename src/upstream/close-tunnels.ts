/**
 * Closes WebSockets one after the other rather than all at once, so that their clients do not all come back to the
 * other replicas in the same moment (WS-15).
 */

import type { Tunnel } from './tunnel.ts';

const TICK_MS = 20;
/** A few are not worth waiting for. */
const LONGEST_PAUSE_MS = 10;

/**
 * Sends 1001 on each of them, spread evenly over a time.
 *
 * @param windowMs  how long it may take
 * @param signal    stops it
 */
export async function closeTunnels(tunnels: readonly Tunnel[], windowMs: number, signal: AbortSignal): Promise<void> {
  if (tunnels.length === 0) return;
  const perTick = Math.ceil(TICK_MS / Math.min(windowMs / tunnels.length, LONGEST_PAUSE_MS));
  for (let next = 0; next < tunnels.length && !signal.aborted; next += perTick) {
    for (const tunnel of tunnels.slice(next, next + perTick)) tunnel.closeForShutdown();
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
}
