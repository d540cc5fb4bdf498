import { Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { RedisCluster, RedisServer } from '../../support/redis.ts';
import { openStore } from '../../support/redis-store.ts';
import { newRecord } from '../contract.ts';

const SESSIONS = 50;
/**
 * A node that has to wait for the CPU itself would miss the heartbeats of the others within the usual second, and be
 * declared dead.
 */
const PATIENT = { nodeTimeoutMs: 60_000 };

/** Counts the writes to sockets that contain a word; each is a system call. */
function countWritesWith(word: string): () => number {
  let count = 0;
  const note = (written: string) => {
    if (written.includes(word)) count += 1;
  };
  const { _write, _writev } = Socket.prototype;
  vi.spyOn(Socket.prototype, '_write').mockImplementation(function (this: Socket, chunk, encoding, done) {
    note(String(chunk));
    _write.call(this, chunk, encoding, done);
  });
  vi.spyOn(Socket.prototype, '_writev').mockImplementation(function (this: Socket, chunks, done) {
    note(chunks.map(({ chunk }) => String(chunk)).join(''));
    _writev?.call(this, chunks, done);
  });
  return () => count;
}

test.each([
  { what: 'a single Redis', start: () => RedisServer.start(), atMost: 1 },
  { what: 'each node of a Cluster', start: () => RedisCluster.start(PATIENT), atMost: 3 },
])('all commands of one turn of the event loop go to $what in one write, and each gets its answer', async (row) => {
  await using redis = await row.start();
  await using store = await openStore(redis.url);
  const records = Array.from({ length: SESSIONS }, () => newRecord());
  await Promise.all(records.map((record) => store.sessions.create(record, 60_000)));
  const writes = countWritesWith('GETRANGE');
  expect(await Promise.all(records.map(({ handle }) => store.sessions.read(handle)))).toEqual(records);
  expect(writes()).toBeGreaterThan(0);
  expect(writes()).toBeLessThanOrEqual(row.atMost);
  expect(await store.sessions.read(records[0]?.handle ?? ('' as never))).toEqual(records[0]);
});
