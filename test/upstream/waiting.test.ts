/** The line of requests that wait for a connection, checked against a model. */

import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Waiting, WaitingLine } from '../../src/upstream/servers/waiting.ts';

const BOUND_MS = 100;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

test('S4: each waiting request is given up at its bound, in order of arrival, unless it has left', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('join' as const) }),
    fc.record({ kind: fc.constant('leave' as const), which: fc.nat(20) }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(60) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      let nowMs = 0;
      const line = new WaitingLine(BOUND_MS, () => nowMs);
      const told: number[] = [];
      const all: Waiting[] = [];
      const due: { id: number; untilMs: number }[] = [];
      const expected: number[] = [];
      for (const it of steps) {
        if (it.kind === 'join') {
          const id = all.length;
          const waiting = { waitsUntilMs: null, before: null, after: null, giveUp: () => void told.push(id) };
          all.push(waiting);
          line.join(waiting);
          due.push({ id, untilMs: nowMs + BOUND_MS });
        } else if (it.kind === 'leave') {
          const id = it.which;
          if (all[id] !== undefined) line.leave(all[id]);
          const at = due.findIndex((one) => one.id === id);
          if (at !== -1) due.splice(at, 1);
        } else {
          for (let ms = 0; ms < it.ms; ms += 1) {
            nowMs += 1;
            vi.advanceTimersByTime(1);
          }
          while (due[0] !== undefined && due[0].untilMs <= nowMs) expected.push(due.shift()?.id as number);
        }
      }
      expect(told).toEqual(expected);
      for (const { before, after, waitsUntilMs } of all)
        if (waitsUntilMs === null) expect([before, after]).toEqual([null, null]);
    }),
  );
});
