/** WS-15: how many WebSockets a shutdown closes at a time. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { drainTunnels } from '../../src/upstream/websocket/drain-tunnels.ts';
import type { Tunnel } from '../../src/upstream/websocket/tunnel.ts';

const TICK_MS = 20;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

function openTunnels(count: number): Tunnel[] {
  return Array.from({ length: count }, () => {
    const tunnel = { isEnding: false, drain: () => void Object.assign(tunnel, { isEnding: true }) };
    return tunnel as unknown as Tunnel;
  });
}

/** Drains tunnels. Returns how many had been drained after each tick. */
async function countsOf(tunnels: Tunnel[], windowMs: number, ticks: number): Promise<number[]> {
  const stop = new AbortController();
  const end = drainTunnels(() => tunnels, windowMs, stop.signal);
  const counts: number[] = [];
  for (let tick = 0; tick < ticks; tick += 1) {
    counts.push(tunnels.filter(({ isEnding }) => isEnding).length);
    await vi.advanceTimersByTimeAsync(TICK_MS);
  }
  stop.abort();
  await vi.advanceTimersByTimeAsync(TICK_MS);
  await end;
  return counts;
}

test('WS-15: a hundred are drained over a second', async () => {
  const counts = await countsOf(openTunnels(100), 30_000, 50);
  expect(counts).toEqual(Array.from({ length: 50 }, (_, tick) => 2 * (tick + 1)));
});

test('WS-15: thousands are spread over the window, and drained within it', async () => {
  const ticks = 100;
  const counts = await countsOf(openTunnels(5_000), ticks * TICK_MS, ticks);
  expect(counts).toEqual(Array.from({ length: ticks }, (_, tick) => 50 * (tick + 1)));
});

test('those that open meanwhile are drained as well, and none once it is stopped', async () => {
  const tunnels: Tunnel[] = [];
  const stop = new AbortController();
  const end = drainTunnels(() => tunnels, 1_000, stop.signal);
  tunnels.push(...openTunnels(2));
  await vi.advanceTimersByTimeAsync(TICK_MS);
  expect(tunnels.map(({ isEnding }) => isEnding)).toEqual([true, true]);
  stop.abort();
  tunnels.push(...openTunnels(1));
  await vi.advanceTimersByTimeAsync(TICK_MS);
  await end;
  expect(tunnels.at(-1)?.isEnding).toBe(false);
});
