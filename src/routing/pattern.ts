/** Host and path patterns of routes, and the order in which they are tried. */

type PathSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'parameter'; readonly name: string };

/** How a pattern ends: nothing may follow, anything may follow, or at least one segment must follow (`*`). */
type PatternEnd = 'exact' | 'prefix' | 'rest';

/** One host and one path of a route, read. */
export interface RoutePattern {
  /** `*`, `*.example.com` or an exact canonical host. */
  readonly host: string;
  readonly segments: readonly PathSegment[];
  readonly end: PatternEnd;
}

/**
 * Reads a path pattern of the configuration (already validated by the schema).
 *
 * @param text   `/api/:tenant/orders`, `/assets/*`
 * @param exact  whether it comes from `exactPath`
 */
export function parsePattern(host: string, text: string, exact: boolean): RoutePattern {
  const parts = text === '/' ? [] : text.slice(1).split('/');
  const rest = parts.at(-1) === '*';
  const segments = (rest ? parts.slice(0, -1) : parts).map(
    (part): PathSegment =>
      part.startsWith(':') ? { kind: 'parameter', name: part.slice(1) } : { kind: 'literal', text: literalText(part) },
  );
  return { host, segments, end: rest ? 'rest' : exact ? 'exact' : 'prefix' };
}

/**
 * The canonical segment that a literal of a pattern stands for. `*` and a leading `:` mean something else in patterns, so
 * there, and only there, they are escaped.
 */
export const literalText = (written: string): string => written.replaceAll('%2A', '*').replace(/^%3A/, ':');

/** A canonical segment as a literal of a pattern: the inverse of {@link literalText}. */
export const writtenLiteral = (text: string): string => text.replaceAll('*', '%2A').replace(/^:/, '%3A');

/** The pattern as written, for people: `shop.example.com/api/orders`, prefixes with a trailing `/…`. */
export function formatPattern(pattern: RoutePattern): string {
  const path = writtenSegments(pattern);
  const ending = { exact: '', prefix: path === '' ? '…' : '/…', rest: path === '' ? '*' : '/*' }[pattern.end];
  return `${pattern.host}/${path}${ending}`;
}

/** The path of a pattern as written in the configuration. */
export const patternPath = (pattern: RoutePattern): string => {
  const path = writtenSegments(pattern);
  return pattern.end === 'rest' ? `/${path}${path === '' ? '*' : '/*'}` : `/${path}`;
};

const writtenSegments = ({ segments }: RoutePattern): string =>
  segments.map((segment) => (segment.kind === 'literal' ? writtenLiteral(segment.text) : `:${segment.name}`)).join('/');

/**
 * What a pattern matched: parameters by name, and what is below it (without leading slash) under `*`.
 *
 * @param path  a canonical path that the pattern is known to match
 */
export function captures(pattern: RoutePattern, path: string): ReadonlyMap<string, string> {
  const parts = path.slice(1).split('/');
  const found = new Map<string, string>();
  for (const [index, segment] of pattern.segments.entries()) {
    if (segment.kind === 'parameter') found.set(segment.name, parts[index] ?? '');
  }
  found.set('*', parts.slice(pattern.segments.length).join('/'));
  return found;
}

/**
 * Orders patterns from the most to the least specific: the order in which they are tried.
 *
 * Host first (exact, then the longest wildcard, then `*`), then segment by segment (literal, parameter, `*`, end of a
 * prefix), and an exact end before a prefix.
 */
export function compareSpecificity(a: RoutePattern, b: RoutePattern): number {
  return compareHosts(a.host, b.host) || comparePaths(a, b);
}

function compareHosts(a: string, b: string): number {
  const rank = (host: string) => (host === '*' ? 2 : host.startsWith('*.') ? 1 : 0);
  return rank(a) - rank(b) || (rank(a) === 1 ? b.split('.').length - a.split('.').length : 0) || compareText(a, b);
}

function comparePaths(a: RoutePattern, b: RoutePattern): number {
  const length = Math.max(a.segments.length, b.segments.length);
  for (let index = 0; index <= length; index += 1) {
    const difference = segmentRank(a, index) - segmentRank(b, index);
    if (difference !== 0) return difference;
    const left = a.segments[index];
    const right = b.segments[index];
    if (left?.kind === 'literal' && right?.kind === 'literal' && left.text !== right.text) {
      return compareText(left.text, right.text);
    }
  }
  return 0;
}

/** Lower is tried first. What comes after the last segment counts by how the pattern ends. */
function segmentRank(pattern: RoutePattern, index: number): number {
  const segment = pattern.segments[index];
  if (segment !== undefined) return segment.kind === 'literal' ? 0 : 1;
  return { exact: 2, rest: 3, prefix: 4 }[pattern.end];
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
