import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { describe, expect, test } from 'vitest';
import { hashPassword, type PasswordHash, readPasswordHash } from '../../../../src/endpoints/login/password/hash.ts';
import { PasswordHasher } from '../../../../src/endpoints/login/password/hasher.ts';
import { loopTurnsDuring } from '../../../support/loop-turns.ts';
import { CHEAP, PASSWORD } from '../fixture.ts';

const stored = readPasswordHash(await hashPassword(PASSWORD, CHEAP)) as PasswordHash;

/** A place in the queue, by default for one network. */
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

test('right and wrong passwords are told apart', async () => {
  const hasher = new PasswordHasher(2);
  expect(
    await Promise.all([PASSWORD, 'wrong', PASSWORD].map((password) => hasher.verify(password, stored, place(9)))),
  ).toEqual([true, false, true]);
  await hasher.close();
});

test('messages that Node itself sends from a thread under `node --watch` are not taken for answers', async () => {
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

test('the event loop keeps running while a hash is computed', async () => {
  const hasher = new PasswordHasher(1);
  const costly = { ...stored, memoryKib: 65_536, passes: 3 };
  await hasher.verify('x', stored, place(1));
  const { turns } = await loopTurnsDuring(() => hasher.verify('x', costly, place(1)));
  expect(turns).toBeGreaterThan(20);
  await hasher.close();
});

test('a full queue refuses jobs, and accepts them again once it is empty', async () => {
  const hasher = new PasswordHasher(1);
  const outcomes = [1, 2, 3, 4].map(() => hasher.verify(PASSWORD, stored, place(2)));
  expect(await Promise.all(outcomes)).toEqual([true, true, true, null]);
  expect(await hasher.verify(PASSWORD, stored, place(2))).toBe(true);
  await hasher.close();
});

test('S5: one network that fills the queue does not keep other networks out', async () => {
  const hasher = new PasswordHasher(1);
  const flood = Array.from({ length: 75 }, (_, index) => {
    return hasher.verify('wrong', stored, place(8, ['2001:db8:0', `2001:db8:0:${index}`]));
  });
  const order: unknown[] = [];
  const noted = async (verified: Promise<boolean | null>) => order.push(await verified);
  const all = flood.map(noted);
  await noted(hasher.verify(PASSWORD, stored, place(8, ['198.51.100.1', '198.51.100.1'])));
  // One guess was already running, and one more has its turn before a network that came later.
  expect(order.filter((isRight) => isRight !== null).indexOf(true)).toBeLessThanOrEqual(2);
  await Promise.all(all);
  expect(order.filter((isRight) => isRight === false)).toHaveLength(8);
  await hasher.close();
});

test('no more threads run than configured', async () => {
  const hasher = new PasswordHasher(2);
  const count = () => threads().filter(({ nice }) => nice === 19).length;
  await Promise.all(Array.from({ length: 8 }, () => hasher.verify(PASSWORD, stored, place(9))));
  if (process.platform === 'linux') expect(count()).toBe(2);
  await hasher.close();
});

test('a thread that dies fails only its own job; the next job gets a new thread', async () => {
  const hasher = new PasswordHasher(1);
  const impossible = { ...stored, lanes: 0 };
  const [broken, next] = [hasher.verify('x', impossible, place(2)), hasher.verify(PASSWORD, stored, place(2))];
  await expect(broken).rejects.toMatchObject({ name: 'GatewayFault', reason: 'bug' });
  expect(await next).toBe(true);
  await hasher.close();
});

test('closing rejects waiting and running jobs', async () => {
  const hasher = new PasswordHasher(1);
  const pending = [hasher.verify('x', { ...stored, passes: 16 }, place(2)), hasher.verify('x', stored, place(2))];
  const outcomes = Promise.allSettled(pending);
  await hasher.close();
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});
