import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Denial } from '../../src/errors.ts';
import { formatPattern, parsePattern } from '../../src/routing/pattern.ts';
import { type RouteEntry, RouteTable } from '../../src/routing/table.ts';

interface TestRoute {
  readonly id: string;
  readonly methods: ReadonlySet<string>;
  readonly hasOwnMethods: boolean;
  readonly leavesOtherMethods: boolean;
}

const ALL = ['GET', 'POST', 'PUT'];
const entry = (
  host: string,
  path: string,
  isExact = false,
  methods?: readonly string[],
  leavesOtherMethods = false,
): RouteEntry<TestRoute> => ({
  pattern: parsePattern(host, path, isExact),
  route: {
    id: `${host}${path}${isExact ? '!' : ''}${methods ?? ''}`,
    methods: new Set(methods ?? ALL),
    hasOwnMethods: methods !== undefined,
    leavesOtherMethods,
  },
});

const matched = (table: RouteTable<TestRoute>, host: string, path: string, method = 'GET') => {
  const found = table.match(host, path, method);
  return found instanceof Denial ? found.reason : found.route.id;
};

describe('the most specific pattern wins, regardless of the order', () => {
  const table = new RouteTable(
    [
      entry('*', '/'),
      entry('shop.example.com', '/'),
      entry('*.example.com', '/'),
      entry('*.eu.example.com', '/'),
      entry('shop.example.com', '/api'),
      entry('shop.example.com', '/api/orders', true),
      entry('shop.example.com', '/api/orders'),
      entry('shop.example.com', '/api/:kind'),
      entry('shop.example.com', '/api/:kind/new'),
      entry('shop.example.com', '/api/*'),
      entry('shop.example.com', '/:tenant/orders/open'),
    ].toReversed(),
  );

  test.for([
    ['shop.example.com', '/', 'shop.example.com/'],
    ['shop.example.com', '/apix', 'shop.example.com/'],
    ['shop.example.com', '/api', 'shop.example.com/api'],
    ['shop.example.com', '/api/', 'shop.example.com/api'],
    ['shop.example.com', '/api/orders', 'shop.example.com/api/orders!'],
    ['shop.example.com', '/api/orders/', 'shop.example.com/api/orders!'],
    ['shop.example.com', '/api/orders/7', 'shop.example.com/api/orders'],
    ['shop.example.com', '/api/orders/open', 'shop.example.com/api/orders'],
    ['shop.example.com', '/api/carts', 'shop.example.com/api/:kind'],
    ['shop.example.com', '/api/carts/7', 'shop.example.com/api/:kind'],
    ['shop.example.com', '/api/carts/new', 'shop.example.com/api/:kind/new'],
    ['shop.example.com', '/acme/orders/open/7', 'shop.example.com/:tenant/orders/open'],
    ['shop.example.com', '/API/orders', 'shop.example.com/'],
    ['www.example.com', '/api', '*.example.com/'],
    ['a.b.example.com', '/', '*.example.com/'],
    ['fr.eu.example.com', '/', '*.eu.example.com/'],
    ['example.com', '/', '*/'],
    ['evilexample.com', '/', '*/'],
  ] as const)('%s %s matches %s', ([host, path, id]) => {
    expect(matched(table, host, path)).toBe(id);
  });

  test('"*" matches one or more segments, a prefix none or more', () => {
    const rest = new RouteTable([entry('h', '/files/*')]);
    expect(['/files', '/files/', '/files/a', '/files/a/b', '/filesa'].map((path) => matched(rest, 'h', path))).toEqual([
      'route_not_found',
      'route_not_found',
      'h/files/*',
      'h/files/*',
      'route_not_found',
    ]);
  });

  test('a parameter matches exactly one whole segment', () => {
    const one = new RouteTable([entry('h', '/a/:x', true)]);
    expect(['/a', '/a/', '/a/b', '/a/b/', '/a/b/c'].map((path) => matched(one, 'h', path))).toEqual([
      'route_not_found',
      'route_not_found',
      'h/a/:x!',
      'h/a/:x!',
      'route_not_found',
    ]);
  });
});

describe('methods', () => {
  const table = new RouteTable([
    entry('h', '/orders', false, ['POST']),
    entry('h', '/orders'),
    entry('h', '/orders/:id', false, ['GET']),
    entry('h', '/orders/all', false, ['GET'], true),
    entry('h', '/carts', false, ['GET']),
    entry('h', '/carts', true, ['PUT']),
    entry('*', '/'),
  ]);

  test('a route with its own methods is tried before one that accepts any', () => {
    expect(matched(table, 'h', '/orders', 'POST')).toBe('h/ordersPOST');
    expect(matched(table, 'h', '/orders', 'PUT')).toBe('h/orders');
  });

  test('a method that the most specific pattern does not accept gets 405, not a weaker route', () => {
    expect(matched(table, 'h', '/orders/7', 'GET')).toBe('h/orders/:idGET');
    const refused = { reason: 'method_not_allowed', headers: ['Allow', 'GET'] };
    expect(table.match('h', '/orders/7', 'PUT')).toMatchObject(refused);
    expect(table.match('h', '/carts/7', 'PUT')).toMatchObject(refused);
    expect(table.match('h', '/carts', 'GET')).toMatchObject({ ...refused, headers: ['Allow', 'PUT'] });
  });

  test('a route can leave other methods to the next best one; Allow lists the methods of all routes tried', () => {
    expect(matched(table, 'h', '/orders/all', 'GET')).toBe('h/orders/allGET');
    expect(table.match('h', '/orders/all', 'PUT')).toMatchObject({ headers: ['Allow', 'GET'] });
    const open = new RouteTable([
      entry('h', '/a', false, ['GET'], true),
      entry('h', '/', false, ['PUT'], true),
      entry('*', '/', false, ['POST']),
    ]);
    expect(['GET', 'PUT', 'POST'].map((method) => matched(open, 'h', '/a', method))).toEqual([
      'h/aGET',
      'h/PUT',
      '*/POST',
    ]);
    expect(open.match('h', '/a', 'DELETE')).toMatchObject({ headers: ['Allow', 'GET, POST, PUT'] });
  });

  test('an unmatched path gets 404, an unmatched host 421', () => {
    const one = new RouteTable([entry('h', '/orders')]);
    expect(matched(one, 'h', '/other', 'POST')).toBe('route_not_found');
    expect(matched(one, 'other', '/orders')).toBe('host_not_served');
  });
});

/**
 * The plain algorithm: tries every pattern, and picks the match with the most specific segments, comparing earlier
 * segments first.
 */
function naiveMatch(entries: readonly RouteEntry<TestRoute>[], host: string, path: string, method: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  const hostRank = (pattern: string) =>
    pattern === host ? '0' : pattern === '*' ? '9' : `1${String(99 - pattern.length)}`;
  const hostMatches = (pattern: string) =>
    pattern === '*' || pattern === host || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)));
  const candidates = entries
    .filter(({ pattern }) => hostMatches(pattern.host))
    .map((candidate) => {
      const { segments, end } = candidate.pattern;
      const fits =
        segments.every(
          ({ kind, ...segment }, at) =>
            at < parts.length && (kind === 'parameter' || ('text' in segment && segment.text === parts[at])),
        ) &&
        (end === 'exact' ? parts.length === segments.length : end === 'rest' ? parts.length > segments.length : true);
      const rank = [
        hostRank(candidate.pattern.host),
        ...segments.map(({ kind }) => (kind === 'literal' ? 'a' : 'b')),
        { exact: 'c', rest: 'd', prefix: 'e' }[end],
      ].join(' ');
      return { candidate, fits, rank };
    });
  const fitting = Map.groupBy(
    candidates.filter(({ fits }) => fits),
    ({ rank }) => rank,
  );
  const allowed = new Set<string>();
  for (const [, group] of [...fitting].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const routes = group.map(({ candidate }) => candidate.route);
    const accepting = routes.filter(({ methods }) => methods.has(method));
    const best = accepting.find(({ hasOwnMethods }) => hasOwnMethods) ?? accepting[0];
    if (best !== undefined) return best.id;
    for (const { methods } of routes) for (const one of methods) allowed.add(one);
    if (!routes.every(({ leavesOtherMethods }) => leavesOtherMethods)) break;
  }
  if (allowed.size > 0) return `405 ${[...allowed].toSorted().join(', ')}`;
  return candidates.length > 0 ? '404' : '421';
}

describe('the table, compared with a naive matcher', () => {
  const hosts = ['h.x.com', '*.x.com', '*.com', '*', 'y.com'];
  const segment = fc.constantFrom('a', 'b', 'c', ':p');
  const path = fc
    .tuple(fc.array(segment, { maxLength: 3 }), fc.boolean())
    .map(([segments, isRest]) => `/${[...segments, ...(isRest ? ['*'] : [])].join('/')}`);
  const entries = fc
    .array(
      fc.record({
        host: fc.constantFrom(...hosts),
        path,
        isExact: fc.boolean(),
        methods: fc.option(fc.subarray(ALL, { minLength: 1 }), { nil: undefined }),
        leavesOtherMethods: fc.boolean(),
      }),
      { maxLength: 12 },
    )
    // Removes twins, which the configuration refuses: neither is more specific.
    .map((list) => [
      ...new Map(
        list.map((made) => [
          `${made.host}${made.path.replace(/:p/g, ':')}${made.isExact && !made.path.endsWith('*')}${made.methods !== undefined}`,
          made,
        ]),
      ).values(),
    ])
    .map((list) =>
      list.map((made) => entry(made.host, made.path, made.isExact, made.methods, made.leavesOtherMethods)),
    );
  const requests = fc.array(
    fc.record({
      host: fc.constantFrom('h.x.com', 'g.x.com', 'a.b.x.com', 'y.com', 'z.com', 'localhost'),
      path: fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 }).map((parts) => `/${parts.join('/')}`),
      hasSlash: fc.boolean(),
      method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
    }),
    { minLength: 10, maxLength: 30 },
  );

  test('finds the same route, 404, 405 with Allow, or 421', () => {
    fc.assert(
      fc.property(entries, requests, (made, asked) => {
        const table = new RouteTable(made);
        for (const { host, path: asks, hasSlash, method } of asked) {
          const target = hasSlash && asks !== '/' ? `${asks}/` : asks;
          const found = table.match(host, target, method);
          const said =
            found instanceof Denial
              ? { host_not_served: '421', route_not_found: '404', method_not_allowed: `405 ${found.headers[1]}` }[
                  found.reason as 'host_not_served'
                ]
              : found.route.id;
          expect(said).toBe(naiveMatch(made, host, target, method));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('does not depend on the order in the file', () => {
    fc.assert(
      fc.property(entries, requests, fc.infiniteStream(fc.nat()), (made, asked, randoms) => {
        const shuffled = made
          .map((one) => ({ one, at: randoms.next().value as number }))
          .toSorted((a, b) => a.at - b.at)
          .map(({ one }) => one);
        const [table, other] = [new RouteTable(made), new RouteTable(shuffled)];
        for (const { host, path: asks, method } of asked) {
          expect(matched(other, host, asks, method)).toBe(matched(table, host, asks, method));
        }
        const listed = (list: RouteTable<TestRoute>) => list.entries.map(({ route }) => route.id);
        expect(new Set(listed(other))).toEqual(new Set(listed(table)));
      }),
    );
  });

  test('finds the first matching entry of its list, unless the method is refused', () => {
    fc.assert(
      fc.property(entries, requests, (made, asked) => {
        const table = new RouteTable(made);
        for (const { host, path: asks, method } of asked) {
          const first = table.entries.find(
            (one) => !(new RouteTable([one]).match(host, asks, method) instanceof Denial),
          );
          const found = matched(table, host, asks, method);
          if (first !== undefined && found !== 'method_not_allowed') expect(found).toBe(first.route.id);
        }
      }),
    );
  });
});

test.for([
  ['h', '/', false, 'h/…'],
  ['h', '/', true, 'h/'],
  ['h', '/*', false, 'h/*'],
  ['*.x.com', '/a/:b', false, '*.x.com/a/:b/…'],
  ['*', '/a/:b', true, '*/a/:b'],
  ['*', '/a/*', false, '*/a/*'],
] as const)('the pattern %s%s is shown as written', ([host, path, isExact, shown]) => {
  expect(formatPattern(parsePattern(host, path, isExact))).toBe(shown);
});
