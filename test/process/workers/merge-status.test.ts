import { describe, expect, test } from 'vitest';
import type { Listed, RouteStatus, UpstreamStatus } from '../../../src/admin/status.ts';
import { mergedRoutes, mergedUpstreams } from '../../../src/process/workers/merge-status.ts';

const route = (id: string, pattern: string, requests: number): RouteStatus => ({
  id,
  listener: 'public',
  pattern,
  methods: 'any',
  credential: 'none',
  allow: '-',
  upstream: 'app',
  counts: { requests, refused: requests + 1, failed: requests + 2, inProgress: requests + 3 },
});
const listed = <Row>(...rows: readonly Row[]): Listed<Row> => ({ rows, total: rows.length });

describe('routes of several workers', () => {
  test("are in the first worker's order, with the sums of all", () => {
    const merged = mergedRoutes([
      listed(route('b', '/b', 1), route('a', '/a', 10)),
      listed(route('b', '/b', 100), route('a', '/a', 1_000)),
    ]);
    expect(merged.rows.map(({ id, counts }) => [id, counts])).toEqual([
      ['b', { requests: 101, refused: 103, failed: 105, inProgress: 107 }],
      ['a', { requests: 1_010, refused: 1_012, failed: 1_014, inProgress: 1_016 }],
    ]);
    expect(merged.total).toBe(2);
  });

  test('keep the patterns of one route apart', () => {
    const both = listed(route('a', '/a', 1), route('a', '/b', 1));
    expect(mergedRoutes([both, both]).rows.map(({ pattern, counts }) => [pattern, counts.requests])).toEqual([
      ['/a', 2],
      ['/b', 2],
    ]);
  });

  test('are all listed while the workers differ, as during a reload', () => {
    const merged = mergedRoutes([listed(route('old', '/', 1)), listed(route('new', '/', 2), route('newer', '/n', 3))]);
    expect([merged.rows.map(({ id }) => id), merged.total]).toEqual([['old', 'new', 'newer'], 2]);
  });

  test('are empty without workers', () => {
    expect(mergedRoutes([])).toEqual({ rows: [], total: 0 });
  });
});

test('a server that one of two workers has ejected is shown as ejected in one of two', () => {
  const upstream = (ejectedIn: number, ejectedForMs: number, busy: number): UpstreamStatus => ({
    name: 'app',
    protocol: 'HTTP/2',
    processes: 1,
    servers: [
      {
        origin: 'http://a',
        ejectedIn,
        ejectedForMs,
        requestsInProgress: busy,
        busyConnections: busy,
        idleConnections: busy,
      },
    ],
  });
  expect(mergedUpstreams([listed(upstream(0, 0, 1)), listed(upstream(1, 5_000, 2))]).rows).toEqual([
    {
      name: 'app',
      protocol: 'HTTP/2',
      processes: 2,
      servers: [
        {
          origin: 'http://a',
          ejectedIn: 1,
          ejectedForMs: 5_000,
          requestsInProgress: 3,
          busyConnections: 3,
          idleConnections: 3,
        },
      ],
    },
  ]);
});
