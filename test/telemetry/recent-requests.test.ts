import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RECENT_REQUESTS, RecentRequests } from '../../src/telemetry/recent-requests.ts';

const unread = (id: string, client: string) =>
  ({ id, client, status: 400, reason: 'request_malformed', note: 'Invalid method' }) as const;

test('the last requests are found, the last of several with one id, and none that is older', () => {
  const ids = fc.array(fc.integer({ min: 0, max: RECENT_REQUESTS / 2 }), { maxLength: 3 * RECENT_REQUESTS });
  const property = fc.property(ids, (kept) => {
    const recent = new RecentRequests();
    for (const [index, id] of kept.entries()) recent.keepUnread(unread(String(id), String(index)), 'public', index);
    const remembered = new Map([...kept.entries()].slice(-RECENT_REQUESTS).map(([index, id]) => [id, String(index)]));
    for (const id of new Set(kept)) expect(recent.find(String(id))?.client).toBe(remembered.get(id));
  });
  fc.assert(property, { numRuns: 20 });
});

test('what was kept of an earlier request does not show through', () => {
  const recent = new RecentRequests();
  recent.keepUnread(unread('a', '192.0.2.1'), 'public', 0);
  expect(recent.find('a')).toEqual({
    ...unread('a', '192.0.2.1'),
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
