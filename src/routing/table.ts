/**
 * routing: the canonical request in, one route out, or a Denial 404 or 405.
 *
 * The table is compiled once from the configuration and never changes; a reload makes another one. Matching walks a
 * tree of path segments, so its cost follows the length of the path, not the number of routes
 * (bench/micro/routing.ts). The most specific pattern wins whatever the order in the file, and its routes decide about
 * the method: one that none of them accepts is 405, unless each of them leaves it to the next best pattern.
 */

import { Denial } from '../errors.ts';
import { compareSpecificity, type RoutePattern } from './pattern.ts';

/** What the table needs to know of a route. */
interface Routable {
  readonly id: string;
  /** Accepted methods; `GET` here includes `HEAD`. */
  readonly methods: ReadonlySet<string>;
  /** Whether the methods were written out: such a route is tried before one that takes the default. */
  readonly hasOwnMethods: boolean;
  /** Whether a request with another method goes to the next best pattern, instead of being refused. */
  readonly leavesOtherMethods: boolean;
}

/** One pattern of one route. */
export interface RouteEntry<R> {
  readonly pattern: RoutePattern;
  readonly route: R;
}

const HOST_NOT_SERVED = new Denial('host_not_served', 'no route for this host');
const NOT_FOUND = new Denial('route_not_found', 'no route matches the path');

class Node<R> {
  readonly literals = new Map<string, Node<R>>();
  parameter: Node<R> | null = null;
  readonly exact: RouteEntry<R>[] = [];
  readonly rest: RouteEntry<R>[] = [];
  readonly prefix: RouteEntry<R>[] = [];
}

/** A search for one request. Collects the methods that would have been accepted. */
class Search<R extends Routable> {
  readonly path: string;
  readonly method: string;
  allowed: Set<string> | null = null;
  /** Whether a pattern matched whose routes refuse the method: nothing less specific is tried. */
  isRefused = false;

  constructor(path: string, method: string) {
    this.path = path;
    this.method = method;
  }

  /** The first entry, in order of specificity, at or below this node that accepts the method. */
  find(node: Node<R>, start: number): RouteEntry<R> | null {
    if (start >= this.path.length) return this.#accepting(node.exact) ?? this.#accepting(node.prefix);
    const slash = this.path.indexOf('/', start);
    const end = slash === -1 ? this.path.length : slash;
    const literal = node.literals.get(this.path.slice(start, end));
    return (
      (literal === undefined ? null : this.find(literal, end + 1)) ??
      (node.parameter === null ? null : this.find(node.parameter, end + 1)) ??
      this.#accepting(node.rest) ??
      this.#accepting(node.prefix)
    );
  }

  #accepting(entries: readonly RouteEntry<R>[]): RouteEntry<R> | null {
    if (this.isRefused || entries.length === 0) return null;
    for (const entry of entries) if (entry.route.methods.has(this.method)) return entry;
    let isLeft = true;
    for (const { route } of entries) {
      isLeft &&= route.leavesOtherMethods;
      this.allowed ??= new Set();
      for (const method of route.methods) this.allowed.add(method);
    }
    this.isRefused = !isLeft;
    return null;
  }
}

/** The compiled, immutable set of routes. */
export class RouteTable<R extends Routable> {
  /** All entries in the order in which they are tried. */
  readonly entries: readonly RouteEntry<R>[];
  readonly #exactHosts = new Map<string, Node<R>>();
  readonly #wildcardHosts = new Map<string, Node<R>>();
  #anyHost: Node<R> | null = null;

  constructor(entries: readonly RouteEntry<R>[]) {
    this.entries = entries.toSorted(
      (a, b) =>
        compareSpecificity(a.pattern, b.pattern) || Number(b.route.hasOwnMethods) - Number(a.route.hasOwnMethods),
    );
    for (const entry of this.entries) {
      let node = this.#rootFor(entry.pattern.host);
      for (const segment of entry.pattern.segments) {
        node = segment.kind === 'literal' ? literalChild(node, segment.text) : parameterChild(node);
      }
      node[entry.pattern.end].push(entry);
    }
  }

  /**
   * Finds the route of a request.
   *
   * @param host    canonical host
   * @param path    canonical path; a trailing slash makes no difference (PTH-06)
   * @returns the entry, or a Denial `host_not_served` | `route_not_found` | `method_not_allowed` (with `Allow`)
   */
  match(host: string, path: string, method: string): RouteEntry<R> | Denial {
    const search = new Search<R>(path, method);
    const exact = this.#exactHosts.get(host);
    const found = exact === undefined ? null : search.find(exact, 1);
    if (found !== null) return found;
    let isServed = exact !== undefined;
    for (const root of this.#otherRoots(host)) {
      isServed = true;
      if (search.isRefused) break;
      const entry = search.find(root, 1);
      if (entry !== null) return entry;
    }
    if (search.allowed === null) return isServed ? NOT_FOUND : HOST_NOT_SERVED;
    return new Denial('method_not_allowed', 'no route at this path accepts the method', [
      'Allow',
      [...search.allowed].toSorted().join(', '),
    ]);
  }

  /** The trees of wildcards that apply to a host, the most specific first. */
  *#otherRoots(host: string): Generator<Node<R>> {
    if (this.#wildcardHosts.size > 0) {
      for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
        const wildcard = this.#wildcardHosts.get(host.slice(dot));
        if (wildcard !== undefined) yield wildcard;
      }
    }
    if (this.#anyHost !== null) yield this.#anyHost;
  }

  #rootFor(host: string): Node<R> {
    if (host === '*') {
      this.#anyHost ??= new Node();
      return this.#anyHost;
    }
    const hosts = host.startsWith('*.') ? this.#wildcardHosts : this.#exactHosts;
    const key = host.startsWith('*.') ? host.slice(1) : host;
    const present = hosts.get(key);
    if (present !== undefined) return present;
    const root = new Node<R>();
    hosts.set(key, root);
    return root;
  }
}

function parameterChild<R>(node: Node<R>): Node<R> {
  node.parameter ??= new Node();
  return node.parameter;
}

function literalChild<R>(node: Node<R>, text: string): Node<R> {
  const present = node.literals.get(text);
  if (present !== undefined) return present;
  const child = new Node<R>();
  node.literals.set(text, child);
  return child;
}
