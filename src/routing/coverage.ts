/**
 * Which requests reach which route, asked of the real route table with sample requests: routes that no request
 * reaches, and public routes through which requests slip past a protected one.
 *
 * A sample puts a segment that no route names wherever a pattern leaves one open, and goes as deep below a prefix as any
 * pattern reaches. Whatever takes that sample takes everything that the pattern matches at that depth, since a named
 * segment only adds candidates; so a route that gets none of its samples gets no request at all.
 */

import { compileCredential } from '../authentication/credential.ts';
import { type Code, defineCodes, error, warning } from '../config/findings/problem.ts';
import type { LintContext } from '../config/lint.ts';
import { Denial } from '../errors.ts';
import { formatPattern, type RoutePattern } from './pattern.ts';
import { matchReadings, missingException } from './readings.ts';
import { compileRoutes, type Route } from './route.ts';
import { ROUTE_METHODS, type RouteConfig } from './section.ts';
import type { RouteEntry, RouteTable } from './table.ts';

/** Codes of the findings about which requests reach which route. */
export const codes = defineCodes({
  'routes/duplicate': error('Two routes with the same host, path and method: it is unclear which one is meant.'),
  'routes/unreachable': warning(
    'Every request that the route (or one of its paths) matches is taken, or refused for its method, by others.',
  ),
  'routes/public-above': warning(
    'A public route above a protected one: whatever the protected route does not match is open to everyone.',
  ),
  'routes/method-fallthrough': warning(
    'A public route takes requests to the paths of a protected route whose methods that route does not list.',
  ),
  'routes/path-exception': warning(
    'A path that a route accepts with `pathExceptions` may be read by its upstream as one of another route, and neither route is as strict as the other: such requests are refused.',
  ),
  'login/page-unreachable': error(
    '`login.page` has no route, or one that needs a session: users who must log in would be redirected in a circle.',
  ),
});

interface CoverageDraft {
  readonly publicOrigin?: readonly string[] | undefined;
  readonly routes: readonly (RouteConfig | undefined)[];
  readonly login?: { readonly page?: string | undefined; readonly origin?: string | undefined } | undefined;
}

type Context = LintContext<CoverageDraft>;

/** A request as far as routing looks at it. */
interface Sample {
  readonly host: string;
  readonly path: string;
}

/** Applies the rules. */
export function lint(context: Context): void {
  const { draft } = context;
  if (draft.publicOrigin === undefined) return;
  const publicOrigin = [...new Map(draft.publicOrigin.map((origin) => [new URL(origin).hostname, origin])).values()];
  const known = draft.routes.flatMap((route, index) => (route === undefined ? [] : [{ route, index }]));
  const indices = known.map(({ index }) => index);
  const configs = known.map(({ route }) => route);
  const coverage = new Coverage(context, indices, compileRoutes({ publicOrigin, routes: configs }, compileCredential));
  if (coverage.reportDuplicates()) return;
  coverage.reportUnreachable();
  coverage.reportExceptions();
  const { page, origin } = draft.login ?? {};
  if (page !== undefined) coverage.reportLoginPage(origin === undefined ? publicOrigin : [origin], page);
  const publicConfigs = configs.filter(({ credential }) => compileCredential(credential).kind === 'public');
  coverage.reportOpenings(compileRoutes({ publicOrigin, routes: publicConfigs }, compileCredential));
}

const isPublic = ({ credential }: Route) => credential.kind === 'public';

class Coverage {
  readonly #context: Context;
  /** Index in the file by index in the table. */
  readonly #indices: readonly number[];
  readonly #table: RouteTable<Route>;
  readonly #maxDepth: number;
  /** A segment and a host label that no pattern names. */
  readonly #fresh: string;

  constructor(context: Context, indices: readonly number[], table: RouteTable<Route>) {
    this.#context = context;
    this.#indices = indices;
    this.#table = table;
    this.#maxDepth = Math.max(0, ...table.entries.map(({ pattern }) => pattern.segments.length)) + 1;
    const named = new Set(
      table.entries.flatMap(({ pattern }) => [...pattern.segments.map(textOf), ...pattern.host.split('.')]),
    );
    let fresh = 'sample';
    while (named.has(fresh)) fresh += 's';
    this.#fresh = fresh;
  }

  /** Finds routes with the same host, path and method. Returns whether there are any. */
  reportDuplicates(): boolean {
    const claims = this.#table.entries.flatMap(({ pattern, route }) =>
      (route.hasOwnMethods ? [...route.methods] : ['any']).map((method) => ({
        key: `${method} ${patternShape(pattern)}`,
        route,
      })),
    );
    const pairs = new Set<string>();
    for (const group of Map.groupBy(claims, ({ key }) => key).values()) {
      const [first, ...others] = group.map(({ route }) => route).toSorted((a, b) => a.index - b.index);
      for (const other of others) {
        if (first === undefined || pairs.has(`${first.index} ${other.index}`)) continue;
        pairs.add(`${first.index} ${other.index}`);
        const twin = first === other ? 'itself' : this.#nameOf(first);
        const message = `route ${JSON.stringify(other.id)} has the same host, path and method as ${twin}`;
        this.#report(codes['routes/duplicate'], other, ['match'], message);
      }
    }
    return pairs.size > 0;
  }

  reportUnreachable(): void {
    const byRoute = Map.groupBy(this.#table.entries, ({ route }) => route);
    for (const [route, entries] of byRoute) {
      const lost = entries.flatMap((entry) => {
        const others = this.#othersAt(entry);
        return others === null ? [] : [{ entry, ...others }];
      });
      if (lost.length === 0) continue;
      const takers = new Set(lost.flatMap(({ takers }) => [...takers]));
      const refusers = new Set(lost.flatMap(({ refusers }) => [...refusers]).filter((other) => !takers.has(other)));
      const what =
        lost.length === entries.length
          ? 'is never reached'
          : `is never reached at ${lost.map(({ entry }) => formatPattern(entry.pattern)).join(', ')}`;
      const why = [...this.#clause(takers, 'take'), ...this.#clause(refusers, 'refuse')].join(', and ');
      const message = `route ${JSON.stringify(route.id)} ${what}: ${why} those requests`;
      this.#report(codes['routes/unreachable'], route, ['match'], message);
    }
  }

  #clause(routes: ReadonlySet<Route>, verb: string): string[] {
    const names = [...routes].map((route) => this.#nameOf(route)).join(' and ');
    return routes.size === 0 ? [] : [`${names} ${verb}${routes.size === 1 ? 's' : ''}`];
  }

  /** Checks that a client without a session reaches the login page of the configuration. */
  reportLoginPage(publicOrigin: readonly string[], page: string): void {
    const takers = publicOrigin.map((origin) => this.#taker({ host: new URL(origin).hostname, path: page }, 'GET'));
    const taker = takers.find((route) => route === null || route.credential.kind === 'required');
    if (taker === undefined) return;
    const [problem, hint] =
      taker === null
        ? ['no route takes it', 'add a public route for it']
        : [
            `${this.#nameOf(taker)} takes it, which asks for a session`,
            'give it a route of its own with credential: none',
          ];
    const message = `nobody who has to log in gets to login.page ${page}: ${problem}`;
    this.#context.source.report(codes['login/page-unreachable'], ['login', 'page'], message, hint);
  }

  /** Finds routes with path exceptions through which the upstream may be asked for what another route protects. */
  reportExceptions(): void {
    if (!this.#table.entries.some(({ route }) => route.allowsEncodedSlash || route.allowsSemicolon)) return;
    const found = new Map<Route, Map<Route, string>>();
    for (const { pattern, route } of this.#table.entries) {
      const [method] = route.methods;
      const { value: sample } = this.#samples(pattern).next();
      if (sample === undefined || method === undefined) continue;
      for (const path of otherSpellings(sample.path)) {
        const entry = this.#table.match(sample.host, path, method);
        if (entry instanceof Denial || entry.route === route) continue;
        const target = {
          path,
          spelling: path,
          hasEncodedSlash: path.includes('%2F'),
          hasSemicolon: path.includes(';'),
        };
        if (missingException(entry.route, target) !== null) continue;
        const decided = matchReadings(this.#table, entry, { host: sample.host, method, target }, () => false);
        if (!(decided instanceof Denial)) continue;
        const others = found.get(entry.route) ?? new Map<Route, string>();
        found.set(entry.route, others);
        if (!others.has(route)) others.set(route, path);
      }
    }
    for (const [route, others] of found) {
      for (const [other, path] of others) {
        this.#report(
          codes['routes/path-exception'],
          route,
          ['pathExceptions'],
          `route ${JSON.stringify(route.id)} accepts ${path}, which its upstream may read as a path of ${this.#nameOf(other)}: such requests are refused`,
          'give both routes the same rules and exceptions, or this one fewer paths',
        );
      }
    }
  }

  /** Finds what is public above, and beside, the protected routes. */
  reportOpenings(publicTable: RouteTable<Route>): void {
    const above = new Map<string, Set<Route>>();
    for (const [route, entries] of Map.groupBy(this.#table.entries, (entry) => entry.route)) {
      if (isPublic(route)) continue;
      const slips = this.#slips(route, entries);
      for (const [taker, methods] of slips) {
        const message = `${[...methods].join(', ')} requests to route ${JSON.stringify(route.id)} are not its own and go to ${this.#nameOf(taker)}, which is public`;
        this.#report(
          codes['routes/method-fallthrough'],
          route,
          ['match', 'methods'],
          message,
          'list the methods in this route, or leave out methods',
        );
      }
      const taken = new Set([...slips.keys()].map(({ id }) => id));
      for (const id of this.#publicAbove(publicTable, entries)) {
        if (!taken.has(id)) above.set(id, (above.get(id) ?? new Set()).add(route));
      }
    }
    for (const route of new Set(this.#table.entries.map((entry) => entry.route))) {
      const below = [...(above.get(route.id) ?? [])];
      if (below.length === 0 || !isPublic(route)) continue;
      const names = below.slice(0, 3).map((other) => this.#nameOf(other));
      const more = below.length > 3 ? ` and ${below.length - 3} more` : '';
      this.#report(
        codes['routes/public-above'],
        route,
        ['match'],
        `route ${JSON.stringify(route.id)} is public and above ${names.join(', ')}${more}: what those do not match is open to everyone`,
      );
    }
  }

  /** Methods that the protected route does not list, by the public route that takes them at its paths. */
  #slips(route: Route, entries: readonly RouteEntry<Route>[]): Map<Route, Set<string>> {
    const slips = new Map<Route, Set<string>>();
    const [ownMethod] = route.methods;
    const others = ROUTE_METHODS.filter((method) => !route.methods.has(method));
    for (const { pattern } of entries) {
      for (const sample of this.#samples(pattern)) {
        if (ownMethod === undefined || this.#taker(sample, ownMethod) !== route) continue;
        for (const method of others) {
          const taker = this.#taker(sample, method);
          if (taker !== null && isPublic(taker)) slips.set(taker, (slips.get(taker) ?? new Set()).add(method));
        }
      }
    }
    return slips;
  }

  /** Ids of public routes that would take requests at these patterns, were the protected routes not there. */
  #publicAbove(publicTable: RouteTable<Route>, entries: readonly RouteEntry<Route>[]): Set<string> {
    const ids = new Set<string>();
    for (const { pattern } of entries) {
      for (const sample of this.#samples(pattern)) {
        for (const method of ROUTE_METHODS) {
          const found = publicTable.match(sample.host, sample.path, method);
          // A public route that goes before the protected one is an exception from it, not above it.
          if (!(found instanceof Denial) && this.#taker(sample, method)?.id !== found.route.id) ids.add(found.route.id);
        }
      }
    }
    return ids;
  }

  /** Who takes and who refuses the requests of an entry, if none of them comes to its own route; else `null`. */
  #othersAt({ pattern, route }: RouteEntry<Route>): Record<'takers' | 'refusers', ReadonlySet<Route>> | null {
    const takers = new Set<Route>();
    const refusers = new Set<Route>();
    for (const sample of this.#samples(pattern)) {
      for (const method of route.methods) {
        const taker = this.#taker(sample, method);
        if (taker === route) return null;
        if (taker !== null) takers.add(taker);
        // What refuses this method takes another one.
        else for (const other of ROUTE_METHODS) refusers.add(this.#taker(sample, other) ?? route);
      }
    }
    refusers.delete(route);
    return { takers, refusers };
  }

  #taker({ host, path }: Sample, method: string): Route | null {
    const found = this.#table.match(host, path, method);
    return found instanceof Denial ? null : found.route;
  }

  *#samples(pattern: RoutePattern): Generator<Sample> {
    const base = pattern.segments
      .map((segment) => `/${segment.kind === 'literal' ? segment.text : this.#fresh}`)
      .join('');
    const shallowest = pattern.end === 'rest' ? 1 : 0;
    const deepest = pattern.end === 'exact' ? 0 : Math.max(shallowest, this.#maxDepth - pattern.segments.length);
    for (const host of this.#hosts(pattern.host)) {
      for (let depth = shallowest; depth <= deepest; depth += 1) {
        yield { host, path: `${base}${`/${this.#fresh}`.repeat(depth)}` || '/' };
      }
    }
  }

  #hosts(host: string): readonly string[] {
    if (host === '*') return [`${this.#fresh}.invalid`];
    return [host.startsWith('*.') ? `${this.#fresh}${host.slice(1)}` : host];
  }

  #indexOf(route: Route): number {
    return this.#indices[route.index] ?? route.index;
  }

  #nameOf(route: Route): string {
    return `route ${JSON.stringify(route.id)} (line ${this.#context.source.lineOf(['routes', this.#indexOf(route), 'id'])})`;
  }

  #report(code: Code, route: Route, keys: readonly string[], message: string, hint: string | null = null): void {
    this.#context.source.report(code, ['routes', this.#indexOf(route), ...keys], message, hint, 'key');
  }
}

/** Paths that some upstream reads as this one. */
function otherSpellings(path: string): string[] {
  const segments = path.slice(1).split('/');
  return segments.flatMap((_, at) => {
    const [before, after] = [segments.slice(0, at + 1).join('/'), segments.slice(at + 1).join('/')];
    return after === '' ? [`/${before};x`] : [`/${before};x/${after}`, `/${before}%2F${after}`];
  });
}

const textOf = (segment: RoutePattern['segments'][number]) => (segment.kind === 'literal' ? segment.text : '');

/** Patterns of one shape match the same requests, whatever their parameters are called. */
export function patternShape(pattern: RoutePattern): string {
  const segments = pattern.segments.map((segment) => (segment.kind === 'literal' ? segment.text : ':'));
  return `${pattern.host} /${segments.join('/')} ${pattern.end}`;
}
