/**
 * S6: a path exception grants nothing. However an upstream reads `;` and `%2F`, it gets no request that the same
 * principal could not have made with a plain path.
 */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { compileCredential } from '../../src/authentication/credential.ts';
import { allow, requirement } from '../../src/authorization/section.ts';
import { Denial } from '../../src/errors.ts';
import { compileDestinations } from '../../src/outbound/destination.ts';
import { matchReadings } from '../../src/routing/readings.ts';
import { compileRoutes, type Route } from '../../src/routing/route.ts';
import { ROUTE_KEYS } from '../../src/routing/section.ts';
import type { RouteEntry, RouteTable } from '../../src/routing/table.ts';
import { type CanonicalPath, canonicalPath } from '../../src/sanitize/path.ts';
import { cpuMs } from '../support/cpu.ts';

const HOST = 'shop.example.com';
const ROUTE = z.strictObject({ ...ROUTE_KEYS, allow: allow().optional(), require: requirement().optional() });
type Written = z.input<typeof ROUTE>;

const BOTH = ['encodedSlash', 'semicolon'] as const;
const route = (id: string, path: string, rest: Partial<Written> = {}): Written => ({
  id,
  match: { path },
  credential: 'session',
  upstream: 'app',
  pathExceptions: [...BOTH],
  ...rest,
});
const tableOf = (...routes: readonly Written[]) =>
  compileRoutes(
    { publicOrigin: [`https://${HOST}`], routes: routes.map((written) => ROUTE.parse(written)) },
    compileCredential,
  );

const isReserved = (path: string) => path === '/auth' || path.startsWith('/auth/');

/** The route that decides about a target, as in the pipeline. */
function decide(table: RouteTable<Route>, written: string, method = 'GET'): RouteEntry<Route> | Denial {
  const target = canonicalPath(written);
  if (target instanceof Denial) return target;
  const found = table.match(HOST, target.path, method);
  if (found instanceof Denial) return found;
  if (!target.hasEncodedSlash && !target.hasSemicolon) return found;
  return matchReadings(table, found, { host: HOST, method, target }, isReserved);
}

const decided = (table: RouteTable<Route>, written: string, method?: string) => {
  const entry = decide(table, written, method);
  return entry instanceof Denial ? entry.reason : entry.route.id;
};

const ADMIN: Partial<Written> = { allow: { roles: ['admin'] } };

describe('path exceptions', () => {
  const table = tableOf(
    route('site', '/', { credential: 'none' }),
    route('api', '/api'),
    route('admin', '/api/admin', ADMIN),
    route('account', '/account'),
    route('exact', '/', { match: { exactPath: '/api/exact' } }),
  );

  test.for([
    // The upstream would read /api/admin, and "api" requires no role.
    ['/api%2Fadmin', 'admin'],
    ['/api%2fadmin/x', 'admin'],
    ['/api/admin%2Fx', 'admin'],
    ['/api/admin;x=1', 'admin'],
    ['/api/admin;x=1/y', 'admin'],
    ['/api;x=y/admin', 'admin'],
    ['/api/admin%3Bx', 'admin'],
    ['/api/admin%3Bx;y', 'admin'],
    ['/api;v=1%2Fadmin', 'admin'],
    ['/api/admin/a%2Fb;c=d/e', 'admin'],
    // Stricter than the public route that matches the written path.
    ['/account;jsessionid=1', 'account'],
    ['/account;jsessionid=1/orders', 'account'],
    // The same route in every reading.
    ['/api/orders;v=1', 'api'],
    ['/api/projects/group%2Fname', 'api'],
    ['/a%2Fb;c', 'site'],
    // Another route in one reading, with the same rules.
    ['/api/exact%2F', 'api'],
  ] as const)('S6: %s is decided by the rules of %s', ([path, id]) => {
    expect(decided(table, path)).toBe(id);
  });

  test.for([
    '/auth%2Flogin',
    '/auth;x/login',
    '/auth%2flogin;x=1',
    '/x/..;/api/admin',
    '/x%2F..%2Fapi%2Fadmin',
    '/x/%2e%2e%2fapi/admin',
    '/x/..;x=y/api',
    '/x;/..%2Fapi',
    '/api%5Cadmin',
    '/api\\admin',
    '/x%2F%2Fapi',
    '/;x/api',
  ])('S6: %s is refused, as an endpoint of the gateway or an invalid path', (path) => {
    expect(decided(table, path)).toBe('request_ambiguous');
  });

  test('S6: a double encoding is judged as written, never decoded', () => {
    expect(decided(table, '/api%252Fadmin')).toBe('site');
    expect(decided(table, '/api%253Bx/admin')).toBe('site');
  });

  test('S6: a path is refused if no route of its readings is the strictest', () => {
    const support = route('support', '/support', { allow: { roles: ['support'] } });
    const both = tableOf(route('site', '/', ADMIN), support);
    expect(decided(both, '/support;x')).toBe('request_ambiguous');
    expect(decided(both, '/support/x;y')).toBe('support');
  });

  test('S6: a route that requires a stronger login decides; a path is refused if two require different ones', () => {
    const gold = { require: { acr: ['gold'] } };
    const one = tableOf(route('site', '/'), route('payouts', '/payouts', gold));
    expect(decided(one, '/x%2F..;/payouts;y')).toBe('request_ambiguous');
    expect(decided(one, '/payouts;x')).toBe('payouts');
    const other = tableOf(route('site', '/', { require: { maxAge: '5m' } }), route('payouts', '/payouts', gold));
    expect(decided(other, '/payouts;x')).toBe('request_ambiguous');
  });

  test('S6: a path is refused if one of its readings has no route, or no route for the method', () => {
    const items = tableOf(
      route('item', '/', { match: { exactPath: '/items/:id' } }),
      route('post', '/', { match: { path: '/items/:id/post', methods: ['POST'] } }),
    );
    expect(decided(items, '/items/a%2Fb')).toBe('request_ambiguous');
    expect(decided(items, '/items/a%2Fpost')).toBe('request_ambiguous');
    expect(decided(items, '/items/a;b')).toBe('item');
  });

  test('S6: a path is refused if its rewrite would differ between readings', () => {
    const files = tableOf(
      route('files', '/', { match: { path: '/files/:name' }, rewrite: { path: '/internal/:name' } }),
      route('stripped', '/', { match: { path: '/app' }, rewrite: { stripPrefix: '/app' } }),
    );
    expect(decided(files, '/files/a;b')).toBe('files');
    expect(decided(files, '/files/a%2Fb')).toBe('request_ambiguous');
    expect(decided(files, '/app/a%2Fb;c')).toBe('stripped');
  });

  test.for<[name: string, one: Partial<Written>]>([
    ['another upstream', { upstream: 'other' }],
    ['a WebSocket that the other refuses', { webSocket: true }],
    ['no CSRF check', { csrf: 'off' }],
    ['a larger body', { maxBodyBytes: '2MiB' }],
    ['a session cookie from the upstream', { relaySessionCookie: true }],
    ['other request headers', { requestHeaders: { set: { 'X-Internal': 'yes' } } }],
    ['answers that pages of other origins may read', { cors: { origins: ['https://partner.example'] } }],
    ['other response headers', { responseHeaders: { remove: ['Content-Security-Policy'] } }],
  ])('S6: a route with %s is not the stricter one', ([, rest]) => {
    const plain = { webSocket: false, maxBodyBytes: '1MiB' };
    const table = tableOf(
      route('site', '/', { credential: { session: 'optional' }, ...plain }),
      route('account', '/account', { ...plain, ...rest }),
    );
    expect(decided(table, '/account;x')).toBe('request_ambiguous');
  });

  test('S6: no destination of the workload is stricter than another, since each has its own token', () => {
    const destination = (id: string, path: string) => ({
      id,
      match: { path: [path] },
      upstream: 'app',
      token: {},
      pathExceptions: [...BOTH],
      timeouts: {},
    });
    const { table } = compileDestinations([destination('all', '/'), destination('a', '/a')] as never, 0);
    const decidedThere = (written: string) => {
      const target = canonicalPath(written) as CanonicalPath;
      const found = table.match('localhost', target.path, 'GET') as RouteEntry<Route>;
      return matchReadings(table, found, { host: 'localhost', method: 'GET', target }, () => false);
    };
    expect(decidedThere('/a;x')).toMatchObject({ reason: 'request_ambiguous' });
    expect(decidedThere('/a/b;x')).toMatchObject({ route: { id: 'a' } });
  });

  test('PTH-05, PTH-09: an exception applies only if the written and the deciding route both have it', () => {
    const none = { pathExceptions: [] };
    expect(decided(tableOf(route('site', '/', none), route('account', '/account')), '/account;x')).toBe(
      'request_ambiguous',
    );
    expect(
      decided(tableOf(route('site', '/', { credential: 'none' }), route('account', '/account', none)), '/account;x'),
    ).toBe('request_ambiguous');
  });
});

/** How programs read a path, each in its own way. */
const UPSTREAMS: Readonly<Record<string, (sent: string) => string>> = {
  'reads it as sent': (sent) => sent,
  'decodes slashes': (sent) => sent.replace(/%2f/gi, '/'),
  'a servlet container that rejects %2F': (sent) => segmentwise(sent, (segment) => segment.split(';')[0] ?? ''),
  'a servlet container that decodes %2F': (sent) =>
    segmentwise(sent, (segment) => segment.split(';')[0] ?? '').replace(/%2f/gi, '/'),
  'decodes everything, then cuts parameters': (sent) =>
    segmentwise(sent.replace(/%2f/gi, '/').replace(/%3b/gi, ';'), (segment) => segment.split(';')[0] ?? ''),
  'cuts decoded parameters, then decodes slashes': (sent) =>
    segmentwise(sent.replace(/%3b/gi, ';'), (segment) => segment.split(';')[0] ?? '').replace(/%2f/gi, '/'),
  'the last segment has parameters': (sent) => {
    const parts = sent.split('/');
    return [...parts.slice(0, -1), parts.at(-1)?.split(';')[0]].join('/');
  },
  'splits at the first semicolon': (sent) => sent.split(';')[0] ?? '',
};
const segmentwise = (path: string, change: (segment: string) => string) => path.split('/').map(change).join('/');

/** The kinds of principal that the routes of the property distinguish. */
const PRINCIPALS = ['nobody', 'user', 'support', 'admin', 'service'] as const;
type Who = (typeof PRINCIPALS)[number];

/** Whether a route admits a principal, by a plain implementation. */
function admits({ credential, allow: rule }: Route, who: Who): boolean {
  const role = (rule as { roles?: readonly string[] } | null)?.roles?.[0];
  if (credential.kind === 'public') return true;
  const isKnown = credential.accepts.some(({ kind }) => kind.name === (who === 'service' ? 'service' : 'session'));
  if (who === 'nobody' || !isKnown) return credential.kind === 'optional' && role === undefined;
  return role === undefined || role === who;
}

describe('path exceptions, with upstreams that read paths in other ways', () => {
  const CREDENTIALS = [
    'none',
    'none',
    'session',
    'session',
    'session',
    { session: 'optional' },
    { service: ['billing'] },
  ] as const;
  const segment = fc.constantFrom('a', 'a', 'b', ':p', 'a;b');
  const routes = fc
    .array(
      fc.record({
        segments: fc.array(segment, { maxLength: 3 }),
        isExact: fc.boolean(),
        method: fc.constantFrom(...Array<undefined>(6), 'GET' as const, 'POST' as const),
        credential: fc.constantFrom(...CREDENTIALS),
        role: fc.constantFrom(...Array<undefined>(4), 'support', ...Array<string>(3).fill('admin')),
        upstream: fc.constantFrom(...Array<string>(9).fill('app'), 'other'),
        rewrite: fc.constantFrom(...Array<undefined>(9), { addPrefix: '/x' }, { path: '/y/:p' }),
        exceptions: fc.constantFrom(...Array(6).fill([...BOTH]), ['semicolon' as const], []),
      }),
      { minLength: 1, maxLength: 6 },
    )
    .map((list) => {
      const [first] = list;
      // Most configurations have a route for everything.
      if (first !== undefined && list.length > 1)
        Object.assign(first, { segments: [], isExact: false, method: undefined });
      const unique = new Map(
        list.map((made) => [`${made.segments.join('/')} ${made.isExact} ${made.method !== undefined}`, made]),
      );
      return [...unique.values()].map(({ segments, isExact, method, role, exceptions, rewrite, ...rest }, index) => {
        const path = `/${segments.join('/')}`;
        return route(`r${index}`, '/', {
          ...rest,
          credential: rest.credential as Written['credential'],
          match: { ...(isExact ? { exactPath: path } : { path }), ...(method && { methods: [method] }) },
          ...(role !== undefined && rest.credential !== 'none' && { allow: { roles: [role] } }),
          ...(rewrite !== undefined && (rewrite.path === undefined || segments.includes(':p')) && { rewrite }),
          pathExceptions: exceptions,
        });
      });
    });
  const piece = fc.constantFrom(
    'a',
    'b',
    'c',
    '/',
    '/',
    ';',
    ';',
    '%2F',
    '%2f',
    '%3B',
    '%3b',
    '%252F',
    '..',
    '.',
    '%61',
  );
  const paths = fc.array(
    fc.array(piece, { maxLength: 6 }).map((pieces) => `/${pieces.join('')}`),
    {
      minLength: 5,
      maxLength: 20,
    },
  );

  test('S6: every path that an upstream reads is open, at that upstream, to every permitted client', () => {
    let [compared, upgraded] = [0, 0];
    fc.assert(
      fc.property(routes, paths, (made, asked) => {
        const table = tableOf(...made);
        for (const written of asked) {
          const entry = decide(table, written);
          const target = canonicalPath(written);
          if (entry instanceof Denial || target instanceof Denial) continue;
          if (target.path === target.spelling && !/[;%]/.test(target.path)) continue;
          const asWritten = table.match(HOST, target.path, 'GET');
          if (!(asWritten instanceof Denial) && asWritten.route !== entry.route) upgraded += 1;
          const sent = sendOf(entry, target.spelling);
          for (const [name, reads] of Object.entries(UPSTREAMS)) {
            const plain = canonicalPath(reads(target.spelling));
            // This reading decodes only %2F and %3B; the rest of the path has the same spelling.
            if (plain instanceof Denial) expect.unreachable(`${name} reads ${written} as no path`);
            const asPlain = table.match(HOST, plain.path, 'GET');
            if (asPlain instanceof Denial) expect.unreachable(`${name}: ${plain.path} has no route`);
            compared += 1;
            const who = PRINCIPALS.filter((one) => admits(entry.route, one) && !admits(asPlain.route, one));
            expect({ name, written, reads: plain.path, who }).toEqual({ name, written, reads: plain.path, who: [] });
            expect(entry.route.upstream).toBe(asPlain.route.upstream);
            // From the path that it is sent, it reads the same as it would get from the plain request.
            expect(canonicalOf(reads(sent))).toBe(canonicalOf(sendOf(asPlain, plain.spelling)));
          }
        }
      }),
      { numRuns: 2_000 },
    );
    // Neither the property nor the choice of the stricter route is vacuous.
    expect(compared).toBeGreaterThan(1_000);
    expect(upgraded).toBeGreaterThan(0);
  });

  test('a long path is matched in all readings in linear time', () => {
    const table = tableOf(route('site', '/'));
    const cost = (length: number) =>
      cpuMs(() => expect(decided(table, `/${'a;b%2Fc%3Bd/'.repeat(length)}`)).toBe('site'));
    cost(1_000);
    // Quadratic would be a hundred times the cost of a tenth, and take minutes.
    expect(cost(20_000)).toBeLessThan(10_000);
  });
});

function sendOf({ route: { rewrite }, pattern }: RouteEntry<Route>, path: string): string {
  const sent = rewrite === null ? path : rewrite(path, pattern);
  if (sent instanceof Denial) return expect.unreachable(`${path} is not sent`);
  return sent;
}

function canonicalOf(path: string): string {
  const canonical = canonicalPath(path);
  return canonical instanceof Denial ? `refused: ${canonical.note}` : canonical.path;
}
