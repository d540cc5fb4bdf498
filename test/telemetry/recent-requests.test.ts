import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergedReasons, RECENT_REQUESTS, RecentRequests } from '../../src/telemetry/recent-requests.ts';

const unread = (id: string, client: string) =>
  ({ id, client, reason: 'request_malformed', note: 'Invalid method' }) as const;

test('the last requests are found by id, the latest of duplicates, and none older', () => {
  const ids = fc.array(fc.integer({ min: 0, max: RECENT_REQUESTS / 2 }), { maxLength: 3 * RECENT_REQUESTS });
  const property = fc.property(ids, (kept) => {
    const recent = new RecentRequests();
    for (const [index, id] of kept.entries()) recent.keepUnread(unread(String(id), String(index)), 'public', index);
    const remembered = new Map([...kept.entries()].slice(-RECENT_REQUESTS).map(([index, id]) => [id, String(index)]));
    for (const id of new Set(kept)) expect(recent.find(String(id))?.client).toBe(remembered.get(id));
  });
  fc.assert(property, { numRuns: 20 });
});

test('an unread request has no fields of an earlier one', () => {
  const recent = new RecentRequests();
  recent.keepUnread(unread('a', '192.0.2.1'), 'public', 0);
  expect(recent.find('a')).toEqual({
    ...unread('a', '192.0.2.1'),
    status: 400,
    time: '1970-01-01T00:00:00.000Z',
    listener: 'public',
    method: null,
    host: null,
    path: null,
    route: null,
    upstream: null,
    kind: null,
    subject: null,
    fault: null,
    durationMs: 0,
    upstreamFirstByteMs: null,
  });
});

test('the last requests are listed newest first, even after places are reused', () => {
  const recent = new RecentRequests();
  const newest = (count: number) => recent.last(count).map(({ id }) => id);
  expect([newest(5), recent.reasons()]).toEqual([[], []]);
  for (let index = 0; index < RECENT_REQUESTS + 2; index += 1)
    recent.keepUnread(unread(String(index), ''), 'public', index);
  expect(newest(3)).toEqual([RECENT_REQUESTS + 1, RECENT_REQUESTS, RECENT_REQUESTS - 1].map(String));
  const all = newest(RECENT_REQUESTS + 5);
  expect([all.length, all.at(-1)]).toEqual([RECENT_REQUESTS, '2']);
});

test('reasons are counted, most frequent first, each with its last request, and summed over processes', () => {
  const recent = new RecentRequests();
  recent.keepUnread({ ...unread('a', ''), reason: 'headers_too_large' }, 'public', 0);
  recent.keepUnread(unread('b', ''), 'public', 1);
  recent.keepUnread(unread('c', ''), 'public', 2);
  const at = (ms: number) => `1970-01-01T00:00:00.00${ms}Z`;
  const malformed = { reason: 'request_malformed', count: 2, lastAt: at(2), lastId: 'c', lastRoute: null } as const;
  const large = { reason: 'headers_too_large', count: 1, lastAt: at(0), lastId: 'a', lastRoute: null } as const;
  expect(recent.reasons()).toEqual([malformed, large]);
  const other = { ...large, count: 7, lastAt: at(9), lastId: 'z' };
  expect(mergedReasons([malformed, large, other])).toEqual([{ ...other, count: 8 }, malformed]);
  expect(mergedReasons([other, large])).toEqual([{ ...other, count: 8 }]);
});
