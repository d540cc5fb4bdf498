import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FairQueue } from '../../src/lib/concurrency/fair-queue.ts';

interface Item {
  readonly group: string;
  readonly member: string;
  readonly number: number;
}

const item = (group: string, member: string, number = 0): Item => ({ group, member, number });
const add = (queue: FairQueue<Item>, it: Item, max: number) => queue.add(it, [it.group, it.member], max);
const names = (items: readonly Item[]) => items.map(({ group, member, number }) => `${group}${member}${number}`);

test('groups take turns, members of a group take turns, and the items of a member keep their order', () => {
  const queue = new FairQueue<Item>();
  for (const it of [item('a', 'x', 1), item('a', 'x', 2), item('a', 'y', 1), item('b', 'z', 1), item('b', 'z', 2)]) {
    expect(add(queue, it, 9)).toBeNull();
  }
  expect(names(queue.clear())).toEqual(['ax1', 'bz1', 'ay1', 'bz2', 'ax2']);
  expect(queue.size).toBe(0);
});

test('S5: a group that fills the queue yields its newest places to another group', () => {
  const queue = new FairQueue<Item>();
  for (let number = 0; number < 4; number++) add(queue, item('flood', String(number)), 4);
  expect(add(queue, item('flood', '9'), 4)).toMatchObject({ member: '9' });
  expect(add(queue, item('home', 'alice'), 4)).toMatchObject({ group: 'flood' });
  expect(add(queue, item('home', 'alice'), 4)).toMatchObject({ group: 'flood' });
  expect(add(queue, item('home', 'alice'), 4)).toMatchObject({ group: 'home' });
  expect(names(queue.clear()).filter((name) => name.startsWith('home'))).toHaveLength(2);
});

test('S5: a member that fills its group yields places to another member', () => {
  const queue = new FairQueue<Item>();
  for (let number = 0; number < 4; number++) add(queue, item('isp', 'flood', number), 4);
  expect(add(queue, item('isp', 'alice'), 4)).toMatchObject({ member: 'flood', number: 3 });
  expect(names(queue.clear())).toEqual(['ispflood0', 'ispalice0', 'ispflood1', 'ispflood2']);
});

test('no item is lost or served twice, the bound is kept, and only a largest group is refused', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const step = fc.oneof(fc.tuple(name, name), fc.constant(null));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 6 }), (steps, max) => {
      const queue = new FairQueue<Item>();
      const waiting = new Set<Item>();
      let number = 0;
      for (const path of steps) {
        if (path === null) {
          const next = queue.next();
          expect(next === undefined).toBe(waiting.size === 0);
          if (next !== undefined) expect(waiting.delete(next)).toBe(true);
        } else {
          const it = item(...path, number++);
          const out = add(queue, it, max);
          waiting.add(it);
          if (out !== null) expect(waiting.delete(out)).toBe(true);
          const sizeOf = (group: string) => [...waiting].filter((other) => other.group === group).length;
          const most = Math.max(...['a', 'b', 'c', 'd'].map(sizeOf));
          if (out === it) expect(sizeOf(it.group) + 1).toBeGreaterThanOrEqual(most);
        }
        expect(queue.size).toBe(waiting.size);
        expect(queue.size).toBeLessThanOrEqual(max);
      }
      expect(new Set(queue.clear())).toEqual(waiting);
    }),
  );
});
