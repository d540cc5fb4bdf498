import { expect, test } from 'vitest';
import { systemClocks } from '../../src/lib/clock.ts';
import { MAX_TRANSACTIONS_IN_MEMORY } from '../../src/store/memory/login-transactions.ts';
import { createMemoryStore } from '../../src/store/memory/store.ts';
import { TestClocks } from '../support/clocks.ts';
import { asHandle } from '../support/names.ts';
import { newRecord, testStoreContract } from './contract.ts';

testStoreContract('the embedded store', async () => {
  const store = createMemoryStore(10_000, systemClocks);
  return { replicas: [store, store], [Symbol.asyncDispose]: () => store.close() };
});

test('a full store refuses a login and drops no session', async () => {
  const store = createMemoryStore(2, systemClocks);
  const records = [newRecord(), newRecord()];
  for (const record of records) await store.sessions.create(record, 60_000);
  await expect(store.sessions.create(newRecord(), 60_000)).rejects.toMatchObject({ reason: 'store_full' });
  for (const record of records) expect(await store.sessions.read(record.handle)).toEqual(record);
});

test('a full store makes room by dropping expired sessions', async () => {
  const clocks = new TestClocks();
  const store = createMemoryStore(1, clocks);
  await store.sessions.create(newRecord(), 1_000);
  clocks.advance(1_000);
  const record = newRecord();
  await store.sessions.create(record, 1_000);
  expect(await store.sessions.read(record.handle)).toEqual(record);
});

test('a full store drops a refresh family whose session has ended, never a live one', async () => {
  const store = createMemoryStore(2, systemClocks);
  const family = (name: string) =>
    ({ handle: name, session: asHandle(`session-${name}`), client: 'native', current: name }) as const;
  await store.families.begin(family('a'), 60_000);
  await store.families.begin(family('b'), 60_000);
  await expect(store.families.begin(family('c'), 60_000)).rejects.toMatchObject({ reason: 'store_full' });
  await store.sessions.end(asHandle('session-a'));
  expect(await store.families.read('a')).not.toBeNull();
  await store.families.begin(family('c'), 60_000);
  expect(await store.families.read('a')).toBeNull();
  expect(await store.families.read('b')).not.toBeNull();
  await expect(store.families.begin(family('d'), 60_000)).rejects.toMatchObject({ reason: 'store_full' });
});

test('JWT-44: a full store never forgets a used key: it drops expired ones, or refuses', async () => {
  const clocks = new TestClocks();
  const store = createMemoryStore(1, clocks);
  for (let i = 0; i < 100_000; i++) await store.once.use(`jti-${i}`, 1_000);
  await expect(store.once.use('another', 1_000)).rejects.toMatchObject({ reason: 'store_full' });
  expect(await store.once.use('jti-0', 1_000)).toBe(false);
  clocks.advance(1_000);
  expect(await store.once.use('another', 1_000)).toBe(true);
  expect(await store.once.use('another', 1_000)).toBe(false);
});

test('OIDC-19: a flood of login transactions displaces the oldest, expired ones first', async () => {
  const clocks = new TestClocks();
  const { loginTransactions } = createMemoryStore(1, clocks);
  const limits = { ttlMs: 600_000, maxPerBrowser: 20 };
  for (let i = 0; i <= MAX_TRANSACTIONS_IN_MEMORY; i++)
    await loginTransactions.add(`browser ${i}`, 'id', 'value', limits);
  expect(await loginTransactions.take('browser 0', 'id')).toBeNull();
  expect(await loginTransactions.take('browser 1', 'id')).toBe('value');
  clocks.advance(limits.ttlMs);
  await loginTransactions.add('late', 'id', 'value', limits);
  expect(await loginTransactions.take('browser 2', 'id')).toBeNull();
  expect(await loginTransactions.take('late', 'id')).toBe('value');
});

test('a full store drops no code to make room for another', async () => {
  const clocks = new TestClocks();
  const store = createMemoryStore(1, clocks);
  for (let i = 0; i < 100_000; i++) await store.codes.add(`code-${i}`, 'value', 1_000);
  await expect(store.codes.add('another', 'value', 1_000)).rejects.toMatchObject({ reason: 'store_full' });
  expect(await store.codes.read('code-0')).toBe('value');
  clocks.advance(1_000);
  expect(await store.codes.add('another', 'value', 1_000)).toBe(true);
});
