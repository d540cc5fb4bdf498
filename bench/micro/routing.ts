/**
 * Finding a route (src/routing/table.ts) among 10, 1,000 and 10,000: by the table's tree, whose cost follows the path,
 * and by trying one pattern after the other, whose cost follows the number of routes.
 */

import { Denial } from '../../src/errors.ts';
import { parsePattern } from '../../src/routing/pattern.ts';
import { type RouteEntry, RouteTable } from '../../src/routing/table.ts';
import { compare } from './compare.ts';

interface BenchRoute {
  readonly id: string;
  readonly methods: ReadonlySet<string>;
  readonly hasOwnMethods: boolean;
  readonly leavesOtherMethods: boolean;
}

const METHODS = new Set(['GET', 'HEAD', 'POST']);

/** Routes as a large system has them: services, versions, resources with ids, some exact, on a few hosts. */
function routes(count: number): RouteEntry<BenchRoute>[] {
  return Array.from({ length: count }, (_, at) => {
    const host = at % 5 === 0 ? '*.example.com' : 'shop.example.com';
    const path = [`/service-${at}`, `/service-${at}/v1/items/:id`, `/service-${at}/v2/*`][at % 3] ?? '/';
    const route = { id: `route-${at}`, methods: METHODS, hasOwnMethods: false, leavesOtherMethods: false };
    return { pattern: parsePattern(host, path, at % 7 === 0 && !path.endsWith('*')), route };
  });
}

const COUNTS = [10, 1_000, 10_000];
const samples = COUNTS.map((count) => {
  const entries = routes(count);
  const table = new RouteTable(entries);
  // Paths all over the table, and one that matches nothing.
  const paths = Array.from({ length: 97 }, (_, at) => `/service-${(at * 31) % count}/v1/items/${at}/detail`);
  return {
    count,
    table,
    paths: [...paths, '/nothing/like/it'],
    alone: entries.map((entry) => new RouteTable([entry])),
  };
});

let turn = 0;
const nextPath = (paths: readonly string[]) => paths[turn++ % paths.length] as string;

compare(
  import.meta.url,
  'find a route',
  samples.map(({ count, table, paths }) => ({
    name: `${count.toLocaleString('en')} routes`,
    once: () => table.match('shop.example.com', nextPath(paths), 'GET'),
  })),
);

compare(
  import.meta.url,
  'find a route, one pattern after the other',
  samples.slice(0, 2).map(({ count, alone, paths }) => ({
    name: `${count.toLocaleString('en')} routes`,
    once: () => {
      const path = nextPath(paths);
      return alone.find((one) => !(one.match('shop.example.com', path, 'GET') instanceof Denial));
    },
  })),
);
