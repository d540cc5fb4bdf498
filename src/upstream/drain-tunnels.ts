/**
 * Drains WebSockets one after the other rather than all at once, so that their clients do not all reconnect to the other
 * replicas at the same moment (WS-15).
 */

import type { Tunnel } from './tunnel.ts';

const TICK_MS = 20;
/** A few tunnels are not worth longer pauses. */
const LONGEST_PAUSE_MS = 10;

/**
 * Drains the tunnels, spread evenly over a time.
 *
 * @param windowMs  how long it may take
 * @param signal    stops it
 */
export async function drainTunnels(tunnels: readonly Tunnel[], windowMs: number, signal: AbortSignal): Promise<void> {
  if (tunnels.length === 0) return;
  const perTick = Math.ceil(TICK_MS / Math.min(windowMs / tunnels.length, LONGEST_PAUSE_MS));
  for (let next = 0; next < tunnels.length && !signal.aborted; next += perTick) {
    for (const tunnel of tunnels.slice(next, next + perTick)) tunnel.drain();
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
}
