/** Merges the status that several workers report for the same routes and upstreams, in the order of the first worker. */

import type { Listed, RouteStatus, ServerStatus, UpstreamStatus } from '../../admin/status.ts';

/** One row for each pattern of a route; counts are summed. */
export const mergedRoutes = (answers: Iterable<Listed<RouteStatus>>): Listed<RouteStatus> =>
  merged(
    answers,
    ({ listener, id, pattern }) => JSON.stringify([listener, id, pattern]),
    (one, other) => ({ ...one, counts: sums(one.counts, other.counts) }),
  );

/** One row for each upstream. */
export const mergedUpstreams = (answers: Iterable<Listed<UpstreamStatus>>): Listed<UpstreamStatus> =>
  merged(
    answers,
    ({ name }) => name,
    (one, other) => ({
      ...one,
      processes: one.processes + other.processes,
      servers: one.servers.map((server) => mergedServer(server, other.servers)),
    }),
  );

function mergedServer({ origin, ...one }: ServerStatus, others: readonly ServerStatus[]): ServerStatus {
  const other = others.find((server) => server.origin === origin);
  if (other === undefined) return { origin, ...one };
  const { origin: _, ...figures } = other;
  return { origin, ...sums(one, figures), ejectedForMs: Math.max(one.ejectedForMs, other.ejectedForMs) };
}

/** While a configuration is being reloaded workers may differ: the longest list says how many there are. */
function merged<Row>(
  answers: Iterable<Listed<Row>>,
  keyOf: (row: Row) => string,
  merge: (one: Row, other: Row) => Row,
): Listed<Row> {
  const lists = [...answers];
  const same = Map.groupBy(
    lists.flatMap(({ rows }) => rows),
    keyOf,
  );
  return {
    rows: [...same.values()].map((rows) => rows.reduce((one, other) => merge(one, other))),
    total: Math.max(0, ...lists.map(({ total }) => total)),
  };
}

const sums = <Figures extends Readonly<Record<keyof Figures, number>>>(one: Figures, other: Figures): Figures =>
  Object.fromEntries(
    Object.entries<number>(one).map(([name, value]) => [name, value + other[name as keyof Figures]]),
  ) as Figures;
