import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { describe, expect, test } from 'vitest';
import { hashPassword, type PasswordHash, readPasswordHash } from '../../../../src/endpoints/login/password/hash.ts';
import { PasswordHasher } from '../../../../src/endpoints/login/password/hasher.ts';
import { loopTurnsDuring } from '../../../support/loop-turns.ts';
import { CHEAP, PASSWORD } from '../fixture.ts';

const stored = readPasswordHash(await hashPassword(PASSWORD, CHEAP)) as PasswordHash;

/** All of one network, unless a test says otherwise. */
const place = (maxQueue: number, path: readonly string[] = ['network', 'address']) => ({ path, maxQueue });

interface ThreadInfo {
  readonly name: string;
  readonly nice: number;
}

/** The threads of this process as Linux sees them (proc_pid_stat(5), field 19). */
function threads(): ThreadInfo[] {
  return readdirSync('/proc/self/task').map((id) => {
    const stat = readFileSync(`/proc/self/task/${id}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')), nice: Number(fields[16]) };
  });
}

describe.runIf(process.platform === 'linux')('priority', () => {
  test('a hash thread runs at the lowest priority, and every other thread keeps its own', async () => {
    const before = threads();
    const hasher = new PasswordHasher(1);
    await hasher.verify('x', stored, place(1));
    expect(threads().filter(({ nice }) => nice === 19)).toHaveLength(1);
    expect(threads().filter(({ nice }) => nice === before[0]?.nice).length).toBeGreaterThanOrEqual(before.length);
    expect(getPriority(0)).toBe(before[0]?.nice);
    await hasher.close();
  });
});

test('a right and a wrong password are distinguished', async () => {
  const hasher = new PasswordHasher(2);
  expect(
    await Promise.all([PASSWORD, 'wrong', PASSWORD].map((password) => hasher.verify(password, stored, place(9)))),
  ).toEqual([true, false, true]);
  await hasher.close();
});

test('what Node itself sends from a thread, as it does under `node --watch`, is not taken for an answer', async () => {
  process.env['WATCH_REPORT_DEPENDENCIES'] = '1';
  const hasher = new PasswordHasher(1);
  try {
    expect(await hasher.verify('wrong', stored, place(1))).toBe(false);
    expect(await hasher.verify(PASSWORD, stored, place(1))).toBe(true);
  } finally {
    delete process.env['WATCH_REPORT_DEPENDENCIES'];
    await hasher.close();
  }
});

test('the event loop turns while a hash is computed', async () => {
  const hasher = new PasswordHasher(1);
  const costly = { ...stored, memoryKib: 65_536, passes: 3 };
  await hasher.verify('x', stored, place(1));
  const { turns } = await loopTurnsDuring(() => hasher.verify('x', costly, place(1)));
  expect(turns).toBeGreaterThan(20);
  await hasher.close();
});

test('beyond the queue nothing is accepted, and once it is empty again it is', async () => {
  const hasher = new PasswordHasher(1);
  const outcomes = [1, 2, 3, 4].map(() => hasher.verify(PASSWORD, stored, place(2)));
  expect(await Promise.all(outcomes)).toEqual([true, true, true, null]);
  expect(await hasher.verify(PASSWORD, stored, place(2))).toBe(true);
  await hasher.close();
});

test('S5: addresses of one network that fill the queue keep no other network out of it', async () => {
  const hasher = new PasswordHasher(1);
  const flood = Array.from({ length: 75 }, (_, index) => {
    return hasher.verify('wrong', stored, place(8, ['2001:db8:0', `2001:db8:0:${index}`]));
  });
  const order: unknown[] = [];
  const noted = async (verified: Promise<boolean | null>) => order.push(await verified);
  const all = flood.map(noted);
  await noted(hasher.verify(PASSWORD, stored, place(8, ['198.51.100.1', '198.51.100.1'])));
  // One guess was being computed, and one has its turn before a network that came later.
  expect(order.filter((isRight) => isRight !== null).indexOf(true)).toBeLessThanOrEqual(2);
  await Promise.all(all);
  expect(order.filter((isRight) => isRight === false)).toHaveLength(8);
  await hasher.close();
});

test('no more threads run than were asked for', async () => {
  const hasher = new PasswordHasher(2);
  const count = () => threads().filter(({ nice }) => nice === 19).length;
  await Promise.all(Array.from({ length: 8 }, () => hasher.verify(PASSWORD, stored, place(9))));
  if (process.platform === 'linux') expect(count()).toBe(2);
  await hasher.close();
});

test('a thread that ends fails its own job only; the next one gets a new thread', async () => {
  const hasher = new PasswordHasher(1);
  const impossible = { ...stored, lanes: 0 };
  const [broken, next] = [hasher.verify('x', impossible, place(2)), hasher.verify(PASSWORD, stored, place(2))];
  await expect(broken).rejects.toMatchObject({ name: 'GatewayFault', reason: 'bug' });
  expect(await next).toBe(true);
  await hasher.close();
});

test('closing rejects what waits and what is under way', async () => {
  const hasher = new PasswordHasher(1);
  const pending = [hasher.verify('x', { ...stored, passes: 16 }, place(2)), hasher.verify('x', stored, place(2))];
  const outcomes = Promise.allSettled(pending);
  await hasher.close();
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});
